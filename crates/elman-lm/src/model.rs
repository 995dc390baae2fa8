use burn::{
    module::{Module, Param},
    nn::{Embedding, Linear},
    tensor::{Device, Int, Tensor, TensorData},
};
use elman_layers::{Dropout, TiedOutput, linear_cross_entropy};
use elman_recurrence::{Network, Output, Sequence, State};
use elman_text::TextError;

use crate::{config::LanguageModelConfig, error::LmError, size};

/// A recurrent language model: predicts each token from those before it.
///
/// ```text
/// token → embedding → dropout → recurrent layers → (projection) → dropout → output → logits
/// ```
///
/// Created by [`LanguageModelConfig::init`] or loaded by [`LanguageModel::load_dir`].
#[derive(Module, Debug)]
pub struct LanguageModel {
    embedding: Embedding,
    embedding_dropout: Dropout,
    network: Network,
    projection: Option<Linear>,
    output_dropout: Dropout,
    output: Head,
    #[module(skip)]
    config: LanguageModelConfig,
}

/// The output layer.
#[derive(Module, Debug)]
pub(crate) enum Head {
    /// A layer with its own weights.
    Untied(Linear),
    /// A layer that uses the embedding's weights.
    Tied(TiedOutput),
}

/// The layers that [`LanguageModelConfig::init`] initializes.
pub(crate) struct Parts {
    pub embedding: Embedding,
    pub embedding_dropout: Dropout,
    pub network: Network,
    pub projection: Option<Linear>,
    pub output_dropout: Dropout,
    pub output: Head,
}

/// The layers other than the recurrent ones.
pub(crate) struct Layers<'a> {
    pub embedding: &'a Embedding,
    pub projection: &'a Option<Linear>,
    pub output: &'a Head,
}

impl LanguageModel {
    pub(crate) fn new(config: LanguageModelConfig, parts: Parts) -> Self {
        let Parts { embedding, embedding_dropout, network, projection, output_dropout, output } = parts;
        Self { embedding, embedding_dropout, network, projection, output_dropout, output, config }
    }

    /// The logits of the next token at every position, and the final state.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, time]`, each below [`vocabulary`](LanguageModelConfig::vocabulary); see
    ///   [`tokens`](Self::tokens)
    /// - logits: `[batch, time, vocabulary]`
    ///
    /// # Panics
    /// If `state` does not fit the batch size or the model.
    pub fn forward(&self, tokens: Tensor<2, Int>, state: Option<State>) -> (Tensor<3>, State) {
        let Output { output, state, .. } = self.hidden(tokens, Sequence::new().with_state(state));
        (self.logits(output), state)
    }

    /// The outputs and states of the recurrent layers, without the output layer. Text embeddings are pooled from them.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, time]`
    /// - output: `[batch, time, d_hidden]`
    ///
    /// # Panics
    /// If the state or the lengths do not fit `tokens`.
    pub fn hidden(&self, tokens: Tensor<2, Int>, sequence: Sequence) -> Output {
        let embedded = self.embedding_dropout.forward_in(self.embedding.forward(tokens), &self.device());
        self.network.forward_with(embedded, sequence)
    }

    /// The logits for outputs of the recurrent layers.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, time, d_hidden]`
    /// - logits: `[batch, time, vocabulary]`
    pub fn logits(&self, hidden: Tensor<3>) -> Tensor<3> {
        let projected = self.before_output(hidden);
        match &self.output {
            Head::Untied(linear) => linear.forward(projected),
            Head::Tied(tied) => tied.forward(projected, self.embedding.weight.val()),
        }
    }

    /// The input of the output layer.
    fn before_output(&self, hidden: Tensor<3>) -> Tensor<3> {
        let projected = match &self.projection {
            Some(projection) => projection.forward(hidden),
            None => hidden,
        };
        self.output_dropout.forward_in(projected, &self.device())
    }

    /// The mean cross-entropy of `targets` given `inputs`, `−(1/N) Σ ln p(target)`, in nats per token.
    ///
    /// # Shapes
    /// - `inputs`, `targets`: `[batch, time]`
    /// - loss: `[1]`
    pub fn loss(&self, inputs: Tensor<2, Int>, targets: Tensor<2, Int>, state: Option<State>) -> (Tensor<1>, State) {
        let Output { output, state, .. } = self.hidden(inputs, Sequence::new().with_state(state));
        let [batch, time, _] = output.dims();
        let hidden = self.before_output(output).flatten(0, 1);
        let (weight, bias) = match &self.output {
            Head::Untied(linear) => (linear.weight.val(), &linear.bias),
            Head::Tied(tied) => (self.embedding.weight.val().transpose(), &tied.bias),
        };
        let bias = bias.as_ref().map(Param::val);
        let loss = linear_cross_entropy(hidden, weight, bias, targets.reshape([batch * time]));
        (loss, state)
    }

    /// Moves token ids to the model's device.
    ///
    /// # Shapes
    /// - `ids`: `batch·time` in row-major order
    /// - tokens: `[batch, time]`
    ///
    /// # Errors
    /// [`TextError::UnknownToken`] if an id is not in the vocabulary, [`LmError::TooLarge`] if a tensor that the model
    /// needs for this shape exceeds the device's limit.
    ///
    /// # Panics
    /// If `ids` does not hold `batch·time` elements.
    pub fn tokens(&self, ids: &[u32], shape: [usize; 2]) -> Result<Tensor<2, Int>, LmError> {
        let vocabulary = self.config.vocabulary;
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(TextError::UnknownToken { id, vocabulary }.into());
        }
        size::check(self, shape[0], shape[1])?;
        let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        Ok(Tensor::from_data(TensorData::new(ids, shape), &self.device()))
    }

    /// The configuration.
    pub fn config(&self) -> &LanguageModelConfig {
        &self.config
    }

    /// The layers to pack, other than the recurrent ones.
    pub(crate) fn layers(&self) -> Layers<'_> {
        Layers { embedding: &self.embedding, projection: &self.projection, output: &self.output }
    }

    /// The embedding's weights, `[vocabulary, d_embed]`.
    pub fn embedding(&self) -> Tensor<2> {
        self.embedding.weight.val()
    }

    /// The recurrent layers.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The device of the model's weights.
    pub fn device(&self) -> Device {
        self.embedding.weight.lazy_device()
    }
}
