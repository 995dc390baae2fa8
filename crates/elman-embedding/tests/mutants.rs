//! Damaged encoders and vector files: each gives a one-line error or finite vectors.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use elman_embedding::{
    Embedder, EmbedderConfig, EmbeddingError, Pooling, VectorFile,
    encoder::{Encoder, EncoderConfig, StoredDtype},
};
use elman_lm::{LanguageModelConfig, ModelCard};
use elman_recurrence::CellKind;
use elman_testkit::{Mutants, device};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

const TEXTS: [&str; 4] = ["a cat sat on the mat", "", "dog", "the dog sat on the cat and the mat, all day long"];

fn tokenizer(folder: &TempDir) -> TextTokenizer {
    let text = folder.path().join("text.txt");
    fs::write(&text, TEXTS.join("\n")).unwrap();
    TokenizerConfig::new(Unit::Char).train(&Corpus::open([text]).unwrap()).unwrap()
}

/// The directory of an untrained encoder.
fn saved(change: impl Fn(EncoderConfig) -> EncoderConfig, weights: StoredDtype) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(&folder);
    let config = EncoderConfig { d_embed: 6, d_hidden: 5, d_projection: Some(7), ..EncoderConfig::new(0) };
    let config = change(EncoderConfig { vocabulary: tokenizer.vocab_size(), ..config });
    config.init(&device()).unwrap().save(folder.path(), &tokenizer, "a card", weights).unwrap();
    folder
}

/// Loads an encoder and checks that its vectors are finite.
fn open(folder: &Path) -> Result<(), EmbeddingError> {
    let encoder = Encoder::load(folder, &device())?;
    let vectors = encoder.encode(&TEXTS)?;
    assert!(vectors.iter().flatten().all(|x| x.is_finite()));
    assert!(encoder.encode_one(TEXTS[0])?.iter().all(|x| x.is_finite()));
    Ok(())
}

#[test]
fn damaged_encoders_are_errors_or_finite() {
    let mut mutants = Mutants::new(1000);
    let parse = |pooling: &str| pooling.parse::<Pooling>().unwrap();
    let encoders = [
        saved(|c| c, StoredDtype::F32),
        saved(
            |c| EncoderConfig { pooling: parse("max+attention"), normalize: false, d_projection: None, ..c },
            StoredDtype::F16,
        ),
        saved(|c| EncoderConfig { cell: CellKind::Lstm, bidirectional: true, layers: 2, ..c }, StoredDtype::Int8),
    ];
    let paths = |folder: &TempDir| ["config.json", "model.safetensors"].map(|name| folder.path().join(name));
    let files: Vec<PathBuf> = encoders.iter().flat_map(paths).collect();
    mutants.damage(&files, |path| open(path.parent().unwrap()));
}

/// Overwrites the last bytes of the weights.
fn overwrite(folder: &TempDir, bytes: &[u8]) {
    let path = folder.path().join("model.safetensors");
    let mut whole = fs::read(&path).unwrap();
    let end = whole.len();
    whole[end - bytes.len()..].copy_from_slice(bytes);
    fs::write(path, whole).unwrap();
}

/// Fills an f32 tensor of the weights with a value.
fn fill(folder: &TempDir, tensor: &str, value: f32) {
    let path = folder.path().join("model.safetensors");
    let mut whole = fs::read(&path).unwrap();
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&whole).unwrap();
    let (start, end) = metadata.info(tensor).unwrap().data_offsets;
    let values = whole[8 + header + start..8 + header + end].as_chunks_mut::<4>().0;
    values.fill(value.to_le_bytes());
    fs::write(path, whole).unwrap();
}

#[test]
fn weights_that_are_not_finite_are_errors() {
    for (dtype, bytes) in [
        (StoredDtype::F32, &f32::NAN.to_le_bytes()[..]),
        (StoredDtype::F32, &f32::INFINITY.to_le_bytes()),
        (StoredDtype::F16, &[0x00, 0x7c]), // infinite
        (StoredDtype::F16, &[0x01, 0xfc]), // NaN
    ] {
        let folder = saved(|c| c, dtype);
        overwrite(&folder, bytes);
        let message = open(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains("model.safetensors' cannot be used: '") && message.contains("not finite"),
            "{message}"
        );
    }
    let folder = saved(|c| c, StoredDtype::Int8);
    fill(&folder, "projection.weight.scale", f32::INFINITY);
    let message = open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("'projection.weight' has a value that is not finite"), "{message}");
}

#[test]
fn errors_of_overflowing_vectors_name_the_model() {
    let expected = |folder: &TempDir| {
        let start = format!("the model '{}' computed a vector that is not finite", folder.path().display());
        move |message: String| assert!(message.starts_with(&start), "{message}")
    };
    // a projection whose weights are finite, but whose sums overflow
    let huge: Vec<u8> = [f32::MAX; 35].iter().flat_map(|x| x.to_le_bytes()).collect();
    for normalize in [false, true] {
        let folder = saved(|c| EncoderConfig { cell: CellKind::MinGru, normalize, ..c }, StoredDtype::F32);
        overwrite(&folder, &huge);
        // large outputs of minGRU, which are unbounded
        fill(&folder, "network.bias_ih_l0", 1e9);
        expected(&folder)(open(folder.path()).unwrap_err().to_string());
    }
    // a language model's hidden states
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(&folder);
    let config = LanguageModelConfig {
        cell: CellKind::MinGru,
        d_embed: 6,
        d_hidden: 8,
        layers: 2,
        ..LanguageModelConfig::new(tokenizer.vocab_size())
    };
    config.init(&device()).unwrap().save_dir(folder.path(), &tokenizer, &ModelCard::new("test")).unwrap();
    fill(&folder, "network.weight_ih_l0", 1e38);
    fill(&folder, "network.weight_ih_l1", 1e38);
    let embedder = Embedder::load(folder.path(), EmbedderConfig::default(), &device()).unwrap();
    expected(&folder)(embedder.embed(&TEXTS).unwrap_err().to_string());
    expected(&folder)(embedder.embed_one(TEXTS[0]).unwrap_err().to_string());
}

#[test]
fn wrong_sizes_are_rejected_before_weights_are_initialized() {
    let folder = saved(|c| c, StoredDtype::F32);
    let path = folder.path().join("config.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (changes, expected) in [
        (
            vec![("d_hidden", serde_json::json!(65_536)), ("layers", serde_json::json!(256))],
            "should be [196608, 6] and is [15, 6]",
        ),
        (vec![("d_projection", serde_json::json!(65_536))], "should be [65536"),
        (
            vec![("d_projection", serde_json::json!(null)), ("pooling", serde_json::json!(["mean"; 99].join("+")))],
            "unknown pooling",
        ),
    ] {
        let mut config = whole.clone();
        for (name, value) in changes {
            config["encoder"][name] = value;
        }
        fs::write(&path, config.to_string()).unwrap();
        let start = Instant::now();
        let message = open(folder.path()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(start.elapsed() < Duration::from_secs(2), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_instead_of_a_file_is_an_error() {
    for name in ["config.json", "tokenizer.json", "model.safetensors", "vectors.npy", "vectors.safetensors"] {
        let folder = saved(|c| c, StoredDtype::F32);
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let result = if name.starts_with("vectors") { VectorFile::open(&path).map(drop) } else { open(folder.path()) };
        let message = result.unwrap_err().to_string();
        assert_eq!(message, format!("cannot read '{}': it is a pipe, not a regular file", path.display()));
    }
}

#[test]
fn damaged_vector_files_are_errors_or_readable() {
    let mut mutants = Mutants::new(2000);
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u8> = (0..15).flat_map(|x| (x as f32).to_le_bytes()).collect();
    let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }");
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![5, 3], &values).unwrap();
    let matrix = safetensors::serialize([("embeddings", view)], None).unwrap();
    let npy = |header: &str| {
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &values].concat()
    };
    for n in 0..mutants.count() {
        let (path, mutant) = match n % 3 {
            0 => ("v.npy", mutants.bytes(&npy(&header))),
            1 => ("v.npy", npy(&mutants.text(&header))),
            _ => ("v.safetensors", mutants.safetensors(&matrix)),
        };
        let path = folder.path().join(path);
        fs::write(&path, mutant).unwrap();
        mutants.open(&path, || {
            let file = VectorFile::open(&path)?;
            file.each(|_, vector| {
                assert_eq!(vector.len(), file.width());
                Ok(())
            })?;
            file.read(&(0..file.rows()).rev().collect::<Vec<_>>()).map(drop)
        });
    }
    mutants.end();
    // a header whose nesting would overflow the parser's stack
    let path = folder.path().join("v.npy");
    fs::write(&path, npy(&"[".repeat(60_000))).unwrap();
    let message = VectorFile::open(&path).unwrap_err().to_string();
    assert!(message.ends_with("its header does not describe one numeric array"), "{message}");
    // a header that claims to have 4 GB
    fs::write(&path, [b"\x93NUMPY\x02\x00", &[255; 4][..], header.as_bytes()].concat()).unwrap();
    assert!(VectorFile::open(&path).unwrap_err().to_string().ends_with("its header has 4294967295 bytes"));
}
