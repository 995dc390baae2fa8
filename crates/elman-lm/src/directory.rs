use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use burn::{module::Module, tensor::Device};
use elman_recurrence::StateDict;
use elman_text::{TextTokenizer, Tokenizer, Unit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{card::ModelCard, config::LanguageModelConfig, error::LmError, files, model::LanguageModel};

const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const CARD: &str = "README.md";

/// The newest supported `format_version`.
const FORMAT_VERSION: u32 = 1;

/// Larger configuration files are rejected.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The content of `config.json`.
#[derive(Debug, Serialize, Deserialize)]
struct ConfigFile {
    format_version: u32,
    /// The version of elman that wrote it; informational.
    elman_version: String,
    tokens: Unit,
    model: LanguageModelConfig,
}

/// The part of `config.json` that all versions share.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

impl LanguageModel {
    /// Saves the model as a directory in the Hugging Face layout: `tokenizer.json`, `config.json`, `README.md` (the
    /// model card), `model.safetensors` (f32, with PyTorch's tensor names).
    ///
    /// Each file is replaced atomically, the weights last. Weights of another model are removed first. After a crash
    /// the directory therefore either loads or fails with the name of the missing file.
    ///
    /// # Errors
    /// [`LmError::Write`], [`LmError::Weights`], [`LmError::Text`] if a file cannot be written.
    pub fn save_dir(&self, path: impl AsRef<Path>, tokenizer: &TextTokenizer, card: &ModelCard) -> Result<(), LmError> {
        let path = path.as_ref();
        files::make_dir(path)?;
        let config = ConfigFile {
            format_version: FORMAT_VERSION,
            elman_version: env!("CARGO_PKG_VERSION").into(),
            tokens: tokenizer.unit(),
            model: self.config().clone(),
        };
        let mut config = serde_json::to_vec_pretty(&config).expect("a configuration is valid JSON");
        config.push(b'\n');
        let current = |file: &str| elman_files::read(path.join(file), u64::MAX).ok();
        let old_tokenizer = current(TOKENIZER);
        if current(CONFIG).as_ref() != Some(&config) {
            remove_weights(path)?;
        }
        tokenizer.save(path.join(TOKENIZER))?;
        if current(TOKENIZER) != old_tokenizer {
            remove_weights(path)?;
        }
        files::replace(&path.join(CONFIG), &config)?;
        files::replace(&path.join(CARD), card.markdown(self.config(), tokenizer.unit()).as_bytes())?;
        Ok(StateDict::from_module(self).save(path.join(WEIGHTS))?)
    }

    /// Loads a model and its tokenizer from a directory that [`save_dir`](Self::save_dir) wrote.
    ///
    /// # Errors
    /// [`LmError::NoModel`] if a file is missing; [`LmError::Config`], [`LmError::Version`], [`LmError::Setting`] for a
    /// `config.json` that cannot be used; [`LmError::Text`] for the tokenizer; [`LmError::Vocabulary`],
    /// [`LmError::TooSmall`], [`LmError::Weights`] if the files are inconsistent or damaged.
    pub fn load_dir(path: impl AsRef<Path>, device: &Device) -> Result<(Self, TextTokenizer), LmError> {
        let path = path.as_ref();
        for file in [CONFIG, TOKENIZER, WEIGHTS] {
            if !path.join(file).exists() {
                return Err(LmError::NoModel { path: path.into(), file });
            }
        }
        let (config, tokenizer) = read_description(&path.join(CONFIG), &path.join(TOKENIZER))?;
        let weights = path.join(WEIGHTS);
        config.check_size(&weights, size_of::<f32>())?;
        // read, not memory-mapped: accessing a mapped file that is truncated meanwhile kills the process
        let bytes =
            elman_files::read(&weights, u64::MAX).map_err(|source| LmError::Read { path: weights.clone(), source })?;
        let model = StateDict::from_safetensors(bytes, &weights)?.load_into(config.init(device)?)?;
        Ok((model.valid(), tokenizer))
    }
}

/// Reads `config.json` and `tokenizer.json`, which must have the same vocabulary size.
pub(crate) fn read_description(
    config: &Path,
    tokenizer: &Path,
) -> Result<(LanguageModelConfig, TextTokenizer), LmError> {
    let config = read_config(config)?;
    let path = tokenizer;
    let tokenizer = TextTokenizer::load(path)?;
    if tokenizer.vocab_size() != config.vocabulary {
        let (tokenizer, config) = (tokenizer.vocab_size(), config.vocabulary);
        return Err(LmError::Vocabulary { path: path.into(), tokenizer, config });
    }
    Ok((config, tokenizer))
}

impl LanguageModelConfig {
    /// Rejects a file that is too small for the weights, before memory is allocated for them.
    pub(crate) fn check_size(&self, path: &Path, bytes_per_value: usize) -> Result<(), LmError> {
        let file = elman_files::open(path).and_then(|file| file.metadata());
        let found = file.map_err(|source| LmError::Read { path: path.into(), source })?.len();
        let expected = self.min_values() * bytes_per_value as u64;
        if found < expected {
            return Err(LmError::TooSmall { path: path.into(), expected, found });
        }
        Ok(())
    }

    /// A lower bound of the number of weights in the embedding and the recurrent layers.
    fn min_values(&self) -> u64 {
        let [vocabulary, d_embed, d_hidden, layers] =
            [self.vocabulary, self.d_embed, self.d_hidden, self.layers].map(|n| n as u64);
        // `validate` limits each factor, so that the sum in bytes stays below 2⁶⁴
        vocabulary * d_embed + d_embed * d_hidden + (layers - 1) * d_hidden * d_hidden
    }
}

fn remove_weights(path: &Path) -> Result<(), LmError> {
    let path = path.join(WEIGHTS);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(LmError::Write { path, source }),
        _ => Ok(()),
    }
}

fn read_config(path: &Path) -> Result<LanguageModelConfig, LmError> {
    let read = |source| LmError::Read { path: path.into(), source };
    let text = elman_files::read(path, MAX_CONFIG_BYTES).map_err(read)?;
    let config = |source| LmError::Config { path: path.into(), source };
    let Version { format_version } = serde_json::from_slice(&text).map_err(config)?;
    if format_version > FORMAT_VERSION {
        return Err(LmError::Version { path: path.into(), found: format_version, supported: FORMAT_VERSION });
    }
    let file: ConfigFile = serde_json::from_slice(&text).map_err(config)?;
    file.model.validate()?;
    Ok(file.model)
}

/// The fingerprint of a model directory: SHA-256 over `tokenizer.json` and `model.safetensors`, in hexadecimal.
/// Results stored with it can be checked against the model that they are later used with.
///
/// # Errors
/// [`LmError::Read`].
pub fn fingerprint(path: impl AsRef<Path>) -> Result<String, LmError> {
    let mut hash = Sha256::new();
    for name in [TOKENIZER, WEIGHTS] {
        let path = path.as_ref().join(name);
        let read = |source| LmError::Read { path: path.clone(), source };
        let file = elman_files::open(&path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        add(&mut hash, length, file).map_err(read)?;
    }
    Ok(files::hexadecimal(&hash.finalize()))
}

/// [`fingerprint`] of files in memory.
pub fn fingerprint_of(tokenizer: &[u8], weights: &[u8]) -> String {
    let mut hash = Sha256::new();
    for bytes in [tokenizer, weights] {
        add(&mut hash, bytes.len() as u64, bytes).expect("memory can be read");
    }
    files::hexadecimal(&hash.finalize())
}

fn add(hash: &mut Sha256, length: u64, mut file: impl Read) -> io::Result<()> {
    hash.update(length.to_le_bytes());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => hash.update(&buffer[..n]),
        }
    }
}
