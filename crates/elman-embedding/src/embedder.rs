use std::path::{Path, PathBuf};

use burn::tensor::Device;
use elman_layers::cpu::is_cpu;
use elman_lm::LanguageModel;
use elman_recurrence::kernels::threads;
use elman_text::{TextError, TextTokenizer, Tokenizer};
use rayon::prelude::*;

use crate::{
    config::{EmbedderConfig, ModelFingerprint},
    encoder::packed::PackedEncoder,
    error::EmbeddingError,
    finite,
    stream::in_chunks,
    streaming::{StreamedBatch, StreamingEmbedding},
};

/// Batches per chunk of a stream.
const BATCHES_PER_CHUNK: usize = 16;

/// Embeds texts with a trained language model.
///
/// On the CPU, weights are packed once and batches run in parallel, one thread each; other devices use tensors.
#[derive(Debug)]
pub struct Embedder {
    model: LanguageModel,
    packed: Option<PackedEncoder>,
    tokenizer: TextTokenizer,
    config: EmbedderConfig,
    layer: usize,
    fingerprint: String,
    /// The model directory, for errors.
    path: PathBuf,
}

impl Embedder {
    /// Loads a model directory that [`LanguageModel::save_dir`] wrote.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the directory cannot be loaded, [`EmbeddingError::Layer`],
    /// [`EmbeddingError::Zero`] and [`EmbeddingError::Attention`] for invalid settings.
    pub fn load(path: impl AsRef<Path>, config: EmbedderConfig, device: &Device) -> Result<Self, EmbeddingError> {
        let (model, tokenizer) = LanguageModel::load_dir(&path, device)?;
        let layer = config.layer_index(model.config().layers)?;
        let fingerprint = elman_lm::fingerprint(&path)?;
        let packed = is_cpu(device).then(|| PackedEncoder::from_layers(&model, layer + 1, &config)).transpose()?;
        Ok(Self { model, packed, tokenizer, config, layer, fingerprint, path: path.as_ref().into() })
    }

    /// The vectors of texts, in order, each of dimension [`d_embedding`](Embedder::d_embedding). An empty text, or one
    /// without known tokens ([`TextTokenizer::knows`]), gets a zero vector.
    ///
    /// Texts are sorted by length and processed in batches. On the CPU, a vector is bitwise independent of the batch
    /// and of the number of threads, for a given instruction set ([`Isa`](elman_recurrence::kernels::Isa)). On other
    /// devices, matrix products depend on the number of rows, so a vector depends on the batch up to rounding.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if a text cannot be tokenized, [`EmbeddingError::VectorNotFinite`].
    pub fn embed<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let ids: Vec<Vec<u32>> = texts.iter().map(|t| self.encode(t.as_ref())).collect::<Result<_, _>>()?;
        let mut order: Vec<usize> = (0..ids.len()).filter(|i| self.tokenizer.knows(&ids[*i])).collect();
        order.sort_by_key(|i| std::cmp::Reverse(ids[*i].len()));
        let mut vectors = vec![vec![0.0; self.d_embedding()]; ids.len()];
        let batches: Vec<&[usize]> = order.chunks(self.config.batch).collect();
        let rows = |batch: &[usize]| -> Vec<&[u32]> { batch.iter().map(|i| ids[*i].as_slice()).collect() };
        let found: Vec<Vec<Vec<f32>>> = match &self.packed {
            None => batches.iter().map(|batch| self.embed_batch(&rows(batch))).collect::<Result<_, _>>()?,
            Some(packed) => {
                let (window, width) = (self.config.window, self.d_embedding());
                let embed = |batch: &&[usize]| -> Vec<Vec<f32>> {
                    packed.texts(&rows(batch), window).chunks_exact(width).map(<[f32]>::to_vec).collect()
                };
                // with few batches, run them one by one and parallelize within each
                match batches.len() < threads() {
                    true => batches.iter().map(embed).collect(),
                    false => batches.par_iter().map(embed).collect(),
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
    /// Those of [`embed`](Embedder::embed).
    pub fn embed_one(&self, text: &str) -> Result<Vec<f32>, EmbeddingError> {
        let mut embedding = self.start();
        embedding.append(text)?;
        embedding.vector()
    }

    /// The vectors of a stream of texts, in order; memory does not grow with their number.
    pub fn embed_iter<I>(&self, texts: I) -> impl Iterator<Item = Result<Vec<f32>, EmbeddingError>>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let size = self.config.batch.saturating_mul(BATCHES_PER_CHUNK);
        in_chunks(texts.into_iter(), size, |texts: &[I::Item]| self.embed(texts))
    }

    /// Starts a streaming embedding, to which text is appended.
    pub fn start(&self) -> StreamingEmbedding<'_> {
        StreamingEmbedding::new(self)
    }

    /// Embeds rows sorted by decreasing length, window by window, on the active rows.
    fn embed_batch(&self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let window = self.config.window;
        let mut batch = StreamedBatch::default();
        for start in (0..rows[0].len()).step_by(window) {
            let active = rows.iter().map(|r| &r[start.min(r.len())..]).take_while(|r| !r.is_empty());
            let active: Vec<&[u32]> = active.map(|r| &r[..window.min(r.len())]).collect();
            let time = active[0].len();
            let lengths: Vec<usize> = active.iter().map(|r| r.len()).collect();
            // padding is never read
            let pad = |r: &&[u32]| r.iter().copied().chain(std::iter::repeat(0)).take(time).collect::<Vec<u32>>();
            let ids: Vec<u32> = active.iter().flat_map(pad).collect();
            batch.append(&self.model, self.layer, &ids, &lengths)?;
        }
        Ok(batch.vectors(self))
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, EmbeddingError> {
        let (ids, vocabulary) = (self.tokenizer.encode(text)?, self.model.config().vocabulary);
        match ids.iter().find(|id| **id as usize >= vocabulary) {
            Some(&id) => Err(TextError::UnknownToken { id, vocabulary }.into()),
            None => Ok(ids),
        }
    }

    pub(crate) fn packed(&self) -> Option<&PackedEncoder> {
        self.packed.as_ref()
    }

    /// The dimension of a vector: the hidden units of the layer times the number of poolings.
    pub fn d_embedding(&self) -> usize {
        self.model.config().d_hidden * self.config.pooling.parts().len()
    }

    /// The fingerprint of the model and settings. A store records it and rejects vectors of another model.
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

    /// The model directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The index of the layer, from 0.
    pub(crate) fn layer(&self) -> usize {
        self.layer
    }
}
