use std::path::Path;

use burn::tensor::Device;
use elman_lm::LanguageModel;
use elman_text::{TextTokenizer, Tokenizer};

use crate::{
    config::{EmbedderConfig, Identity},
    error::EmbeddingError,
    reading::{Reading, Rows},
    stream::in_chunks,
};

/// Batches that a stream takes at a time.
const BATCHES: usize = 16;

/// Turns texts into vectors with a trained language model.
#[derive(Debug)]
pub struct Embedder {
    model: LanguageModel,
    tokenizer: TextTokenizer,
    config: EmbedderConfig,
    layer: usize,
    fingerprint: String,
}

impl Embedder {
    /// Loads a model directory that [`LanguageModel::save_dir`] wrote.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the directory cannot be loaded, [`EmbeddingError::Layer`] and
    /// [`EmbeddingError::Zero`] for settings that do not fit it.
    pub fn load(path: impl AsRef<Path>, config: EmbedderConfig, device: &Device) -> Result<Self, EmbeddingError> {
        let (model, tokenizer) = LanguageModel::load_dir(&path, device)?;
        let layer = config.layer_index(model.config().layers)?;
        let fingerprint = elman_lm::fingerprint(path)?;
        Ok(Self { model, tokenizer, config, layer, fingerprint })
    }

    /// The vectors of some texts, in their order, each [`d_embedding`](Embedder::d_embedding) wide. A text without
    /// tokens (an empty one) gets zeros.
    ///
    /// Texts are read side by side, sorted by length; a vector differs from that of the text alone by no more than
    /// rounding.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if a text cannot be tokenised.
    pub fn embed<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let ids: Vec<Vec<u32>> = texts.iter().map(|t| self.encode(t.as_ref())).collect::<Result<_, _>>()?;
        let mut order: Vec<usize> = (0..ids.len()).filter(|i| !ids[*i].is_empty()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(ids[*i].len()));
        let mut vectors = vec![vec![0.0; self.d_embedding()]; ids.len()];
        for batch in order.chunks(self.config.batch) {
            let rows: Vec<&[u32]> = batch.iter().map(|i| ids[*i].as_slice()).collect();
            for (i, vector) in batch.iter().zip(self.read(&rows)?) {
                vectors[*i] = vector;
            }
        }
        Ok(vectors)
    }

    /// The vector of one text.
    ///
    /// # Errors
    /// As [`embed`](Embedder::embed).
    pub fn embed_one(&self, text: &str) -> Result<Vec<f32>, EmbeddingError> {
        let mut reading = self.start();
        reading.append(text)?;
        Ok(reading.vector())
    }

    /// The vectors of a stream of texts, in their order; memory does not grow with their number.
    pub fn embed_iter<I>(&self, texts: I) -> impl Iterator<Item = Result<Vec<f32>, EmbeddingError>>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let size = self.config.batch.saturating_mul(BATCHES);
        in_chunks(texts.into_iter(), size, |texts: &[I::Item]| self.embed(texts))
    }

    /// Starts an embedding that text is appended to.
    pub fn start(&self) -> Reading<'_> {
        Reading::new(self)
    }

    /// Reads rows of falling length, window by window, those that have not ended.
    fn read(&self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let window = self.config.window;
        let mut read = Rows::default();
        for start in (0..rows[0].len()).step_by(window) {
            let active = rows.iter().map(|r| &r[start.min(r.len())..]).take_while(|r| !r.is_empty());
            let active: Vec<&[u32]> = active.map(|r| &r[..window.min(r.len())]).collect();
            let time = active[0].len();
            let lengths: Vec<usize> = active.iter().map(|r| r.len()).collect();
            // what pads a row is never looked at
            let pad = |r: &&[u32]| r.iter().copied().chain(std::iter::repeat(0)).take(time).collect::<Vec<u32>>();
            let ids: Vec<u32> = active.iter().flat_map(pad).collect();
            read.read(&self.model, self.layer, &ids, &lengths)?;
        }
        Ok(read.vectors(self))
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, EmbeddingError> {
        Ok(self.tokenizer.encode(text)?)
    }

    /// Width of a vector: the hidden units of the layer, times the parts of the pooling.
    pub fn d_embedding(&self) -> usize {
        self.model.config().d_hidden * self.config.pooling.parts().len()
    }

    /// What vectors are made with. A store remembers it and refuses vectors of another.
    pub fn identity(&self) -> Identity {
        Identity {
            model: self.fingerprint.clone(),
            pooling: self.config.pooling.clone(),
            layer: self.layer + 1,
            normalize: self.config.normalize,
        }
    }

    /// The settings.
    pub fn config(&self) -> &EmbedderConfig {
        &self.config
    }

    /// The language model.
    pub fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The index of the layer, from 0.
    pub(crate) fn layer(&self) -> usize {
        self.layer
    }
}
