//! Shared code of the fuzz targets: an in-memory directory, a small model of each kind in it, and a memory limit.
//!
//! A target writes its input as the file under test, next to valid files, and opens it as the command would. Errors and
//! values are both valid results; a panic, abort, hang, non-finite value or multi-line error message is a finding.

use std::{
    alloc::System,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use burn::tensor::Device;
use cap::Cap;
use elman_embedding::encoder::{Encoder, EncoderConfig, StoredDtype};
use elman_lm::{LanguageModel, LanguageModelConfig, ModelCard};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

/// Memory limit. Inputs of a few kilobytes stay below it unless a length field is trusted without a check.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 1 << 30);

/// A directory in memory, shared by the whole run.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let memory = Path::new("/dev/shm");
    FOLDER
        .get_or_init(|| match memory.is_dir() {
            true => tempfile::tempdir_in(memory).expect("a directory in memory"),
            false => tempfile::tempdir().expect("a directory"),
        })
        .path()
}

/// Writes a file into the directory.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("a file in the directory");
    path
}

/// Model directory of a small language model, created once.
fn language_model() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let tokenizer = tokenizer();
        let config =
            LanguageModelConfig { d_embed: 3, d_hidden: 4, ..LanguageModelConfig::new(tokenizer.vocab_size()) };
        let path = folder().join("language-model");
        let model = config.init(&Device::flex()).expect("a model");
        model.save_dir(&path, &tokenizer, &ModelCard::new("small")).expect("a directory");
        path
    })
}

/// Model directory of a small encoder, created once.
fn encoder() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let tokenizer = tokenizer();
        let config = EncoderConfig { d_embed: 3, d_hidden: 4, ..EncoderConfig::new(tokenizer.vocab_size()) };
        let path = folder().join("encoder");
        let model = config.init(&Device::flex()).expect("a model");
        model.save(&path, &tokenizer, "", StoredDtype::Int8).expect("a directory");
        path
    })
}

fn tokenizer() -> TextTokenizer {
    let text = file("text.txt", b"a cat sat on the mat\n");
    TokenizerConfig::new(Unit::Char).train(&Corpus::open([text]).expect("a text")).expect("a tokenizer")
}

/// Replaces a file of a model directory, opens the model and uses it. The first byte selects the kind of model.
pub fn model_with(name: &str, bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let device = Device::flex();
    let path = if kind % 2 == 0 { language_model() } else { encoder() };
    fs::write(path.join(name), bytes).expect("a file in the directory");
    if kind % 2 == 0 {
        checked(LanguageModel::load_dir(path, &device));
    } else if let Some(encoder) = checked(Encoder::load(path, &device)) {
        checked(encoder.encode(&["a cat"])).iter().flatten().for_each(|vector| finite(vector));
    }
}

/// Checks that an error message is a single line.
pub fn checked<T, E: Error>(result: Result<T, E>) -> Option<T> {
    let is_one_line = |text: &str| !text.is_empty() && !text.contains('\n');
    result.inspect_err(|error| assert!(is_one_line(&error.to_string()), "{error}")).ok()
}

/// Checks that all values are finite.
pub fn finite(values: &[f32]) {
    assert!(values.iter().all(|value| value.is_finite()), "a value is not finite");
}
