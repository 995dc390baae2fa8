//! Language models packed for inference on a CPU.

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

/// A language model with packed weights, for inference on a CPU. [`LanguageModel::pack`] makes one; a
/// [`PackedSession`] runs it. Clones share the weights.
///
/// The recurrent layers, the projection and the output layer are stored in the requested dtype. The embedding is always
/// f32: a token reads only one row of it.
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
    /// Packs the weights in the given dtype, for inference on a CPU. The packed model has no dropout.
    ///
    /// # Errors
    /// [`LmError::Pack`] or [`LmError::NotFinite`] if `dtype` is int8 and the weights are not finite.
    pub fn pack(&self, dtype: WeightDtype) -> Result<PackedModel, LmError> {
        let layers = self.layers();
        let dense = |weight: Tensor<2>, bias: Option<Tensor<1>>| {
            let width = weight.dims()[1];
            let (weight, bias) = (values(weight), bias.map(values));
            if dtype == WeightDtype::Int8 && !weight.iter().all(|weight| weight.is_finite()) {
                return Err(LmError::NotFinite);
            }
            Ok(PackedLinear::new(Isa::best(), dtype, &weight, bias.as_deref(), width))
        };
        let embedding = layers.embedding.weight.val();
        let output = match layers.output {
            Head::Untied(linear) => dense(linear.weight.val().transpose(), linear.bias.as_ref().map(Param::val)),
            Head::Tied(tied) => dense(embedding.clone(), tied.bias.as_ref().map(Param::val)),
        };
        let projection = layers.projection.as_ref();
        let projection = projection.map(|p| dense(p.weight.val().transpose(), p.bias.as_ref().map(Param::val)));
        Ok(PackedModel(Arc::new(Parts {
            embedding: values(embedding),
            network: self.network().pack(dtype)?,
            projection: projection.transpose()?,
            output: output?,
        })))
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

impl PackedModel {
    /// A session over `batch` texts, with zero states.
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

    /// Size of the weights in bytes.
    pub fn bytes(&self) -> usize {
        let Parts { embedding, network, projection, output } = &*self.0;
        let projection = projection.as_ref().map_or(0, PackedLinear::bytes);
        size_of_val(&embedding[..]) + network.bytes() + projection + output.bytes()
    }
}

/// Runs a [`PackedModel`] over a batch of texts. Holds their states and reusable buffers.
#[derive(Debug)]
pub struct PackedSession {
    model: PackedModel,
    network: Session,
    /// Token embeddings, `[time, batch, d_embed]`.
    x: Vec<f32>,
    /// Input of the output layer, `[time, batch, ·]`.
    projected: Vec<f32>,
    /// Logits of one time step, `[batch, vocabulary]`.
    logits: Vec<f32>,
    /// Number of time steps of the last call to `read`.
    time: usize,
}

impl PackedSession {
    /// Reads the next tokens of every text. [`logits`](Self::logits) then returns the logits after each of them.
    ///
    /// # Shapes
    /// - `tokens`: `[time, batch]`
    ///
    /// # Errors
    /// [`TextError::UnknownToken`] if an id is not in the vocabulary. The states are then unchanged.
    ///
    /// # Panics
    /// If `tokens` is empty or its length is not a multiple of the batch size.
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

    /// The logits of the next token after time step `t` of the last [`read`](Self::read).
    ///
    /// # Shapes
    /// - logits: `[batch, vocabulary]`
    ///
    /// # Panics
    /// If the last `read` had no time step `t`.
    pub fn logits(&mut self, t: usize) -> &[f32] {
        let output = &self.model.0.output;
        assert!(t < self.time, "logits: time step {t} is out of range, {} were read", self.time);
        let step = self.projected.len() / self.time;
        self.logits.resize(self.network.batch() * output.outputs(), 0.0);
        output.forward(threads(), &self.projected[t * step..][..step], &mut self.logits);
        &self.logits
    }

    /// The logits after the last time step; see [`logits`](Self::logits).
    ///
    /// # Panics
    /// If nothing has been read.
    pub fn last_logits(&mut self) -> &[f32] {
        self.logits(self.time.checked_sub(1).expect("logits: nothing has been read"))
    }
}
