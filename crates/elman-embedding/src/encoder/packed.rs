use burn::{module::Param, tensor::Tensor};
use elman_lm::LanguageModel;
use elman_recurrence::{
    CellKind,
    kernels::{Isa, PackedLinear, threads},
    packed::{Packed, Session, WeightDtype},
};

use super::{backend::empty_pooled, config::EncoderConfig, model::EncoderModel, pooled::Pooled};
use crate::{config::EmbedderConfig, error::EmbeddingError, scale::normalize};

/// An encoder with weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct PackedEncoder {
    /// `[vocabulary, d_embed]`
    embedding: Vec<f32>,
    network: Packed,
    attention: Option<Vec<f32>>,
    projection: Option<PackedLinear>,
    config: EncoderConfig,
}

impl PackedEncoder {
    /// Packs the weights. Token embeddings stay f32, since each token reads only one row.
    pub fn new(model: &EncoderModel, dtype: WeightDtype) -> Result<Self, EmbeddingError> {
        let projection = model.projection.as_ref().map(|layer| {
            let weight = layer.weight.val().transpose();
            let (width, bias) = (weight.dims()[1], layer.bias.as_ref().map(Param::val).map(values));
            PackedLinear::new(Isa::best(), dtype, &values(weight), bias.as_deref(), width)
        });
        Ok(Self {
            embedding: values(model.embedding.weight.val()),
            network: model.network.pack(dtype).map_err(elman_lm::LmError::from)?,
            attention: model.attention.as_ref().map(|layer| values(layer.weight.val())),
            projection,
            config: model.config.clone(),
        })
    }

    /// An encoder that pools the outputs of layer `layers` of a language model.
    pub fn from_layers(model: &LanguageModel, layers: usize, config: &EmbedderConfig) -> Result<Self, EmbeddingError> {
        let lm = model.config();
        let network = model.network().pack(WeightDtype::F32).map_err(elman_lm::LmError::from)?;
        Ok(Self {
            embedding: values(model.embedding()),
            network: network.first_layers(layers),
            attention: None,
            projection: None,
            config: EncoderConfig {
                d_embed: lm.d_embed,
                cell: lm.cell,
                d_hidden: lm.d_hidden,
                layers,
                bidirectional: false,
                pooling: config.pooling.clone(),
                d_projection: None,
                normalize: config.normalize,
                window: config.window,
                ..EncoderConfig::new(lm.vocabulary)
            },
        })
    }

    /// The pooling state before the first token.
    pub fn empty_pooled(&self) -> Pooled {
        empty_pooled(&self.config)
    }

    /// A session of `batch` texts.
    pub fn session(&self, batch: usize) -> Session {
        self.network.session(batch)
    }

    /// Processes the next tokens of a batch of texts and pools the outputs. The result of a text is bitwise independent
    /// of the batch: the packed layers guarantee it, and pooling runs text by text and token by token.
    pub fn append(&self, session: &mut Session, rows: &[&[u32]], pooled: &mut [Pooled]) {
        let (batch, width) = (rows.len(), self.config.d_embed);
        let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
        let time = lengths.iter().copied().max().unwrap_or(0);
        let mut x = vec![0.0; time * batch * width];
        for (b, row) in rows.iter().enumerate() {
            for (t, id) in row.iter().enumerate() {
                let embedding = &self.embedding[*id as usize * width..][..width];
                x[(t * batch + b) * width..][..width].copy_from_slice(embedding);
            }
        }
        if self.config.bidirectional {
            session.reset();
        }
        let outputs = session.forward_ragged(&x, &lengths);
        let width = self.config.d_output();
        for (b, (length, pooled)) in lengths.iter().zip(pooled).enumerate() {
            let output = |t: usize| &outputs[(t * batch + b) * width..][..width];
            let score = |weights: &Vec<f32>| (0..*length).map(|t| dot(output(t), weights)).collect();
            let scores: Vec<f32> = self.attention.as_ref().map_or(Vec::new(), score);
            pooled.add(*length, output, &scores, reverse_units(&self.config));
        }
    }

    /// The vectors of whole texts of at least one token each, in windows of `window` tokens.
    pub fn texts(&self, texts: &[&[u32]], window: usize) -> Vec<f32> {
        let (mut session, mut pooled) = (self.session(texts.len()), vec![self.empty_pooled(); texts.len()]);
        let max_length = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        for start in (0..max_length).step_by(window) {
            let part = |text: &&'_ [u32]| text.len().min(start)..text.len().min(start.saturating_add(window));
            let parts: Vec<&[u32]> = texts.iter().map(|text| &text[part(text)]).collect();
            self.append(&mut session, &parts, &mut pooled);
        }
        self.vectors(&pooled)
    }

    /// The vectors of the pooled outputs, `[batch, d_embedding]`.
    pub fn vectors(&self, pooled: &[Pooled]) -> Vec<f32> {
        let width = self.config.d_embedding();
        let mut all = Vec::new();
        pooled.iter().for_each(|pooled| pooled.write(&mut all));
        let mut vectors = match &self.projection {
            None => all,
            Some(projection) => {
                let mut vectors = vec![0.0; pooled.len() * width];
                projection.forward(threads(), &all, &mut vectors);
                vectors
            }
        };
        if self.config.normalize {
            vectors.chunks_exact_mut(width).for_each(normalize);
        }
        vectors
    }
}

/// Number of output units that belong to the reverse direction.
pub(crate) fn reverse_units(config: &EncoderConfig) -> usize {
    if config.bidirectional && config.cell != CellKind::Elman { config.d_hidden } else { 0 }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The values of a tensor in row-major order.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
