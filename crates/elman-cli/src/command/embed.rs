use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    lines::Lines,
    model::EmbeddingModel,
    output,
    vectors::{VectorFile, json_line},
};

/// Turn each line of a text into a vector.
///
/// Texts that a model reads alike get vectors of a high cosine. Vectors have length 1, so that a dot product is their
/// cosine; the vector of an empty line is zero.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman embed notes.txt -o notes.npy
  echo \"one line\" | elman embed
  elman embed notes.txt --model notes-encoder -o notes.npy
  elman embed notes.txt --model notes-model --pool mean+max -o notes.safetensors

Kinds of file:
  .npy          a float32 array [lines, width]
  .safetensors  the same, as the tensor 'embeddings'
  .jsonl        an object with 'text' and 'embedding' per line, as on standard output")]
pub struct Embed {
    /// Text file in UTF-8, one text per line; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    model: EmbeddingModel,

    /// File for the vectors: its name's ending, .npy, .safetensors or .jsonl, says which kind [default: JSON lines on
    /// standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<VectorFile>,

    #[command(flatten)]
    device: DeviceOption,

    /// Print what was written as JSON
    #[arg(long, requires = "output")]
    json: bool,

    #[command(flatten)]
    embedding: EmbeddingOptions,

    /// Do not scale vectors to length 1
    #[arg(long, help_heading = "Embedding with a language model")]
    no_normalize: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    lines: usize,
    d_embedding: usize,
}

impl Embed {
    pub fn run(&self) -> Result<(), CliError> {
        if let Some(file) = &self.output {
            file.check()?;
        }
        let device = self.device.open()?;
        let lines = Lines::open(&self.file)?;
        let model = Model::open(self.model.path(), &self.embedding, !self.no_normalize, &device)?;
        let mut rows = embedding::rows(&model, lines);
        let Some(file) = &self.output else {
            return rows.try_for_each(|row| output::line(json_line(&row?)));
        };
        let d_embedding = model.d_embedding();
        let lines = file.write(d_embedding, rows)?;
        let path = &file.path;
        if self.json {
            return output::json(&Report { output: path, lines, d_embedding });
        }
        eprintln!("{lines} vectors of {d_embedding} are in {}", path.display());
        Ok(())
    }
}
