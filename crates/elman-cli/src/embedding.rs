//! Texts to vectors: the options of the commands that embed, and the stream that they share.

use std::path::Path;

use clap::Args;
use elman::{
    burn::tensor::Device,
    embedding::{Embedder, EmbedderConfig, EmbeddingError, Pooling},
};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::{error::CliError, model::damaged};

/// How hidden states become a vector.
#[derive(Args, Debug)]
#[command(next_help_heading = "Embedding")]
pub struct EmbeddingOptions {
    /// What the hidden states of all tokens become: mean, max, last, or several side by side, as in mean+max
    #[arg(long, value_name = "POOL", default_value = "mean")]
    pool: Pooling,

    /// Recurrent layer that is read, counted from 1 [default: the last]
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
}

impl EmbeddingOptions {
    /// The settings, with vectors scaled to length 1 if `normalize`.
    pub fn config(&self, normalize: bool) -> EmbedderConfig {
        EmbedderConfig { pooling: self.pool.clone(), layer: self.layer, normalize, ..EmbedderConfig::default() }
    }
}

/// Loads the model of a directory for embedding.
pub fn load(model: &Path, config: EmbedderConfig, device: &Device) -> Result<Embedder, CliError> {
    Embedder::load(model, config, device).map_err(|error| match error {
        EmbeddingError::Model(source) => damaged(model, source),
        error => error.into(),
    })
}

/// Texts that are embedded together: sorted by length among so many, little is padded.
const TOGETHER: usize = 512;

/// Gives each text its vector, in order, holding a bounded number of texts; counts them on a terminal.
pub fn rows<'a, T: AsRef<str> + 'a>(
    embedder: &'a Embedder,
    mut texts: impl Iterator<Item = Result<T, CliError>> + 'a,
) -> impl Iterator<Item = Result<(T, Vec<f32>), CliError>> + 'a {
    let style = ProgressStyle::with_template("{spinner} {human_pos} texts, {per_sec}").expect("the template is valid");
    let bar = ProgressBar::new_spinner().with_style(style).with_finish(ProgressFinish::AndClear);
    let embed = move |chunk: Vec<T>| {
        let vectors = embedder.embed(&chunk)?;
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
