//! What the fuzz targets share: a folder in memory, a small model of each kind in it, and a bound on memory.
//!
//! A target writes its input as the file that is under test, beside good files, and opens it as the command would. The
//! result may be an error or a value; a panic, an abort, a hang, a value that is not finite, or an error message of more
//! than one line or with control characters is a finding.

use std::{
    alloc::System,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use burn::tensor::Device;
use cap::Cap;
use elman_embedding::encoder::{EncoderConfig, WeightType};
use elman_lm::{LanguageModelConfig, ModelCard};
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
pub fn language_model() -> &'static Path {
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
pub fn encoder() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let tokenizer = tokenizer();
        let config = EncoderConfig { d_embed: 3, d_hidden: 4, ..EncoderConfig::new(tokenizer.vocab_size()) };
        let path = folder().join("encoder");
        let model = config.init(&Device::flex()).expect("a model");
        model.save(&path, &tokenizer, "", WeightType::Int8).expect("a directory");
        path
    })
}

fn tokenizer() -> TextTokenizer {
    let text = file("text.txt", b"a cat sat on the mat\n");
    TokenizerConfig::new(Unit::Char).train(&Corpus::open([text]).expect("a text")).expect("a tokenizer")
}

/// Checks an error as a user would see it.
pub fn checked<T, E: Error>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(|error| assert!(!error.to_string().is_empty())).ok()
}

/// Checks that all values are finite.
pub fn finite(values: &[f32]) {
    assert!(values.iter().all(|value| value.is_finite()), "a value is not finite");
}
