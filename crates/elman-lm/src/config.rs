use burn::{
    module::Initializer,
    nn::{EmbeddingConfig, Linear, LinearConfig},
    tensor::Device,
};
use elman_layers::{Dropout, TiedOutputConfig};
use elman_recurrence::{CellKind, NetworkConfig};
use serde::{Deserialize, Serialize};

use crate::{
    error::LmError,
    model::{Head, LanguageModel, Parts},
    setting::{check, fraction},
};

/// Configuration of a [`LanguageModel`].
///
/// The defaults are those of PyTorch's word-language-model example: an LSTM with two layers of 200 units, embeddings of
/// 200, dropout 0.2, weights of the embedding and the output uniform in ±0.1.
///
/// ```
/// use burn::tensor::Device;
/// use elman_lm::LanguageModelConfig;
///
/// let config = LanguageModelConfig { d_hidden: 64, d_embed: 32, tied: true, ..LanguageModelConfig::new(1000) };
/// let model = config.init(&Device::flex())?;
/// assert_eq!(model.config().vocabulary, 1000);
/// # Ok::<(), elman_lm::LmError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageModelConfig {
    /// Number of tokens.
    pub vocabulary: usize,
    /// Kind of recurrent cell.
    pub cell: CellKind,
    /// Dimension of a token embedding.
    pub d_embed: usize,
    /// Hidden units per layer.
    pub d_hidden: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Whether the recurrent layers have biases.
    pub bias: bool,
    /// Whether the output layer uses the embedding's weights (Press & Wolf 2017). If `d_hidden` and `d_embed` differ, a
    /// projection from the one to the other precedes it.
    pub tied: bool,
    /// Dropout probabilities in training.
    pub dropout: Dropouts,
    /// The embedding and output weights are initialized uniformly in ± this value.
    pub init_range: f64,
}

/// The dropout of a language model (Zaremba et al. 2014); each is a probability in [0, 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropouts {
    /// After the embedding.
    pub embedding: f64,
    /// Between recurrent layers.
    pub between_layers: f64,
    /// Before the output.
    pub output: f64,
}

impl Dropouts {
    /// The same probability for all three.
    pub const fn all(p: f64) -> Self {
        Self { embedding: p, between_layers: p, output: p }
    }
}

/// Larger widths are rejected as a mistake or a damaged file instead of being allocated.
const MAX_WIDTH: usize = 1 << 16;
const MAX_LAYERS: usize = 256;
/// Larger weights are of no use, and their products overflow f32.
const MAX_RANGE: f64 = 1000.0;
/// Token ids are 32-bit signed integers on GPUs.
const MAX_VOCABULARY: usize = i32::MAX as usize;

impl LanguageModelConfig {
    /// The defaults for a vocabulary of `vocabulary` tokens.
    pub fn new(vocabulary: usize) -> Self {
        Self {
            vocabulary,
            cell: CellKind::Lstm,
            d_embed: 200,
            d_hidden: 200,
            layers: 2,
            bias: true,
            tied: false,
            dropout: Dropouts::all(0.2),
            init_range: 0.1,
        }
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`LmError::Setting`] for the first setting out of range.
    pub fn validate(&self) -> Result<(), LmError> {
        let width = |n: usize| (1..=MAX_WIDTH).contains(&n);
        check(
            "the vocabulary",
            "1 to 2147483647 tokens",
            self.vocabulary,
            (1..=MAX_VOCABULARY).contains(&self.vocabulary),
        )?;
        check("d_embed", "1 to 65536", self.d_embed, width(self.d_embed))?;
        check("d_hidden", "1 to 65536", self.d_hidden, width(self.d_hidden))?;
        check("the number of layers", "1 to 256", self.layers, (1..=MAX_LAYERS).contains(&self.layers))?;
        fraction("the embedding's dropout", self.dropout.embedding)?;
        fraction("the dropout between layers", self.dropout.between_layers)?;
        fraction("the output's dropout", self.dropout.output)?;
        check("init_range", "0 to 1000", self.init_range, (0.0..=MAX_RANGE).contains(&self.init_range))
    }

    /// Initializes the model. For reproducible weights, seed the device first ([`Device::seed`]).
    ///
    /// # Errors
    /// [`LmError::Setting`]; see [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<LanguageModel, LmError> {
        self.validate()?;
        let uniform = match self.init_range {
            0.0 => Initializer::Zeros, // burn's uniform distribution rejects an empty range
            range => Initializer::Uniform { min: -range, max: range },
        };
        let embedding =
            EmbeddingConfig::new(self.vocabulary, self.d_embed).with_initializer(uniform.clone()).init(device);
        let network = NetworkConfig::new(self.cell, self.d_embed, self.d_hidden)
            .with_layers(self.layers)
            .with_dropout(self.dropout.between_layers)
            .with_bias(self.bias)
            .init(device);
        let d_output = network.d_output();
        let projection =
            (self.tied && d_output != self.d_embed).then(|| LinearConfig::new(d_output, self.d_embed).init(device));
        let output = if self.tied {
            Head::Tied(TiedOutputConfig::new(self.vocabulary).init(device))
        } else {
            let bias = Initializer::Zeros.init([self.vocabulary], device);
            Head::Untied(Linear { weight: uniform.init([d_output, self.vocabulary], device), bias: Some(bias) })
        };
        let parts = Parts {
            embedding,
            embedding_dropout: Dropout::new(self.dropout.embedding),
            network,
            projection,
            output_dropout: Dropout::new(self.dropout.output),
            output,
        };
        Ok(LanguageModel::new(self.clone(), parts))
    }
}
