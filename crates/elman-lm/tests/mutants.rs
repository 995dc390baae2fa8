//! Damaged model directories: each is an error in one line, or a model with finite metrics.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use elman_lm::{GenerateOptions, LanguageModel, LanguageModelConfig, LmError, ModelCard, evaluate, generate};
use elman_recurrence::CellKind;
use elman_testkit::{Mutants, device};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use serde_json::json;
use tempfile::TempDir;

const TEXT: &str = "a cat sat on a mat, a dog ran from a house\n";

/// A saved model, and a text to evaluate it on.
fn saved(config: impl Fn(usize) -> LanguageModelConfig) -> (TempDir, LanguageModelConfig) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    fs::write(&path, TEXT.repeat(2)).unwrap();
    let tokenizer = TokenizerConfig::new(Unit::Char).train(&Corpus::open([&path]).unwrap()).unwrap();
    let config = config(tokenizer.vocab_size());
    config.init(&device()).unwrap().save_dir(folder.path(), &tokenizer, &ModelCard::new("test")).unwrap();
    (folder, config)
}

fn small(vocabulary: usize) -> LanguageModelConfig {
    LanguageModelConfig { d_embed: 6, d_hidden: 8, ..LanguageModelConfig::new(vocabulary) }
}

/// Loads a model, evaluates it and generates text; all metrics must be finite.
fn open(folder: &Path) -> Result<(), LmError> {
    let (model, tokenizer): (LanguageModel, TextTokenizer) = LanguageModel::load_dir(folder, &device())?;
    let text = Corpus::open([folder.join("text.txt")])?.encode(&tokenizer)?;
    let metrics = evaluate(&model, &text, 1, 16)?;
    let all = [metrics.loss, metrics.perplexity, metrics.bits_per_byte, metrics.bits_per_character];
    assert!(all.iter().all(|x| x.is_finite()), "{metrics:?}");
    let options = GenerateOptions { max_tokens: 5, ..GenerateOptions::default() };
    generate(&model, &tokenizer, "a", &options)?.try_for_each(|piece| piece.map(drop))
}

#[test]
fn damaged_directories_are_errors_or_finite() {
    let mut mutants = Mutants::new(1000);
    let models = [
        saved(small).0,
        saved(|n| LanguageModelConfig { tied: true, cell: CellKind::MinGru, ..small(n) }).0,
        saved(|n| LanguageModelConfig { cell: CellKind::Elman, layers: 1, ..small(n) }).0,
    ];
    let paths = |folder: &TempDir| ["config.json", "model.safetensors"].map(|name| folder.path().join(name));
    let files: Vec<PathBuf> = models.iter().flat_map(paths).collect();
    mutants.damage(&files, |path| {
        let folder = path.parent().unwrap();
        open(folder).map_err(|error| match error {
            // these errors do not name the model; the caller does
            LmError::Setting { .. } | LmError::NotFinite => format!("{}: {error}", folder.display()),
            error => error.to_string(),
        })
    });
}

#[test]
fn errors_name_weights_that_are_not_finite() {
    let (folder, _) = saved(small);
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bytes = whole.clone();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&bad.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        let message = LanguageModel::load_dir(folder.path(), &device()).unwrap_err().to_string();
        let expected =
            format!("the weights '{}' cannot be used: 'output.weight' has a value that is not finite", path.display());
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn finite_weights_with_infinite_sums_are_an_error() {
    let (folder, config) = saved(small);
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    // the last tensor is the output's weight
    let begin = bytes.len() - config.vocabulary * config.d_hidden * 4;
    let weights = bytes[begin..].as_chunks_mut::<4>().0.iter_mut();
    weights.enumerate().for_each(|(n, x)| *x = if n % 3 == 0 { f32::MAX } else { f32::MIN }.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let result = open(folder.path());
    assert!(matches!(result, Err(LmError::NotFinite)), "{result:?}");
}

#[test]
fn wrong_sizes_are_rejected_before_weights_are_initialized() {
    let (folder, _) = saved(small);
    let path = folder.path().join("config.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (changes, expected) in [
        (vec![("d_hidden", json!(65_536))], "is too small for its config.json"),
        (
            vec![("d_hidden", json!(65_536)), ("cell", json!("min-gru")), ("layers", json!(1)), ("d_embed", json!(1))],
            "the weights",
        ),
        (vec![("layers", json!(256)), ("d_hidden", json!(4_000))], "is too small for its config.json"),
        (vec![("init_range", json!(1e39))], "init_range must be 0 to 1000, not 1"),
        (vec![("init_range", json!(-1))], "init_range must be 0 to 1000, not -1"),
        (
            vec![("dropout", json!({"embedding": 0.999_999_999_999, "between_layers": 0, "output": 0}))],
            "the embedding's dropout must be",
        ),
        (vec![("tied", json!(true))], "the weights"),
    ] {
        let mut config = whole.clone();
        for (name, value) in &changes {
            config["model"][name] = value.clone();
        }
        fs::write(&path, config.to_string()).unwrap();
        let begin = Instant::now();
        let message = LanguageModel::load_dir(folder.path(), &device()).unwrap_err().to_string();
        assert!(message.contains(expected), "{changes:?}: {message}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{changes:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_instead_of_a_file_does_not_block() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let (folder, _) = saved(small);
        let path = folder.path().join(name);
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let message = LanguageModel::load_dir(folder.path(), &device()).unwrap_err().to_string();
        assert_eq!(message, format!("cannot read '{}': it is a pipe, not a regular file", path.display()));
    }
}
