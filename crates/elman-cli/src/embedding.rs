//! Texts to vectors: the options of the commands that embed, and the stream that they share.

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

/// How a language model's hidden states become a vector. An encoder has learned that.
#[derive(Args, Debug)]
#[command(next_help_heading = "Embedding with a language model")]
pub struct EmbeddingOptions {
    /// What the hidden states of all tokens become: mean, max, last, or several side by side, as in mean+max
    /// [default: mean]
    #[arg(long, value_name = "POOL")]
    pool: Option<Pooling>,

    /// Recurrent layer that is read, counted from 1 [default: the last]
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
}

impl EmbeddingOptions {
    /// The settings, with vectors scaled to length 1 if `normalize`.
    pub fn config(&self, normalize: bool) -> EmbedderConfig {
        let pooling = self.pool.clone().unwrap_or_default();
        EmbedderConfig { pooling, layer: self.layer, normalize, ..EmbedderConfig::default() }
    }

    fn given(&self) -> Option<&'static str> {
        self.pool.as_ref().map(|_| "--pool").or(self.layer.map(|_| "--layer"))
    }
}

/// What makes vectors of texts.
pub enum Model {
    Encoder(Box<Encoder>),
    Language(Box<Embedder>),
}

impl Model {
    /// Loads the model of a directory, or the one that comes with the program, with the options of a command line.
    pub fn open(
        path: Option<&Path>,
        options: &EmbeddingOptions,
        normalize: bool,
        device: &Device,
    ) -> Result<Self, CliError> {
        let model = Self::load(path, options.config(normalize), device)?;
        match (&model, options.given().or((!normalize).then_some("--no-normalize"))) {
            (Self::Encoder(_), Some(option)) => Err(CliError::NotOfEncoder { option }),
            _ => Ok(model),
        }
    }

    /// Loads the model of a directory, or the one that comes with the program; the settings are for a language model.
    pub fn load(path: Option<&Path>, config: EmbedderConfig, device: &Device) -> Result<Self, CliError> {
        let encoder = match path {
            None => Encoder::from_files(&elman_small_en::files(), WeightDtype::F32, device),
            Some(path) if is_encoder(path) => Encoder::load(path, device),
            Some(path) => return Ok(Self::Language(load(path, config, device)?.into())),
        };
        Ok(Self::Encoder(encoder?.into()))
    }

    /// The vectors of some texts, in their order.
    pub fn embed<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, CliError> {
        Ok(match self {
            Self::Encoder(encoder) => encoder.encode(texts)?,
            Self::Language(embedder) => embedder.embed(texts)?,
        })
    }

    /// Width of a vector.
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

    /// What vectors are made with.
    pub fn identity(&self) -> ModelFingerprint {
        match self {
            Self::Encoder(encoder) => encoder.identity(),
            Self::Language(embedder) => embedder.identity(),
        }
    }
}

/// Loads the language model of a directory for embedding.
pub fn load(model: &Path, config: EmbedderConfig, device: &Device) -> Result<Embedder, CliError> {
    Embedder::load(model, config, device).map_err(|error| match error {
        EmbeddingError::Model(source) => damaged(model, source),
        error => error.into(),
    })
}

/// Texts that are embedded together: sorted by length among so many, little is padded.
const TOGETHER: usize = 4096;

/// Gives each text its vector, in order, holding a bounded number of texts; counts them on a terminal.
pub fn rows<'a, T: AsRef<str> + Sync + 'a>(
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
    let chunks = std::iter::from_fn(move || match texts.by_ref().take(TOGETHER).collect::<Result<Vec<T>, _>>() {
        Ok(chunk) if chunk.is_empty() => None,
        chunk => Some(chunk.and_then(&embed)),
    });
    chunks.flat_map(|chunk| match chunk {
        Ok(rows) => rows.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    })
}
