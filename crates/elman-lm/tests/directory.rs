//! Saving and loading, and errors of damaged directories.

use std::{fs, path::Path};

use burn::tensor::Tensor;
use elman_lm::{CorpusInfo, LanguageModel, LanguageModelConfig, ModelCard, TrainConfig, fingerprint};
use elman_testkit::{device, devices};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use serde_json::{Value, json};
use tempfile::TempDir;

fn tokenizer(text: &str) -> TextTokenizer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    fs::write(&path, text).unwrap();
    TokenizerConfig::new(Unit::Char).train(&Corpus::open([&path]).unwrap()).unwrap()
}

fn config(vocabulary: usize) -> LanguageModelConfig {
    LanguageModelConfig { d_embed: 6, d_hidden: 8, ..LanguageModelConfig::new(vocabulary) }
}

/// A saved model.
fn saved() -> (TempDir, LanguageModel) {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer("hello, world");
    let model = config(tokenizer.vocab_size()).init(&device()).unwrap();
    model.save_dir(folder.path(), &tokenizer, &ModelCard::new("test")).unwrap();
    (folder, model)
}

fn load_error(path: &Path) -> String {
    LanguageModel::load_dir(path, &device()).unwrap_err().to_string()
}

/// Changes a value of `config.json`.
fn edit(folder: &Path, pointer: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    *config.pointer_mut(pointer).unwrap() = value;
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn a_loaded_model_is_the_saved_one_bit_for_bit() {
    for device in devices() {
        for tied in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let tokenizer = tokenizer("hello, world");
            let config = LanguageModelConfig { tied, ..config(tokenizer.vocab_size()) };
            let model = config.init(&device.device).unwrap();
            model.save_dir(folder.path(), &tokenizer, &ModelCard::new("test")).unwrap();
            let (loaded, same) = LanguageModel::load_dir(folder.path(), &device.device).unwrap();
            assert_eq!(loaded.config(), &config);
            assert_eq!(same.encode("hello").unwrap(), tokenizer.encode("hello").unwrap());
            let logits = |model: &LanguageModel| -> Tensor<3> {
                model.forward(model.tokens(&[0, 3, 1, 2, 5, 4], [2, 3]).unwrap(), None).0
            };
            assert_eq!(logits(&model).into_data(), logits(&loaded).into_data(), "{device}, tied {tied}");
        }
    }
}

#[test]
fn weights_have_pytorch_names_and_shapes() {
    let (folder, model) = saved();
    let bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let vocabulary = model.config().vocabulary;
    let mut names: Vec<_> = file.names();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "embedding.weight",
            "network.bias_hh_l0",
            "network.bias_hh_l1",
            "network.bias_ih_l0",
            "network.bias_ih_l1",
            "network.weight_hh_l0",
            "network.weight_hh_l1",
            "network.weight_ih_l0",
            "network.weight_ih_l1",
            "output.bias",
            "output.weight",
        ]
    );
    assert_eq!(file.tensor("network.weight_ih_l0").unwrap().shape(), [32, 6]);
    assert_eq!(file.tensor("output.weight").unwrap().shape(), [vocabulary, 8]);
}

#[test]
fn errors_name_missing_files() {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let (folder, _) = saved();
        fs::remove_file(folder.path().join(file)).unwrap();
        let expected = format!("'{}' is not a model directory: it has no {file}", folder.path().display());
        assert_eq!(load_error(folder.path()), expected);
    }
}

#[test]
fn errors_name_damaged_weights() {
    let (folder, _) = saved();
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let shown = path.display().to_string();
    for cut in [0, 5, 100, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let message = load_error(folder.path());
        assert!(message.contains(&shown) && !message.contains('\n'), "{message}");
    }
    // a header that claims to be larger than any memory
    let mut hostile = whole.clone();
    hostile[..8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    fs::write(&path, &hostile).unwrap();
    let message = load_error(folder.path());
    assert!(message.starts_with(&format!("the weights '{shown}' cannot be parsed")), "{message}");
    fs::write(&path, &whole).unwrap();
    LanguageModel::load_dir(folder.path(), &device()).unwrap();
}

#[test]
fn a_config_that_disagrees_with_the_weights_is_an_error() {
    let (folder, _) = saved();
    let path = folder.path().join("model.safetensors");
    let shown = path.display();
    edit(folder.path(), "/model/d_hidden", json!(9));
    let message = load_error(folder.path());
    let begin = format!("the weights '{shown}' do not match the network: 'network.weight_ih_l0' should be [36, 6]");
    assert!(message.starts_with(&begin) && message.contains("[32, 6]"), "{message}");
    // much larger than the file: rejected before memory is allocated
    edit(folder.path(), "/model/d_hidden", json!(65536));
    let message = load_error(folder.path());
    assert!(
        message.starts_with(&format!("'{shown}' is too small for its config.json: the weights need ")),
        "{message}"
    );
    edit(folder.path(), "/model/d_hidden", json!(8));
    edit(folder.path(), "/model/layers", json!(1));
    assert!(load_error(folder.path()).contains("network.weight_ih_l1"));
    edit(folder.path(), "/model/layers", json!(0));
    assert_eq!(load_error(folder.path()), "the number of layers must be 1 to 256, not 0");
}

#[test]
fn errors_name_other_versions_and_other_files() {
    let (folder, model) = saved();
    let shown = folder.path().join("config.json").display().to_string();
    edit(folder.path(), "/format_version", json!(2));
    let expected = format!("'{shown}' has format version 2, and this program supports up to 1: update it");
    assert_eq!(load_error(folder.path()), expected);

    fs::write(folder.path().join("config.json"), "{\"format_version\": 1,\n oops").unwrap();
    let message = load_error(folder.path());
    assert!(message.starts_with(&format!("'{shown}' is not the configuration of a language model: ")), "{message}");
    assert!(message.contains("line 2"), "{message}");

    let (folder, _) = saved();
    let path = folder.path().join("tokenizer.json");
    let other = tokenizer("ab");
    other.save(&path).unwrap();
    let expected = format!(
        "'{}' has {} tokens and config.json says {}: the files are not from one model",
        path.display(),
        other.vocab_size(),
        model.config().vocabulary
    );
    assert_eq!(load_error(folder.path()), expected);
}

#[test]
fn saving_over_a_model_replaces_it() {
    let (folder, _) = saved();
    let tokenizer = tokenizer("another text of another size");
    let model = config(tokenizer.vocab_size()).init(&device()).unwrap();
    model.save_dir(folder.path(), &tokenizer, &ModelCard::new("test")).unwrap();
    let (loaded, _) = LanguageModel::load_dir(folder.path(), &device()).unwrap();
    assert_eq!(loaded.config(), model.config());
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["README.md", "config.json", "model.safetensors", "tokenizer.json"]);
}

#[test]
fn errors_name_a_directory_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "").unwrap();
    let tokenizer = tokenizer("ab");
    let model = config(tokenizer.vocab_size()).init(&device()).unwrap();
    let error = model.save_dir(path.join("model"), &tokenizer, &ModelCard::new("test")).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot write '{}': ", path.join("model").display())), "{error}");
}

#[test]
fn fingerprints_distinguish_models() {
    let (folder, _) = saved();
    let first = fingerprint(folder.path()).unwrap();
    assert_eq!(first.len(), 64);
    fs::write(folder.path().join("README.md"), "edited").unwrap();
    assert_eq!(fingerprint(folder.path()).unwrap(), first);
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_ne!(fingerprint(folder.path()).unwrap(), first);
}

#[test]
fn the_model_card_describes_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer("ab");
    let model = config(tokenizer.vocab_size()).init(&device()).unwrap();
    let corpus = CorpusInfo { role: "train".into(), name: "a|b\n.txt".into(), tokens: 3, characters: 2, bytes: 1 };
    let card = ModelCard {
        corpus: vec![corpus],
        training: Some(TrainConfig::default()),
        command: Some("elman train a.txt".into()),
        ..ModelCard::new("My model")
    };
    model.save_dir(folder.path(), &tokenizer, &card).unwrap();
    let text = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(text.starts_with("---\nlibrary_name: elman\n"));
    for line in [
        "# My model",
        "| cell | lstm |",
        "| train | a\\|b .txt | 3 | 2 | 1 |",
        "| schedule | plateau:factor=4 |",
        "elman train a.txt",
    ] {
        assert!(text.lines().any(|l| l == line), "no '{line}' in\n{text}");
    }
}
