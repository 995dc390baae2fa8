use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use elman_text::{TextTokenizer, Tokenizer};
use serde::{Deserialize, Serialize};

use super::{
    config::EncoderConfig,
    model::EncoderModel,
    stored::{self, StoredDtype},
};
use crate::error::EmbeddingError;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const CARD: &str = "README.md";

/// The newest supported `format_version`.
const FORMAT_VERSION: u32 = 1;

/// Larger configuration files are rejected.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The contents of `config.json`.
#[derive(Serialize, Deserialize)]
struct ConfigFile {
    format_version: u32,
    /// The version of elman that wrote it; informational.
    elman_version: String,
    encoder: EncoderConfig,
}

/// The field of `config.json` that every version has.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// The files of an encoder, read from a directory or embedded in a program.
#[derive(Clone, Debug)]
pub struct Files<'a> {
    path: PathBuf,
    config: Cow<'a, [u8]>,
    tokenizer: Cow<'a, [u8]>,
    weights: Cow<'a, [u8]>,
}

impl<'a> Files<'a> {
    /// Files in memory; errors use `name` as their directory.
    pub fn new(name: impl AsRef<Path>, config: &'a [u8], tokenizer: &'a [u8], weights: &'a [u8]) -> Self {
        let [config, tokenizer, weights] = [config, tokenizer, weights].map(Cow::Borrowed);
        Self { path: name.as_ref().into(), config, tokenizer, weights }
    }

    /// Reads the files of a directory.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if one is missing or cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EmbeddingError> {
        let path = path.as_ref();
        let file = |name: &'static str, limit| match elman_files::read(path.join(name), limit) {
            Ok(bytes) => Ok(Cow::Owned(bytes)),
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
                Err(elman_lm::LmError::NoModel { path: path.into(), file: name })
            }
            Err(source) => Err(elman_lm::LmError::Read { path: path.join(name), source }),
        };
        let (config, tokenizer) = (file(CONFIG, MAX_CONFIG_BYTES)?, file(TOKENIZER, u64::MAX)?);
        Ok(Self { path: path.into(), config, tokenizer, weights: file(WEIGHTS, u64::MAX)? })
    }

    /// The directory, for errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Loads the model and its tokenizer.
    ///
    /// # Errors
    /// [`EmbeddingError::Config`], [`EmbeddingError::Description`], [`EmbeddingError::Text`],
    /// [`EmbeddingError::Weights`]; [`EmbeddingError::Model`] if the files do not fit each other, or have a newer
    /// format version.
    pub fn model(&self, device: &Device) -> Result<(EncoderModel, TextTokenizer), EmbeddingError> {
        let config = read_config(&self.config, &self.path.join(CONFIG))?;
        let tokenizer = TextTokenizer::from_bytes(&self.tokenizer, self.path.join(TOKENIZER))?;
        if tokenizer.vocab_size() > config.vocabulary {
            let (path, tokenizer, config) = (self.path.join(TOKENIZER), tokenizer.vocab_size(), config.vocabulary);
            return Err(elman_lm::LmError::Vocabulary { path, tokenizer, config }.into());
        }
        let path = self.path.join(WEIGHTS);
        // checked before allocation; cannot overflow, since d_embed is at most 2¹⁶ and the vocabulary below 2³¹
        let (expected, found) = (config.vocabulary as u64 * config.d_embed as u64, self.weights.len() as u64);
        if found < expected {
            return Err(elman_lm::LmError::TooSmall { path, expected, found }.into());
        }
        let weights = stored::read(&self.weights, &path)?;
        let model = weights.load_into(config.init(device)?).map_err(elman_lm::LmError::from)?;
        Ok((model, tokenizer))
    }

    /// SHA-256 of tokenizer and weights; see [`elman_lm::fingerprint`].
    pub fn fingerprint(&self) -> String {
        elman_lm::fingerprint_of(&self.tokenizer, &self.weights)
    }
}

/// Whether a directory contains an encoder rather than a language model or no model.
pub fn is_encoder(path: impl AsRef<Path>) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "encoder")]
        _encoder: serde::de::IgnoredAny,
    }
    let text = elman_files::read(path.as_ref().join(CONFIG), MAX_CONFIG_BYTES);
    text.is_ok_and(|text| serde_json::from_slice::<Kind>(&text).is_ok())
}

fn read_config(text: &[u8], path: &Path) -> Result<EncoderConfig, EmbeddingError> {
    let config = |source| EmbeddingError::Config { path: path.into(), source };
    let Version { format_version: found } = serde_json::from_slice(text).map_err(config)?;
    if found > FORMAT_VERSION {
        return Err(elman_lm::LmError::Version { path: path.into(), found, supported: FORMAT_VERSION }.into());
    }
    let file: ConfigFile = serde_json::from_slice(text).map_err(config)?;
    let invalid = |source| EmbeddingError::Description { path: path.into(), source: Box::new(source) };
    file.encoder.validate().map_err(invalid)?;
    Ok(file.encoder)
}

impl EncoderModel {
    /// Saves the model to a directory: `tokenizer.json`, `config.json`, `README.md` (the model card, unless it is
    /// empty) and `model.safetensors` (with PyTorch's tensor names).
    ///
    /// Each file is replaced atomically. Existing weights are removed first and the new ones written last, so that
    /// after a crash the directory either loads or lacks the weights, which is an error.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`], [`EmbeddingError::Text`] if a file cannot be written.
    pub fn save(
        &self,
        path: impl AsRef<Path>,
        tokenizer: &TextTokenizer,
        card: &str,
        weights: StoredDtype,
    ) -> Result<(), EmbeddingError> {
        let path = path.as_ref();
        let failed = |source| elman_lm::LmError::Write { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let weights = stored::store(self, weights)?;
        match fs::remove_file(path.join(WEIGHTS)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source).into()),
            _ => {}
        }
        tokenizer.save(path.join(TOKENIZER))?;
        let config = ConfigFile {
            format_version: FORMAT_VERSION,
            elman_version: env!("CARGO_PKG_VERSION").into(),
            encoder: self.config.clone(),
        };
        let config = serde_json::to_string_pretty(&config).expect("a configuration is valid JSON") + "\n";
        replace(&path.join(CONFIG), config.as_bytes())?;
        if !card.is_empty() {
            replace(&path.join(CARD), card.as_bytes())?;
        }
        replace(&path.join(WEIGHTS), &weights)
    }
}

/// Replaces a file atomically.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), EmbeddingError> {
    let written = elman_files::replace(path, bytes);
    Ok(written.map_err(|source| elman_lm::LmError::Write { path: path.into(), source })?)
}
