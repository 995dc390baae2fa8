//! Sentence encoders: recurrent networks that are trained to make vectors of texts.
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

mod config;
mod directory;
mod engine;
pub(crate) mod host;
mod model;
pub(crate) mod pooled;
mod python;
mod reading;
mod stored;

use std::path::{Path, PathBuf};

use burn::{module::Module, tensor::Device};
use elman_layers::cpu::is_cpu;
use elman_recurrence::packed::WeightDtype;
use elman_text::{TextTokenizer, Tokenizer};
use rayon::prelude::*;

pub use config::EncoderConfig;
pub use directory::{Files, is_encoder};
pub use model::EncoderModel;
pub use reading::StreamingEmbedding;
pub use stored::StoredDtype;
pub(crate) use {directory::replace, model::normalize};

use crate::{config::ModelFingerprint, error::EmbeddingError, finite};
use engine::Engine;

/// Turns texts into vectors with a model that was trained for it.
///
/// On processors weights are packed once and texts are read by all cores; on other devices with tensors.
#[derive(Debug)]
pub struct Encoder {
    engine: Engine,
    tokenizer: TextTokenizer,
    config: EncoderConfig,
    fingerprint: Option<String>,
    /// The model's directory, for errors.
    path: PathBuf,
}

/// Texts of more bytes are read piece by piece.
const LONG: usize = 1 << 15;
/// Texts of more tokens are read window by window; texts with fewer side by side.
const LONG_TOKENS: usize = 2048;
/// Texts that are read side by side, at most.
const ROWS: usize = 64;
/// Tokens in a batch, at most, unless it is one text.
const TOKENS: usize = 1 << 14;

/// How a text is read.
enum Text<'a> {
    Side(Vec<u32>),
    Window(&'a str),
}

impl Encoder {
    /// Of a model and its tokenizer.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if they have different vocabularies, or the cell has no kernels for a processor.
    pub fn new(model: EncoderModel, tokenizer: TextTokenizer) -> Result<Self, EmbeddingError> {
        Self::with_weight_dtype(model, tokenizer, WeightDtype::F32)
    }

    /// As [`new`](Self::new), with the recurrent and dense weights in fewer bits where they are packed for a processor: faster
    /// on processors that compute so, and less exact.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_weight_dtype(
        model: EncoderModel,
        tokenizer: TextTokenizer,
        precision: WeightDtype,
    ) -> Result<Self, EmbeddingError> {
        let config = model.config().clone();
        if tokenizer.vocab_size() > config.vocabulary {
            let (tokenizer, config) = (tokenizer.vocab_size(), config.vocabulary);
            return Err(elman_lm::LmError::Vocabulary { path: "tokenizer.json".into(), tokenizer, config }.into());
        }
        let host = is_cpu(&model.embedding.weight.device());
        let engine = Engine::new(model.valid(), precision, host)?;
        Ok(Self { engine, tokenizer, config, fingerprint: None, path: PathBuf::new() })
    }

    /// Loads a directory that [`save`](EncoderModel::save) wrote.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`], [`EmbeddingError::Config`], [`EmbeddingError::Weights`],
    /// [`EmbeddingError::Text`] for a directory without the files, or with files that are damaged or disagree.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, EmbeddingError> {
        Self::from_files(&Files::read(path)?, WeightDtype::F32, device)
    }

    /// Of a directory's files; see [`with_weight_dtype`](Self::with_weight_dtype).
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_files(files: &Files<'_>, precision: WeightDtype, device: &Device) -> Result<Self, EmbeddingError> {
        let (model, tokenizer) = files.model(device)?;
        let encoder = Self::with_weight_dtype(model, tokenizer, precision)?;
        Ok(Self { fingerprint: Some(files.fingerprint()), path: files.path().into(), ..encoder })
    }

    /// The vectors of some texts, in their order, each [`d_embedding`](Self::d_embedding) wide. A text of which the model knows
    /// nothing ([`TextTokenizer::knows`]; an empty one, too) gets zeros.
    ///
    /// Texts are read side by side, sorted by length. On a processor a vector has the same bits in whatever company, and on any
    /// number of threads, as long as the instruction set is the same ([`Isa`](elman_recurrence::kernels::Isa)); on other devices it
    /// differs from that of the text alone by no more than rounding, since their matrix products depend on the number of
    /// rows. Beside the texts and their vectors, memory is needed for the tokens of texts up to 32 KiB; longer ones
    /// are read piece by piece.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if a text cannot be tokenised, [`EmbeddingError::VectorNotFinite`].
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let texts: Vec<Text> = texts.par_iter().map(|text| self.text(text.as_ref())).collect::<Result<_, _>>()?;
        let (mut order, mut windows) = (Vec::new(), Vec::new());
        for (i, text) in texts.iter().enumerate() {
            match text {
                Text::Side(ids) if ids.is_empty() => {}
                Text::Side(ids) => order.push((ids.as_slice(), i)),
                Text::Window(text) => windows.push((*text, i)),
            }
        }
        order.sort_by_key(|(ids, _)| std::cmp::Reverse(ids.len()));
        let mut vectors = vec![vec![0.0; self.d_embedding()]; texts.len()];
        for (i, vector) in self.each(&windows, |(text, i)| Ok(vec![(*i, self.encode_one(text)?)]))? {
            vectors[i] = vector;
        }
        for (i, vector) in self.each(&batches(&order), |batch| self.batch(batch))? {
            vectors[i] = vector;
        }
        Ok(vectors)
    }

    /// Runs `f` over pieces of work, side by side where the engine can.
    fn each<T: Sync>(
        &self,
        work: &[T],
        f: impl Fn(&T) -> Result<Vec<(usize, Vec<f32>)>, EmbeddingError> + Sync + Send,
    ) -> Result<Vec<(usize, Vec<f32>)>, EmbeddingError> {
        let done: Vec<_> = match &self.engine {
            Engine::Host(_) => work.par_iter().map(f).collect::<Result<_, _>>()?,
            Engine::Device(_) => work.iter().map(f).collect::<Result<_, _>>()?,
        };
        Ok(done.into_iter().flatten().collect())
    }

    fn batch(&self, batch: &[(&[u32], usize)]) -> Result<Vec<(usize, Vec<f32>)>, EmbeddingError> {
        let rows: Vec<&[u32]> = batch.iter().map(|(ids, _)| *ids).collect();
        let vectors = self.engine.vectors(&rows)?;
        let vectors = vectors.chunks_exact(self.d_embedding()).map(<[f32]>::to_vec);
        batch.iter().zip(vectors).map(|((_, i), vector)| Ok((*i, finite::check(vector, &self.path)?))).collect()
    }

    fn text<'a>(&self, text: &'a str) -> Result<Text<'a>, EmbeddingError> {
        if text.len() > LONG {
            return Ok(Text::Window(text));
        }
        let ids = self.tokens(text)?;
        let longest = if self.config.bidirectional { self.config.window } else { LONG_TOKENS };
        Ok(match ids.len() > longest {
            true => Text::Window(text),
            false if self.tokenizer.knows(&ids) => Text::Side(ids),
            false => Text::Side(Vec::new()),
        })
    }

    /// The vector of one text of any length, in memory that does not depend on it.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_one(&self, text: &str) -> Result<Vec<f32>, EmbeddingError> {
        let mut reading = self.start();
        reading.append(text)?;
        reading.vector()
    }

    /// The vectors of a stream of texts, in their order; memory does not grow with their number.
    pub fn encode_iter<I>(&self, texts: I) -> impl Iterator<Item = Result<Vec<f32>, EmbeddingError>>
    where
        I: IntoIterator,
        I::Item: AsRef<str> + Sync,
    {
        crate::stream::in_chunks(texts.into_iter(), 32 * ROWS, |texts: &[I::Item]| self.encode(texts))
    }

    /// Starts a vector that text is appended to.
    pub fn start(&self) -> StreamingEmbedding<'_> {
        StreamingEmbedding::new(self)
    }

    pub(crate) fn tokens(&self, text: &str) -> Result<Vec<u32>, EmbeddingError> {
        Ok(self.tokenizer.encode(text)?)
    }

    /// Width of a vector.
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

    /// What vectors are made with. A store remembers it and refuses vectors of another. The model is named only if it is of
    /// [`Files`].
    pub fn identity(&self) -> ModelFingerprint {
        let EncoderConfig { pooling, layers, normalize, .. } = self.config.clone();
        ModelFingerprint { model: self.fingerprint.clone().unwrap_or_default(), pooling, layer: layers, normalize }
    }
}

/// Cuts texts of falling length into batches.
fn batches<'a, 'b>(order: &'b [(&'a [u32], usize)]) -> Vec<&'b [(&'a [u32], usize)]> {
    let (mut batches, mut rest) = (Vec::new(), order);
    while let Some((longest, _)) = rest.first() {
        let rows = (TOKENS / longest.len()).clamp(1, ROWS).min(rest.len());
        let (batch, after) = rest.split_at(rows);
        batches.push(batch);
        rest = after;
    }
    batches
}
