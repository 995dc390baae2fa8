use std::path::{Path, PathBuf};

use elman_text::TextError;

/// Why a text could not be embedded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// The model could not be loaded, or a token is not in its vocabulary.
    #[error(transparent)]
    Model(#[from] elman_lm::LmError),
    /// A text could not be tokenised.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The model has fewer layers.
    #[error("layer {layer} does not exist: the model has {layers} layers, counted from 1")]
    Layer {
        /// What was asked for.
        layer: usize,
        /// What the model has.
        layers: usize,
    },
    /// A text that names no pooling.
    #[error("unknown pooling '{found}': expected last, mean, max, attention, or several joined by '+', as in mean+max")]
    UnknownPooling {
        /// The text.
        found: String,
    },
    /// A number that must be at least 1.
    #[error("{name} must be at least 1, not 0")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// A language model has no weights for attention.
    #[error("attention is learned with an encoder, and a language model has none: choose last, mean or max")]
    Attention,
    /// A setting has a value outside its range.
    #[error("{name} must be {expected}, not {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its range, in words.
        expected: String,
        /// Its value.
        found: String,
    },
    /// `config.json` is not that of an encoder.
    #[error("'{}' is no configuration of an encoder: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The reader's reason, with line and column.
        source: serde_json::Error,
    },
    /// A setting in `config.json` is outside its range.
    #[error("'{}' cannot be used: {source}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// The setting.
        source: Box<EmbeddingError>,
    },
    /// A file of weights cannot be understood.
    #[error("'{}' is no file of an encoder's weights: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of vectors cannot be understood.
    #[error("'{}' is no file of vectors: {reason}", path.display())]
    Vectors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A vector of a file is not finite.
    #[error("vector {row} of '{}' is not finite: the model that made it failed there; make it again or leave its text out", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Which, counted from 1.
        row: usize,
    },
    /// A model made a vector that is not finite.
    #[error(
        "the model{} makes a vector with numbers that are not finite: its weights are damaged, or its training diverged",
        named(model)
    )]
    VectorNotFinite {
        /// The model's directory; empty where it is not known.
        model: PathBuf,
    },
    /// A teacher's vectors are not as many as the texts.
    #[error("'{}' has {rows} vectors, and {texts} are needed: one for each text or token, in their order", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// Vectors in it.
        rows: usize,
        /// Texts.
        texts: usize,
    },
    /// Vectors are of another width than the model's.
    #[error("'{}' has vectors of {found} numbers, and the model needs {expected}", path.display())]
    Width {
        /// The file.
        path: PathBuf,
        /// What the model has.
        expected: usize,
        /// What the file has.
        found: usize,
    },
    /// The examples do not fit what is to be learned from them.
    #[error("{reason}")]
    Examples {
        /// What is missing.
        reason: String,
    },
}

fn named(model: &Path) -> String {
    if model.as_os_str().is_empty() { String::new() } else { format!(" '{}'", model.display()) }
}
