use burn::{
    nn::{EmbeddingConfig, LinearConfig},
    tensor::Device,
};
use elman_layers::Dropout;
use elman_recurrence::{CellKind, NetworkConfig};
use serde::{Deserialize, Serialize};

use super::model::EncoderModel;
use crate::{
    error::EmbeddingError,
    pooling::{Pool, Pooling},
};

/// Configuration of an [`EncoderModel`].
///
/// ```
/// use burn::tensor::Device;
/// use elman_embedding::encoder::EncoderConfig;
/// use elman_recurrence::CellKind;
///
/// let config = EncoderConfig { cell: CellKind::Lstm, d_hidden: 128, ..EncoderConfig::new(30_000) };
/// let model = config.init(&Device::flex())?;
/// assert_eq!(model.config().d_embedding(), 256);
/// # Ok::<(), elman_embedding::EmbeddingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Vocabulary size.
    pub vocabulary: usize,
    /// Dimension of a token embedding.
    pub d_embed: usize,
    /// The recurrent cell.
    pub cell: CellKind,
    /// Hidden units per layer and direction.
    pub d_hidden: usize,
    /// Number of recurrent layers.
    pub layers: usize,
    /// Whether the layers are bidirectional. Long texts are then split into windows of [`window`](Self::window) tokens
    /// that are processed independently; a unidirectional network carries the state over.
    pub bidirectional: bool,
    /// How the outputs at all tokens are pooled.
    pub pooling: Pooling,
    /// Output size of a linear projection after pooling, or `None` for no projection.
    pub d_projection: Option<usize>,
    /// Whether vectors are normalized to length 1.
    pub normalize: bool,
    /// Dropout probability in training: of the token embeddings, between layers, and of the outputs.
    pub dropout: f64,
    /// Tokens per window. For a unidirectional network it affects memory and speed, not vectors.
    pub window: usize,
}

/// Larger sizes indicate a mistake or a damaged file, and are rejected before allocation.
const MAX_WIDTH: usize = 1 << 16;
const MAX_LAYERS: usize = 256;

impl EncoderConfig {
    /// A unidirectional GRU of 384 units, token embeddings of dimension 256, mean pooling, a projection to 256, vectors
    /// of length 1.
    pub fn new(vocabulary: usize) -> Self {
        Self {
            vocabulary,
            d_embed: 256,
            cell: CellKind::Gru,
            d_hidden: 384,
            layers: 1,
            bidirectional: false,
            pooling: Pooling::default(),
            d_projection: Some(256),
            normalize: true,
            dropout: 0.0,
            window: 256,
        }
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`] for the first that is not.
    pub fn validate(&self) -> Result<(), EmbeddingError> {
        let range = |name, found: usize, max: usize| match (1..=max).contains(&found) {
            true => Ok(()),
            false => Err(EmbeddingError::Setting { name, expected: format!("1 to {max}"), found: found.to_string() }),
        };
        range("the vocabulary", self.vocabulary, i32::MAX as usize)?; // ids are 32-bit signed integers on GPUs
        range("d_embed", self.d_embed, MAX_WIDTH)?;
        range("d_hidden", self.d_hidden, MAX_WIDTH)?;
        range("the number of layers", self.layers, MAX_LAYERS)?;
        range("the projection size", self.d_projection.unwrap_or(1), MAX_WIDTH)?;
        range("the window", self.window, MAX_WIDTH)?;
        match (0.0..1.0).contains(&self.dropout) && (self.dropout as f32) < 1.0 {
            true => Ok(()),
            false => Err(EmbeddingError::Setting {
                name: "the dropout",
                expected: "at least 0 and below 1".into(),
                found: self.dropout.to_string(),
            }),
        }
    }

    /// Initializes the model. For reproducible weights, seed the device first ([`Device::seed`]).
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`], as [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<EncoderModel, EmbeddingError> {
        self.validate()?;
        let attention = self.pooling.parts().contains(&Pool::Attention);
        Ok(EncoderModel {
            embedding: EmbeddingConfig::new(self.vocabulary, self.d_embed).init(device),
            network: NetworkConfig::new(self.cell, self.d_embed, self.d_hidden)
                .with_layers(self.layers)
                .with_bidirectional(self.bidirectional)
                .with_dropout(self.dropout)
                .init(device),
            attention: attention.then(|| LinearConfig::new(self.d_output(), 1).with_bias(false).init(device)),
            projection: self.d_projection.map(|width| LinearConfig::new(self.d_pooled(), width).init(device)),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        })
    }

    /// Output size of the recurrent layers.
    pub(crate) fn d_output(&self) -> usize {
        match (self.cell, self.bidirectional) {
            // the Elman network's output layer merges both directions
            (CellKind::Elman, _) | (_, false) => self.d_hidden,
            (_, true) => 2 * self.d_hidden,
        }
    }

    fn d_pooled(&self) -> usize {
        self.d_output() * self.pooling.parts().len()
    }

    /// The dimension of a vector.
    pub fn d_embedding(&self) -> usize {
        self.d_projection.unwrap_or_else(|| self.d_pooled())
    }
}
