use elman_text::TextError;

/// Why a text could not be embedded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// The model could not be loaded, or a token is not in its vocabulary.
    #[error(transparent)]
    Model(#[from] elman_lm::Error),
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
    #[error("unknown pooling '{found}': expected last, mean, max, or several joined by '+', as in mean+max")]
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
}
