use burn::{
    module::{Module, Param},
    nn::{Embedding, Linear},
    tensor::{Int, Tensor, TensorData, activation::softmax},
};
use elman_layers::Dropout;
use elman_recurrence::{CellKind, Network, Sequence, State};
use elman_text::TextError;

use super::config::EncoderConfig;
use crate::{
    error::EmbeddingError,
    mask::{last_steps, mask_past_lengths},
    pooling::Pool,
    vectors::VectorFile,
};

/// A recurrent sentence encoder:
///
/// ```text
/// token → embedding → recurrent layers → pooling → (projection) → (normalization)
/// ```
///
/// Created by [`EncoderConfig::init`]; used by [`Encoder`](super::Encoder).
#[derive(Module, Debug)]
pub struct EncoderModel {
    pub(crate) embedding: Embedding,
    pub(crate) network: Network,
    pub(crate) attention: Option<Linear>,
    pub(crate) projection: Option<Linear>,
    pub(crate) dropout: Dropout,
    #[module(skip)]
    pub(crate) config: EncoderConfig,
}

/// Lower bound of norms in the normalization, as in PyTorch's `normalize`.
const MIN_NORM: f32 = 1e-12;

impl EncoderModel {
    /// The vectors of a batch of texts.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, time]`, each below [`vocabulary`](EncoderConfig::vocabulary); see [`tokens`](Self::tokens)
    /// - `lengths`: `[batch]`, each at least 1
    /// - vectors: `[batch, d_embedding]`
    ///
    /// # Panics
    /// If `lengths` does not match `tokens`.
    pub fn forward(&self, tokens: Tensor<2, Int>, lengths: &[usize]) -> Tensor<2> {
        let (output, _) = self.forward_recurrent(tokens, lengths, None);
        self.vectors(output, lengths)
    }

    /// The outputs of the recurrent layers, `[batch, time, d_output]`, zero past each row's length, and the final
    /// state.
    pub(crate) fn forward_recurrent(
        &self,
        tokens: Tensor<2, Int>,
        lengths: &[usize],
        state: Option<State>,
    ) -> (Tensor<3>, State) {
        let parameters = self.embedding.weight.lazy_device();
        let embedded = self.dropout.forward_in(self.embedding.forward(tokens), &parameters);
        let out = self.network.forward_with(embedded, Sequence::new().with_state(state).with_lengths(lengths));
        (self.dropout.forward_in(out.output, &parameters), out.state)
    }

    /// Pools the outputs and projects them to vectors.
    pub(crate) fn vectors(&self, output: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let parts = self.config.pooling.parts().iter().map(|pool| match pool {
            Pool::Last => self.last(output.clone(), lengths),
            Pool::Mean => self.mean(output.clone(), lengths),
            Pool::Max => mask_past_lengths(output.clone(), lengths, f32::NEG_INFINITY).max_dim(1).squeeze_dim(1),
            Pool::Attention => {
                let weights =
                    softmax(mask_past_lengths(self.attention_scores(output.clone()), lengths, f32::NEG_INFINITY), 1);
                (output.clone() * weights).sum_dim(1).squeeze_dim(1)
            }
        });
        self.project(Tensor::cat(parts.collect(), 1))
    }

    fn mean(&self, output: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let [batch, _, _] = output.dims();
        let scale: Vec<f32> = lengths.iter().map(|length| 1.0 / *length as f32).collect();
        let scale = Tensor::<2>::from_data(TensorData::new(scale, [batch, 1]), &output.device());
        mask_past_lengths(output, lengths, 0.0).sum_dim(1).squeeze_dim(1) * scale
    }

    /// The last output of each direction: at the last token forward, at the first token in reverse.
    fn last(&self, output: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let last = last_steps(output.clone(), lengths);
        if !self.config.bidirectional || self.config.cell == CellKind::Elman {
            return last;
        }
        let (rows, half) = (lengths.len(), self.config.d_hidden);
        let reverse = output.slice([0..rows, 0..1, half..2 * half]).squeeze_dim(1);
        Tensor::cat(vec![last.narrow(1, 0, half), reverse], 1)
    }

    /// Attention scores before the softmax, `[batch, time, 1]`: the dot product of each output with a learned vector
    /// (Lin et al. 2017, with one head and without the hidden layer).
    pub(crate) fn attention_scores(&self, output: Tensor<3>) -> Tensor<3> {
        self.attention.as_ref().expect("init creates the weights of attention pooling").forward(output)
    }

    /// The projection and normalization after pooling.
    pub(crate) fn project(&self, pooled: Tensor<2>) -> Tensor<2> {
        let vectors = match &self.projection {
            Some(projection) => projection.forward(pooled),
            None => pooled,
        };
        if self.config.normalize { normalize(vectors) } else { vectors }
    }

    /// Token ids as a tensor `[batch, time]`.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`].
    ///
    /// # Panics
    /// If the number of ids does not match the shape.
    pub fn tokens(&self, ids: &[u32], shape: [usize; 2]) -> Result<Tensor<2, Int>, EmbeddingError> {
        let vocabulary = self.config.vocabulary;
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(TextError::UnknownToken { id, vocabulary }.into());
        }
        let ids: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
        Ok(Tensor::from_data(TensorData::new(ids, shape), &self.embedding.weight.device()))
    }

    /// The model with token embeddings initialized from `vectors`, in the order of token ids. The first `d_embed`
    /// values of each vector are used, and all are scaled to a root mean square of 0.5.
    ///
    /// # Errors
    /// [`EmbeddingError::Count`], [`EmbeddingError::Width`] if their number or dimension does not fit,
    /// [`EmbeddingError::NotFinite`].
    pub fn with_token_vectors(mut self, vectors: &VectorFile) -> Result<Self, EmbeddingError> {
        let (texts, width) = (self.config.vocabulary, self.config.d_embed);
        let (path, rows, found) = (vectors.path(), vectors.rows(), vectors.width());
        if rows != texts {
            return Err(EmbeddingError::Count { path: path.into(), rows, texts });
        }
        if found < width {
            return Err(EmbeddingError::Width { path: path.into(), expected: width, found });
        }
        let mut values: Vec<f32> = Vec::with_capacity(rows * width);
        vectors.each(|row, vector| {
            if !vector.iter().all(|x| x.is_finite()) {
                return Err(EmbeddingError::NotFinite { path: path.into(), row: row + 1 });
            }
            values.extend(&vector[..width]);
            Ok(())
        })?;
        let mean_square = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / values.len() as f64;
        let scale = if mean_square > 0.0 { (0.5 / mean_square.sqrt()) as f32 } else { 0.0 };
        values.iter_mut().for_each(|x| *x *= scale);
        let device = self.embedding.weight.device();
        let weight = Tensor::from_data(TensorData::new(values, [rows, width]), &device);
        self.embedding.weight = Param::from_tensor(weight);
        Ok(self)
    }

    /// The model with another dropout probability for token embeddings and outputs; dropout between layers is
    /// unchanged.
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`] if it is not in [0, 1).
    pub fn with_dropout(self, dropout: f64) -> Result<Self, EmbeddingError> {
        let config = EncoderConfig { dropout, ..self.config };
        config.validate()?;
        Ok(Self { dropout: Dropout::new(dropout), config, ..self })
    }

    /// The configuration.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }
}

/// Normalizes each row to length 1; a zero row stays zero and has gradient zero.
pub(crate) fn normalize(vectors: Tensor<2>) -> Tensor<2> {
    // the gradient of the square root is infinite at 0, so its argument is clamped
    let norms = vectors.clone().square().sum_dim(1).clamp_min(MIN_NORM * MIN_NORM).sqrt();
    vectors / norms
}
