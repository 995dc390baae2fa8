use std::path::{Path, PathBuf};

use burn::tensor::Device;
use elman_layers::cpu::is_cpu;
use elman_lm::LanguageModel;
use elman_recurrence::kernels::threads;
use elman_text::{TextError, TextTokenizer, Tokenizer};
use rayon::prelude::*;

use crate::{
    config::{EmbedderConfig, ModelFingerprint},
    encoder::host::HostModel,
    error::EmbeddingError,
    finite,
    reading::{Rows, StreamingEmbedding},
    stream::in_chunks,
};

/// Batches that a stream takes at a time.
const BATCHES: usize = 16;

/// Turns texts into vectors with a trained language model.
///
/// On processors weights are packed once and batches are read side by side, each on one thread; on other devices with tensors.
#[derive(Debug)]
pub struct Embedder {
    model: LanguageModel,
    host: Option<HostModel>,
    tokenizer: TextTokenizer,
    config: EmbedderConfig,
    layer: usize,
    fingerprint: String,
    /// The model's directory, for errors.
    path: PathBuf,
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
        let fingerprint = elman_lm::fingerprint(&path)?;
        let host = is_cpu(device).then(|| HostModel::of_layers(&model, layer + 1, &config)).transpose()?;
        Ok(Self { model, host, tokenizer, config, layer, fingerprint, path: path.as_ref().into() })
    }

    /// The vectors of some texts, in their order, each [`d_embedding`](Embedder::d_embedding) wide. A text of which
    /// the model knows nothing ([`TextTokenizer::knows`]; an empty one, too) gets zeros.
    ///
    /// Texts are read side by side, sorted by length. On a processor a vector has the same bits in whatever company, and on any
    /// number of threads, as long as the instruction set is the same ([`Isa`](elman_recurrence::kernels::Isa)); on other devices it
    /// differs from that of the text alone by no more than rounding, since their matrix products depend on the number of
    /// rows.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if a text cannot be tokenised, [`EmbeddingError::VectorNotFinite`].
    pub fn embed<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let ids: Vec<Vec<u32>> = texts.iter().map(|t| self.encode(t.as_ref())).collect::<Result<_, _>>()?;
        let mut order: Vec<usize> = (0..ids.len()).filter(|i| self.tokenizer.knows(&ids[*i])).collect();
        order.sort_by_key(|i| std::cmp::Reverse(ids[*i].len()));
        let mut vectors = vec![vec![0.0; self.d_embedding()]; ids.len()];
        let batches: Vec<&[usize]> = order.chunks(self.config.batch).collect();
        let rows = |batch: &[usize]| -> Vec<&[u32]> { batch.iter().map(|i| ids[*i].as_slice()).collect() };
        let found: Vec<Vec<Vec<f32>>> = match &self.host {
            None => batches.iter().map(|batch| self.read(&rows(batch))).collect::<Result<_, _>>()?,
            Some(host) => {
                let (window, width) = (self.config.window, self.d_embedding());
                let read = |batch: &&[usize]| -> Vec<Vec<f32>> {
                    host.texts(&rows(batch), window).chunks_exact(width).map(<[f32]>::to_vec).collect()
                };
                // few batches use the threads one after the other
                match batches.len() < threads() {
                    true => batches.iter().map(read).collect(),
                    false => batches.par_iter().map(read).collect(),
                }
            }
        };
        for (i, vector) in order.iter().zip(found.into_iter().flatten()) {
            vectors[*i] = finite::check(vector, &self.path)?;
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
        reading.vector()
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
    pub fn start(&self) -> StreamingEmbedding<'_> {
        StreamingEmbedding::new(self)
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
        let (ids, vocabulary) = (self.tokenizer.encode(text)?, self.model.config().vocabulary);
        match ids.iter().find(|id| **id as usize >= vocabulary) {
            Some(&id) => Err(TextError::UnknownToken { id, vocabulary }.into()),
            None => Ok(ids),
        }
    }

    pub(crate) fn host(&self) -> Option<&HostModel> {
        self.host.as_ref()
    }

    /// Width of a vector: the hidden units of the layer, times the parts of the pooling.
    pub fn d_embedding(&self) -> usize {
        self.model.config().d_hidden * self.config.pooling.parts().len()
    }

    /// What vectors are made with. A store remembers it and refuses vectors of another.
    pub fn identity(&self) -> ModelFingerprint {
        ModelFingerprint {
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

    /// The model's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The index of the layer, from 0.
    pub(crate) fn layer(&self) -> usize {
        self.layer
    }
}
