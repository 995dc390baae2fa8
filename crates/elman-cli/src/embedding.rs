//! Embedding texts: the options and the stream of vectors that several commands share.

use std::path::Path;

use clap::Args;
use elman::{
    burn::tensor::Device,
    embedding::{
        Embedder, EmbedderConfig, EmbeddingError, ModelFingerprint, Pooling,
        encoder::{Encoder, is_encoder},
    },
    lm::WeightDtype,
    text::TextTokenizer,
};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::{error::CliError, model::damaged};

/// How to pool a language model's hidden states. An encoder's pooling is part of its configuration.
#[derive(Args, Debug)]
#[command(next_help_heading = "Embedding with a language model")]
pub struct EmbeddingOptions {
    /// Pooling of the hidden states of all tokens: mean, max, last, or a concatenation such as mean+max [default: mean]
    #[arg(long, value_name = "POOL")]
    pool: Option<Pooling>,

    /// Recurrent layer whose hidden states are pooled, counted from 1 [default: the last]
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
}

impl EmbeddingOptions {
    /// The settings; `normalize` scales vectors to length 1.
    pub fn config(&self, normalize: bool) -> EmbedderConfig {
        let pooling = self.pool.clone().unwrap_or_default();
        EmbedderConfig { pooling, layer: self.layer, normalize, ..EmbedderConfig::default() }
    }

    /// The first of these options that was given.
    fn first_option(&self) -> Option<&'static str> {
        self.pool.as_ref().map(|_| "--pool").or(self.layer.map(|_| "--layer"))
    }
}

/// A model that embeds texts.
pub enum Model {
    Encoder(Box<Encoder>),
    Language(Box<Embedder>),
}

impl Model {
    /// Loads a model directory, or the built-in model if `path` is `None`, with command-line options.
    ///
    /// # Errors
    /// If an option for language models is given for an encoder.
    pub fn open(
        path: Option<&Path>,
        options: &EmbeddingOptions,
        normalize: bool,
        device: &Device,
    ) -> Result<Self, CliError> {
        let model = Self::load(path, options.config(normalize), device)?;
        match (&model, options.first_option().or((!normalize).then_some("--no-normalize"))) {
            (Self::Encoder(_), Some(option)) => Err(CliError::LanguageModelOnly { option }),
            _ => Ok(model),
        }
    }

    /// Loads a model directory, or the built-in model if `path` is `None`. `config` applies to language models only.
    pub fn load(path: Option<&Path>, config: EmbedderConfig, device: &Device) -> Result<Self, CliError> {
        let encoder = match path {
            None => Encoder::from_files(&elman_small_en::files(), WeightDtype::F32, device),
            Some(path) if is_encoder(path) => Encoder::load(path, device),
            Some(path) => return Ok(Self::Language(load(path, config, device)?.into())),
        };
        Ok(Self::Encoder(encoder?.into()))
    }

    /// The vectors of texts, in order.
    pub fn embed<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, CliError> {
        Ok(match self {
            Self::Encoder(encoder) => encoder.encode(texts)?,
            Self::Language(embedder) => embedder.embed(texts)?,
        })
    }

    /// The dimension of the vectors.
    pub fn d_embedding(&self) -> usize {
        match self {
            Self::Encoder(encoder) => encoder.d_embedding(),
            Self::Language(embedder) => embedder.d_embedding(),
        }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        match self {
            Self::Encoder(encoder) => encoder.tokenizer(),
            Self::Language(embedder) => embedder.tokenizer(),
        }
    }

    /// The fingerprint of the model and its settings.
    pub fn identity(&self) -> ModelFingerprint {
        match self {
            Self::Encoder(encoder) => encoder.identity(),
            Self::Language(embedder) => embedder.identity(),
        }
    }
}

/// Loads the language model in a directory for embedding.
pub fn load(model: &Path, config: EmbedderConfig, device: &Device) -> Result<Embedder, CliError> {
    Embedder::load(model, config, device).map_err(|error| match error {
        EmbeddingError::Model(source) => damaged(model, source),
        error => error.into(),
    })
}

/// Texts that are embedded together. They are sorted by length, so a large chunk needs little padding.
const CHUNK: usize = 4096;

/// Embeds a stream of texts in order, in bounded memory, with a progress counter on a terminal.
pub fn embed_stream<'a, T: AsRef<str> + Sync + 'a>(
    model: &'a Model,
    mut texts: impl Iterator<Item = Result<T, CliError>> + 'a,
) -> impl Iterator<Item = Result<(T, Vec<f32>), CliError>> + 'a {
    let style = ProgressStyle::with_template("{spinner} {human_pos} texts, {per_sec}").expect("the template is valid");
    let bar = ProgressBar::new_spinner().with_style(style).with_finish(ProgressFinish::AndClear);
    let embed = move |chunk: Vec<T>| {
        let vectors = model.embed(&chunk)?;
        bar.inc(chunk.len() as u64);
        Ok(chunk.into_iter().zip(vectors).collect::<Vec<_>>())
    };
    let chunks = std::iter::from_fn(move || match texts.by_ref().take(CHUNK).collect::<Result<Vec<T>, _>>() {
        Ok(chunk) if chunk.is_empty() => None,
        chunk => Some(chunk.and_then(&embed)),
    });
    chunks.flat_map(|chunk| match chunk {
        Ok(rows) => rows.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    })
}
