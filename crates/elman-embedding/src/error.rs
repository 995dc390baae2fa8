use std::path::{Path, PathBuf};

use elman_text::TextError;

/// An error of embedding texts, or of loading, saving or training an encoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// An error of a model directory, a file, a checkpoint or training.
    #[error(transparent)]
    Model(#[from] elman_lm::LmError),
    /// A text could not be tokenized, or a tokenizer not loaded.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The layer does not exist.
    #[error("layer {layer} does not exist: the model has {layers} layers, counted from 1")]
    Layer {
        /// The requested layer.
        layer: usize,
        /// The model's number of layers.
        layers: usize,
    },
    /// A string is not the name of a pooling.
    #[error("unknown pooling '{found}': expected last, mean, max, attention, or several joined by '+', as in mean+max")]
    UnknownPooling {
        /// The string.
        found: String,
    },
    /// A setting that must be at least 1 is 0.
    #[error("{name} must be at least 1, not 0")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// Attention pooling with a language model, which has no attention weights.
    #[error("attention pooling needs a trained encoder; use last, mean or max")]
    Attention,
    /// A setting is out of range.
    #[error("{name} must be {expected}, not {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The valid range.
        expected: String,
        /// The value.
        found: String,
    },
    /// `config.json` does not describe an encoder.
    #[error("'{}' is not an encoder configuration: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The parser's error, with line and column.
        source: serde_json::Error,
    },
    /// A setting in `config.json` is out of range.
    #[error("'{}' cannot be used: {source}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// The error of the setting.
        source: Box<EmbeddingError>,
    },
    /// A weights file is invalid.
    #[error("'{}' is not an encoder weights file: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A vector file is invalid.
    #[error("'{}' is not a vector file: {reason}", path.display())]
    Vectors {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A vector in a file is not finite.
    #[error("vector {row} of '{}' is not finite: the model that computed it failed; recompute it or remove its text", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The vector's number, from 1.
        row: usize,
    },
    /// A model computed a vector that is not finite.
    #[error(
        "the model{} computed a vector that is not finite: its weights are damaged, or its training diverged",
        quoted(model)
    )]
    VectorNotFinite {
        /// The model directory; empty if unknown.
        model: PathBuf,
    },
    /// The number of vectors in a file is wrong.
    #[error("'{}' has {rows} vectors, expected {texts}: one for each text or token, in order", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// The number of vectors in the file.
        rows: usize,
        /// The expected number.
        texts: usize,
    },
    /// The dimension of the vectors in a file is too small for the model.
    #[error("'{}' has vectors of dimension {found}, but the model needs at least {expected}", path.display())]
    Width {
        /// The file.
        path: PathBuf,
        /// The minimum dimension.
        expected: usize,
        /// The dimension in the file.
        found: usize,
    },
    /// The examples do not fit the model or the training settings.
    #[error("{reason}")]
    Examples {
        /// What does not fit.
        reason: String,
    },
}

fn quoted(model: &Path) -> String {
    if model.as_os_str().is_empty() { String::new() } else { format!(" '{}'", model.display()) }
}
