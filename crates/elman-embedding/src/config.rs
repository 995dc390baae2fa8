use serde::{Deserialize, Serialize};

use crate::{
    error::EmbeddingError,
    pooling::{Pool, Pooling},
};

/// How an [`Embedder`](crate::Embedder) computes a vector from hidden states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbedderConfig {
    /// How the hidden states of all tokens are pooled; default: the mean.
    pub pooling: Pooling,
    /// The recurrent layer, from 1; default: the last.
    pub layer: Option<usize>,
    /// Whether vectors are normalized to length 1, so that their dot product is their cosine.
    pub normalize: bool,
    /// Batch size. It affects speed and memory, not vectors.
    pub batch: usize,
    /// Tokens per window. It affects speed and memory, not vectors.
    pub window: usize,
}

impl Default for EmbedderConfig {
    fn default() -> Self {
        Self { pooling: Pooling::default(), layer: None, normalize: true, batch: 32, window: 128 }
    }
}

impl EmbedderConfig {
    /// Validates the settings for a model with `layers` layers; returns the index of the layer, from 0.
    pub(crate) fn layer_index(&self, layers: usize) -> Result<usize, EmbeddingError> {
        for (name, value) in [("batch", self.batch), ("window", self.window)] {
            if value == 0 {
                return Err(EmbeddingError::Zero { name });
            }
        }
        if self.pooling.parts().contains(&Pool::Attention) {
            return Err(EmbeddingError::Attention);
        }
        match self.layer {
            None => Ok(layers - 1),
            Some(layer) if (1..=layers).contains(&layer) => Ok(layer - 1),
            Some(layer) => Err(EmbeddingError::Layer { layer, layers }),
        }
    }
}

/// The model and the settings that computed a vector. Vectors are comparable if their fingerprints are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFingerprint {
    /// SHA-256 of the model's weights and tokenizer; see [`elman_lm::fingerprint`].
    pub model: String,
    /// The pooling.
    pub pooling: Pooling,
    /// The layer, from 1.
    pub layer: usize,
    /// Whether vectors have length 1.
    pub normalize: bool,
}
