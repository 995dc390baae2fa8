use std::path::{Path, PathBuf};

use clap::Args;
use elman::index::{IndexError, quantized::VectorDtype};
use serde::Serialize;

use crate::{
    arguments::{DeviceOption, EncodingOption, one_of},
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    lines,
    model::EmbeddingModel,
    number::Number,
    output,
    vectors::{VectorFile, json_line},
};

/// Turn each line of a text into a vector.
///
/// Texts that a model reads alike get vectors of a high cosine. Vectors have length 1, so that a dot product is their
/// cosine; the vector of a line of which the model knows nothing, such as an empty one, is zero.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman embed notes.txt -o notes.npy
  echo \"one line\" | elman embed
  elman embed notes.txt --model notes-encoder -o notes.npy
  elman embed notes.txt --model notes-model --pool mean+max -o notes.safetensors
  elman embed notes.txt --precision int8 -o notes.npy

Kinds of file:
  .npy          an array [lines, width], of binary with eight signs in each number
  .safetensors  the same, as the tensor 'embeddings'
  .jsonl        an object with 'text' and 'embedding' per line, as on standard output

An int8 vector is scaled so that its largest number is 127: divide it by its length. A sign of a binary one is 1 where \
the number is above 0, and the first is in the highest bit, as numpy.packbits has them.")]
pub struct Embed {
    /// Text file, one text per line; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    encoding: EncodingOption,

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

    /// What the numbers of a vector are kept in: float32, int8 (a quarter of the size, and nearly as good) or binary
    /// (their signs: a thirty-second)
    #[arg(long, value_name = "PRECISION", default_value = "float32", help_heading = "Vectors", value_parser = one_of::<VectorDtype, IndexError>(&["float32", "int8", "binary"]))]
    precision: VectorDtype,
}

#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    lines: usize,
    d_embedding: usize,
    precision: VectorDtype,
}

impl Embed {
    pub fn run(&self) -> Result<(), CliError> {
        let precision = self.precision;
        if self.no_normalize && precision != VectorDtype::F32 {
            return Err(CliError::Directions { precision });
        }
        if let Some(file) = &self.output {
            file.check()?;
        }
        let device = self.device.open()?;
        let lines = lines::open(&self.file, self.encoding.name)?;
        let model = Model::open(self.model.path(), &self.embedding, !self.no_normalize, &device)?;
        match precision {
            VectorDtype::F32 => self.write::<f32>(&model, lines),
            VectorDtype::Int8 => self.write::<i8>(&model, lines),
            VectorDtype::Binary => self.write::<u8>(&model, lines),
        }
    }

    fn write<N: Number>(
        &self,
        model: &Model,
        lines: impl Iterator<Item = Result<String, CliError>>,
    ) -> Result<(), CliError> {
        let rows = embedding::rows(model, lines);
        let mut rows = rows.map(|row| row.and_then(|(text, vector)| Ok((text, N::quantize(vector)?))));
        let Some(file) = &self.output else {
            return rows.try_for_each(|row| output::json_line(&json_line(&row?)));
        };
        let (d_embedding, precision) = (model.d_embedding(), N::PRECISION);
        let lines = file.write(d_embedding, rows)?;
        let path = &file.path;
        if self.json {
            return output::json(&Report { output: path, lines, d_embedding, precision });
        }
        let kind = if precision == VectorDtype::F32 { String::new() } else { format!(" in {precision}") };
        output::notice(format_args!("{lines} vectors of {d_embedding}{kind} are in {}", path.display()));
        Ok(())
    }
}
