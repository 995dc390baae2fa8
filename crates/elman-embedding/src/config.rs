use serde::{Deserialize, Serialize};

use crate::{
    error::EmbeddingError,
    pooling::{Pool, Pooling},
};

/// How hidden states become a vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbedderConfig {
    /// What the hidden states of all tokens are reduced to; the mean unless chosen otherwise.
    pub pooling: Pooling,
    /// Which recurrent layer, counted from 1; the last unless chosen otherwise.
    pub layer: Option<usize>,
    /// Whether vectors are scaled to length 1, so that their dot product is their cosine.
    pub normalize: bool,
    /// Texts that are read side by side. Changes speed and memory, not vectors.
    pub batch: usize,
    /// Tokens that are read at a time. Changes speed and memory, not vectors.
    pub window: usize,
}

impl Default for EmbedderConfig {
    fn default() -> Self {
        Self { pooling: Pooling::default(), layer: None, normalize: true, batch: 32, window: 128 }
    }
}

impl EmbedderConfig {
    /// Checks the settings against a model's number of layers; returns the index of the layer, from 0.
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

/// What vectors were made with: two vectors are comparable if their identities are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFingerprint {
    /// SHA-256 of the model's weights and tokenizer; see [`elman_lm::fingerprint`].
    pub model: String,
    /// The pooling.
    pub pooling: Pooling,
    /// The layer, counted from 1.
    pub layer: usize,
    /// Whether vectors have length 1.
    pub normalize: bool,
}
