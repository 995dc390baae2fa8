//! Language models packed for inference on a processor.

use std::sync::Arc;

use burn::{module::Param, tensor::Tensor};
use elman_recurrence::{
    kernels::{Isa, PackedLinear, threads},
    packed::{Packed, Session, WeightDtype},
};
use elman_text::TextError;

use crate::{
    error::LmError,
    model::{Head, LanguageModel},
};

/// A language model whose weights have been packed once, for inference on a processor: made by
/// [`LanguageModel::pack`], read by a [`PackedSession`]. Clones share the weights.
///
/// The recurrent layers, the projection and the output layer are kept in the precision that was asked for; the embedding,
/// of which a token reads one row, in float32.
#[derive(Clone, Debug)]
pub struct PackedModel(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// `[vocabulary, d_embed]`
    embedding: Vec<f32>,
    network: Packed,
    projection: Option<PackedLinear>,
    output: PackedLinear,
}

impl LanguageModel {
    /// Packs the weights once, for inference on a processor: in float32, or in fewer bits. Dropout is left out.
    ///
    /// # Errors
    /// [`LmError::Pack`] or [`LmError::NotFinite`] if eight bits were asked for and the weights are not finite.
    pub fn pack(&self, precision: WeightDtype) -> Result<PackedModel, LmError> {
        let layers = self.layers();
        let dense = |weight: Tensor<2>, bias: Option<Tensor<1>>| {
            let width = weight.dims()[1];
            let (weight, bias) = (numbers(weight), bias.map(numbers));
            if precision == WeightDtype::Int8 && !weight.iter().all(|weight| weight.is_finite()) {
                return Err(LmError::NotFinite);
            }
            Ok(PackedLinear::new(Isa::best(), precision, &weight, bias.as_deref(), width))
        };
        let embedding = layers.embedding.weight.val();
        let output = match layers.output {
            Head::Untied(linear) => dense(linear.weight.val().transpose(), linear.bias.as_ref().map(Param::val)),
            Head::Tied(tied) => dense(embedding.clone(), tied.bias.as_ref().map(Param::val)),
        };
        let projection = layers.projection.as_ref();
        let projection = projection.map(|p| dense(p.weight.val().transpose(), p.bias.as_ref().map(Param::val)));
        Ok(PackedModel(Arc::new(Parts {
            embedding: numbers(embedding),
            network: self.network().pack(precision)?,
            projection: projection.transpose()?,
            output: output?,
        })))
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

impl PackedModel {
    /// A session of `batch` texts side by side, from zeros.
    ///
    /// # Panics
    /// If `batch` is 0.
    pub fn session(&self, batch: usize) -> PackedSession {
        let network = self.0.network.session(batch);
        PackedSession { model: self.clone(), network, x: vec![], projected: vec![], logits: vec![], time: 0 }
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.0.output.outputs()
    }

    /// Bytes of the weights.
    pub fn bytes(&self) -> usize {
        let Parts { embedding, network, projection, output } = &*self.0;
        let projection = projection.as_ref().map_or(0, PackedLinear::bytes);
        size_of_val(&embedding[..]) + network.bytes() + projection + output.bytes()
    }
}

/// Texts that a [`PackedModel`] reads: their state, and memory that is used again.
#[derive(Debug)]
pub struct PackedSession {
    model: PackedModel,
    network: Session,
    /// The tokens' embeddings, `[time, batch, d_embed]`.
    x: Vec<f32>,
    /// What the output layer reads, `[time, batch, ·]`.
    projected: Vec<f32>,
    /// Of one time step, `[batch, vocabulary]`.
    logits: Vec<f32>,
    /// How many time steps were read last.
    time: usize,
}

impl PackedSession {
    /// Reads the next tokens of every text. [`logits`](Self::logits) then tells what comes after each.
    ///
    /// # Shapes
    /// - `tokens`: `[time, batch]`
    ///
    /// # Errors
    /// [`TextError::UnknownToken`] if an id is not in the vocabulary; nothing is read then.
    ///
    /// # Panics
    /// If `tokens` is no whole number of time steps, or empty.
    pub fn read(&mut self, tokens: &[u32]) -> Result<(), LmError> {
        let Parts { embedding, network, projection, .. } = &*self.model.0;
        let (batch, vocabulary) = (self.network.batch(), self.model.vocabulary());
        assert!(!tokens.is_empty() && tokens.len().is_multiple_of(batch), "read: tokens [time, batch]");
        if let Some(&id) = tokens.iter().find(|id| **id as usize >= vocabulary) {
            return Err(TextError::UnknownToken { id, vocabulary }.into());
        }
        let width = network.d_input();
        self.x.clear();
        tokens.iter().for_each(|id| self.x.extend(&embedding[*id as usize * width..][..width]));
        let hidden = self.network.forward(&self.x);
        self.projected.clear();
        match projection {
            None => self.projected.extend(hidden),
            Some(projection) => {
                self.projected.resize(tokens.len() * projection.outputs(), 0.0);
                projection.forward(threads(), hidden, &mut self.projected);
            }
        }
        self.time = tokens.len() / batch;
        Ok(())
    }

    /// The logits of the next token after the `t`-th of the time steps that were read last.
    ///
    /// # Shapes
    /// - logits: `[batch, vocabulary]`
    ///
    /// # Panics
    /// If there were not so many.
    pub fn logits(&mut self, t: usize) -> &[f32] {
        let output = &self.model.0.output;
        assert!(t < self.time, "logits: time step {t} of {} that were read", self.time);
        let step = self.projected.len() / self.time;
        self.logits.resize(self.network.batch() * output.outputs(), 0.0);
        output.forward(threads(), &self.projected[t * step..][..step], &mut self.logits);
        &self.logits
    }

    /// The logits after the last of the time steps that were read last; see [`logits`](Self::logits).
    ///
    /// # Panics
    /// If nothing has been read.
    pub fn last_logits(&mut self) -> &[f32] {
        self.logits(self.time.checked_sub(1).expect("logits: nothing has been read"))
    }
}
