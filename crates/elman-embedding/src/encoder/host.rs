use burn::{module::Param, tensor::Tensor};
use elman_lm::LanguageModel;
use elman_recurrence::{
    CellKind,
    kernels::{Isa, PackedLinear, threads},
    packed::{Packed, Session, WeightDtype},
};

use super::{config::EncoderConfig, engine::nothing, model::EncoderModel, pooled::Pooled};
use crate::{config::EmbedderConfig, error::EmbeddingError, scale::normalize};

/// An encoder whose weights have been packed once, for a processor.
#[derive(Debug)]
pub(crate) struct HostModel {
    /// `[vocabulary, d_embed]`
    embedding: Vec<f32>,
    network: Packed,
    attention: Option<Vec<f32>>,
    projection: Option<PackedLinear>,
    config: EncoderConfig,
}

impl HostModel {
    /// Packs the weights; the embedding, of which a token reads one row, stays in float32.
    pub fn new(model: &EncoderModel, precision: WeightDtype) -> Result<Self, EmbeddingError> {
        let projection = model.projection.as_ref().map(|layer| {
            let weight = layer.weight.val().transpose();
            let (width, bias) = (weight.dims()[1], layer.bias.as_ref().map(Param::val).map(numbers));
            PackedLinear::new(Isa::best(), precision, &numbers(weight), bias.as_deref(), width)
        });
        Ok(Self {
            embedding: numbers(model.embedding.weight.val()),
            network: model.network.pack(precision).map_err(elman_lm::LmError::from)?,
            attention: model.attention.as_ref().map(|layer| numbers(layer.weight.val())),
            projection,
            config: model.config.clone(),
        })
    }

    /// The first layers of a language model, whose outputs are pooled.
    pub fn of_layers(model: &LanguageModel, layers: usize, config: &EmbedderConfig) -> Result<Self, EmbeddingError> {
        let of = model.config();
        let network = model.network().pack(WeightDtype::F32).map_err(elman_lm::LmError::from)?;
        Ok(Self {
            embedding: numbers(model.embedding()),
            network: network.first_layers(layers),
            attention: None,
            projection: None,
            config: EncoderConfig {
                d_embed: of.d_embed,
                cell: of.cell,
                d_hidden: of.d_hidden,
                layers,
                bidirectional: false,
                pooling: config.pooling.clone(),
                d_projection: None,
                normalize: config.normalize,
                window: config.window,
                ..EncoderConfig::new(of.vocabulary)
            },
        })
    }

    /// A text's begin.
    pub fn nothing(&self) -> Pooled {
        nothing(&self.config)
    }

    /// A session of so many texts.
    pub fn session(&self, batch: usize) -> Session {
        self.network.session(batch)
    }

    /// Reads the next tokens of some texts and pools the outputs. What a text gives does not depend on the others, bit for bit:
    /// the packed layers see to that, and pooling goes text by text, token by token.
    pub fn read(&self, session: &mut Session, rows: &[&[u32]], pooled: &mut [Pooled]) {
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
            pooled.add(*length, output, &scores, back(&self.config));
        }
    }

    /// The vectors of whole texts, at least one token each, of which so many tokens are read at a time.
    pub fn texts(&self, texts: &[&[u32]], window: usize) -> Vec<f32> {
        let (mut session, mut pooled) = (self.session(texts.len()), vec![self.nothing(); texts.len()]);
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        for start in (0..longest).step_by(window) {
            let part = |text: &&'_ [u32]| text.len().min(start)..text.len().min(start.saturating_add(window));
            let parts: Vec<&[u32]> = texts.iter().map(|text| &text[part(text)]).collect();
            self.read(&mut session, &parts, &mut pooled);
        }
        self.vectors(&pooled)
    }

    /// The vectors of what has been pooled, one after the other.
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

/// Units of the outputs that have been read backwards.
pub(crate) fn back(config: &EncoderConfig) -> usize {
    if config.bidirectional && config.cell != CellKind::Elman { config.d_hidden } else { 0 }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The numbers of a tensor, in row-major order.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
