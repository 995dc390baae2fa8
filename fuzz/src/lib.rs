//! What the fuzz targets share: a folder in memory, a small model of each kind in it, and a bound on memory.
//!
//! A target writes its input as the file that is under test, beside good files, and opens it as the command would. The
//! result may be an error or a value; a panic, an abort, a hang, a value that is not finite, or an error message of more
//! than one line is a finding.

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

/// No input of a few kilobytes needs more than this; a length in a file that is believed does.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 1 << 30);

/// A folder in memory, for the whole run.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let memory = Path::new("/dev/shm");
    FOLDER
        .get_or_init(|| match memory.is_dir() {
            true => tempfile::tempdir_in(memory).expect("a folder in memory"),
            false => tempfile::tempdir().expect("a folder"),
        })
        .path()
}

/// Writes a file into the folder.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("a file in the folder");
    path
}

/// A directory of a small language model, made once.
fn language_model() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let tokenizer = tokenizer();
        let config = LanguageModelConfig { d_embed: 3, d_hidden: 4, ..LanguageModelConfig::new(tokenizer.vocab_size()) };
        let path = folder().join("language-model");
        let model = config.init(&Device::flex()).expect("a model");
        model.save_dir(&path, &tokenizer, &ModelCard::new("small")).expect("a directory");
        path
    })
}

/// A directory of a small encoder, made once.
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

/// Opens a model with a file of its directory replaced, and uses it; the first byte says of which kind the model is.
pub fn model_with(name: &str, bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let device = Device::flex();
    let path = if kind % 2 == 0 { language_model() } else { encoder() };
    fs::write(path.join(name), bytes).expect("a file in the folder");
    if kind % 2 == 0 {
        checked(LanguageModel::load_dir(path, &device));
    } else if let Some(encoder) = checked(Encoder::load(path, &device)) {
        checked(encoder.encode(&["a cat"])).iter().flatten().for_each(|vector| finite(vector));
    }
}

/// Checks an error as a user would see it.
pub fn checked<T, E: Error>(result: Result<T, E>) -> Option<T> {
    let is_one_line = |text: &str| !text.is_empty() && !text.contains('\n');
    result.inspect_err(|error| assert!(is_one_line(&error.to_string()), "{error}")).ok()
}

/// Checks that all values are finite.
pub fn finite(values: &[f32]) {
    assert!(values.iter().all(|value| value.is_finite()), "a value is not finite");
}
