//! Sentence encoders: recurrent networks that are trained to embed texts.
//!
//! ```
//! use burn::tensor::Device;
//! use elman_embedding::{cosine, encoder::{Encoder, EncoderConfig}};
//! # use elman_text::{Corpus, Tokenizer, TokenizerConfig, Unit};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("text.txt");
//! # std::fs::write(&path, "a cat sat on the mat")?;
//! # let tokenizer = TokenizerConfig::new(Unit::Char).train(&Corpus::open([path])?)?;
//!
//! let device = Device::flex();
//! let config = EncoderConfig { d_hidden: 32, ..EncoderConfig::new(tokenizer.vocab_size()) };
//! let encoder = Encoder::new(config.init(&device)?, tokenizer)?;
//!
//! let vectors = encoder.encode(&["a cat", "a mat", ""])?;
//! println!("{:.2}", cosine(&vectors[0], &vectors[1]));
//! assert!(vectors[2].iter().all(|x| *x == 0.0)); // a text without tokens
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod config;
mod directory;
mod model;
pub(crate) mod packed;
pub(crate) mod pooled;
mod python;
mod stored;
mod streaming;

use std::path::{Path, PathBuf};

use burn::{module::Module, tensor::Device};
use elman_layers::cpu::is_cpu;
use elman_recurrence::packed::WeightDtype;
use elman_text::{TextTokenizer, Tokenizer};
use rayon::prelude::*;

pub use config::EncoderConfig;
pub use directory::{Files, is_encoder};
pub use model::EncoderModel;
pub use stored::StoredDtype;
pub use streaming::StreamingEmbedding;
pub(crate) use {directory::replace, model::normalize};

use crate::{config::ModelFingerprint, error::EmbeddingError, finite};
use backend::InferenceBackend;

/// Embeds texts with a sentence encoder.
///
/// On the CPU, weights are packed once and all cores are used; other devices use tensors.
#[derive(Debug)]
pub struct Encoder {
    backend: InferenceBackend,
    tokenizer: TextTokenizer,
    config: EncoderConfig,
    fingerprint: Option<String>,
    /// The model directory, for errors.
    path: PathBuf,
}

/// Longer texts, in bytes, are tokenized and processed in parts.
const MAX_WHOLE_BYTES: usize = 1 << 15;
/// Longer texts, in tokens, are processed window by window; shorter ones in batches.
const MAX_WHOLE_TOKENS: usize = 2048;
/// Maximum texts per batch.
const MAX_BATCH_ROWS: usize = 64;
/// Maximum tokens per batch of more than one text.
const MAX_BATCH_TOKENS: usize = 1 << 14;

/// How a text is processed.
enum Text<'a> {
    /// As a row of a batch; without tokens if none is known.
    Batched(Vec<u32>),
    /// In windows.
    Windowed(&'a str),
}

impl Encoder {
    /// Creates an encoder from a model and its tokenizer.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the tokenizer has more tokens than the model, or the cell has no CPU kernels.
    pub fn new(model: EncoderModel, tokenizer: TextTokenizer) -> Result<Self, EmbeddingError> {
        Self::with_weight_dtype(model, tokenizer, WeightDtype::F32)
    }

    /// As [`new`](Self::new), but packs the recurrent and projection weights as `dtype` on the CPU: faster on CPUs with
    /// matching instructions, and less accurate. Other devices ignore it.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_weight_dtype(
        model: EncoderModel,
        tokenizer: TextTokenizer,
        dtype: WeightDtype,
    ) -> Result<Self, EmbeddingError> {
        let config = model.config().clone();
        if tokenizer.vocab_size() > config.vocabulary {
            let (tokenizer, config) = (tokenizer.vocab_size(), config.vocabulary);
            return Err(elman_lm::LmError::Vocabulary { path: "tokenizer.json".into(), tokenizer, config }.into());
        }
        let packed = is_cpu(&model.embedding.weight.device());
        let backend = InferenceBackend::new(model.valid(), dtype, packed)?;
        Ok(Self { backend, tokenizer, config, fingerprint: None, path: PathBuf::new() })
    }

    /// Loads a directory that [`save`](EncoderModel::save) wrote.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`], [`EmbeddingError::Config`], [`EmbeddingError::Weights`],
    /// [`EmbeddingError::Description`], [`EmbeddingError::Text`] if files are missing, damaged or do not fit each
    /// other.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, EmbeddingError> {
        Self::from_files(&Files::read(path)?, WeightDtype::F32, device)
    }

    /// Creates an encoder from its files; see [`with_weight_dtype`](Self::with_weight_dtype).
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn from_files(files: &Files<'_>, dtype: WeightDtype, device: &Device) -> Result<Self, EmbeddingError> {
        let (model, tokenizer) = files.model(device)?;
        let encoder = Self::with_weight_dtype(model, tokenizer, dtype)?;
        Ok(Self { fingerprint: Some(files.fingerprint()), path: files.path().into(), ..encoder })
    }

    /// The vectors of texts, in order, each of dimension [`d_embedding`](Self::d_embedding). An empty text, or one
    /// without known tokens ([`TextTokenizer::knows`]), gets a zero vector.
    ///
    /// Texts are sorted by length and processed in batches. On the CPU, a vector is bitwise independent of the batch
    /// and of the number of threads, for a given instruction set ([`Isa`](elman_recurrence::kernels::Isa)). On other
    /// devices, matrix products depend on the number of rows, so a vector depends on the batch up to rounding.
    ///
    /// In addition to the texts and vectors, memory holds the tokens of texts of up to 32 KiB; longer ones are
    /// processed in parts.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if a text cannot be tokenized, [`EmbeddingError::VectorNotFinite`].
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let texts: Vec<Text> = texts.par_iter().map(|text| self.text(text.as_ref())).collect::<Result<_, _>>()?;
        let (mut order, mut windowed) = (Vec::new(), Vec::new());
        for (i, text) in texts.iter().enumerate() {
            match text {
                Text::Batched(ids) if ids.is_empty() => {}
                Text::Batched(ids) => order.push((ids.as_slice(), i)),
                Text::Windowed(text) => windowed.push((*text, i)),
            }
        }
        order.sort_by_key(|(ids, _)| std::cmp::Reverse(ids.len()));
        let mut vectors = vec![vec![0.0; self.d_embedding()]; texts.len()];
        for (i, vector) in self.map_jobs(&windowed, |(text, i)| Ok(vec![(*i, self.encode_one(text)?)]))? {
            vectors[i] = vector;
        }
        for (i, vector) in self.map_jobs(&batches(&order), |batch| self.embed_batch(batch))? {
            vectors[i] = vector;
        }
        Ok(vectors)
    }

    /// Runs `f` over jobs, in parallel if the backend supports it.
    fn map_jobs<T: Sync>(
        &self,
        jobs: &[T],
        f: impl Fn(&T) -> Result<Vec<(usize, Vec<f32>)>, EmbeddingError> + Sync + Send,
    ) -> Result<Vec<(usize, Vec<f32>)>, EmbeddingError> {
        let done: Vec<_> = match &self.backend {
            InferenceBackend::Packed(_) => jobs.par_iter().map(f).collect::<Result<_, _>>()?,
            InferenceBackend::Tensor(_) => jobs.iter().map(f).collect::<Result<_, _>>()?,
        };
        Ok(done.into_iter().flatten().collect())
    }

    fn embed_batch(&self, batch: &[(&[u32], usize)]) -> Result<Vec<(usize, Vec<f32>)>, EmbeddingError> {
        let rows: Vec<&[u32]> = batch.iter().map(|(ids, _)| *ids).collect();
        let vectors = self.backend.vectors(&rows)?;
        let vectors = vectors.chunks_exact(self.d_embedding()).map(<[f32]>::to_vec);
        batch.iter().zip(vectors).map(|((_, i), vector)| Ok((*i, finite::check(vector, &self.path)?))).collect()
    }

    fn text<'a>(&self, text: &'a str) -> Result<Text<'a>, EmbeddingError> {
        if text.len() > MAX_WHOLE_BYTES {
            return Ok(Text::Windowed(text));
        }
        let ids = self.tokens(text)?;
        let max_tokens = if self.config.bidirectional { self.config.window } else { MAX_WHOLE_TOKENS };
        Ok(match ids.len() > max_tokens {
            true => Text::Windowed(text),
            false if self.tokenizer.knows(&ids) => Text::Batched(ids),
            false => Text::Batched(Vec::new()),
        })
    }

    /// The vector of one text. Memory does not grow with its length.
    ///
    /// # Errors
    /// Those of [`encode`](Self::encode).
    pub fn encode_one(&self, text: &str) -> Result<Vec<f32>, EmbeddingError> {
        let mut embedding = self.start();
        embedding.append(text)?;
        embedding.vector()
    }

    /// The vectors of a stream of texts, in order; memory does not grow with their number.
    pub fn encode_iter<I>(&self, texts: I) -> impl Iterator<Item = Result<Vec<f32>, EmbeddingError>>
    where
        I: IntoIterator,
        I::Item: AsRef<str> + Sync,
    {
        crate::stream::in_chunks(texts.into_iter(), 32 * MAX_BATCH_ROWS, |texts: &[I::Item]| self.encode(texts))
    }

    /// Starts a streaming embedding, to which text is appended.
    pub fn start(&self) -> StreamingEmbedding<'_> {
        StreamingEmbedding::new(self)
    }

    pub(crate) fn tokens(&self, text: &str) -> Result<Vec<u32>, EmbeddingError> {
        Ok(self.tokenizer.encode(text)?)
    }

    /// The dimension of a vector.
    pub fn d_embedding(&self) -> usize {
        self.config.d_embedding()
    }

    /// The configuration.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The fingerprint of the model and settings. A store records it and rejects vectors of another model. The model's
    /// hash is empty unless the encoder was created from [`Files`].
    pub fn identity(&self) -> ModelFingerprint {
        let EncoderConfig { pooling, layers, normalize, .. } = self.config.clone();
        ModelFingerprint { model: self.fingerprint.clone().unwrap_or_default(), pooling, layer: layers, normalize }
    }
}

/// Splits texts, sorted by decreasing length, into batches.
fn batches<'a, 'b>(order: &'b [(&'a [u32], usize)]) -> Vec<&'b [(&'a [u32], usize)]> {
    let (mut batches, mut rest) = (Vec::new(), order);
    while let Some((longest, _)) = rest.first() {
        let rows = (MAX_BATCH_TOKENS / longest.len()).clamp(1, MAX_BATCH_ROWS).min(rest.len());
        let (batch, after) = rest.split_at(rows);
        batches.push(batch);
        rest = after;
    }
    batches
}
