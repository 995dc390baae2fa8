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
    output,
    vector_element::VectorElement,
    vectors::{VectorFile, json_line},
};

/// Compute the embedding of each line of a text.
///
/// Similar texts have vectors with a high cosine. Vectors are normalized to length 1, so that their dot product is the
/// cosine. The vector of a line without known tokens, such as an empty line, is zero.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman embed notes.txt -o notes.npy
  echo \"one line\" | elman embed
  elman embed notes.txt --model notes-encoder -o notes.npy
  elman embed notes.txt --model notes-model --pool mean+max -o notes.safetensors
  elman embed notes.txt --vector-dtype int8 -o notes.npy

Output formats:
  .npy          an array [lines, dim]; for binary, uint8 [lines, dim / 8] with eight signs per byte
  .safetensors  the same, as the tensor 'embeddings'
  .jsonl        one object with 'text' and 'embedding' per line, as on standard output

An int8 vector is scaled so that its largest absolute value is 127; normalize it to recover the vector. A bit of a binary \
vector is 1 for a value above 0; the first value is the highest bit, as in numpy.packbits.")]
pub struct Embed {
    /// Text file with one text per line; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    encoding: EncodingOption,

    #[command(flatten)]
    model: EmbeddingModel,

    /// Output file: .npy, .safetensors or .jsonl [default: JSON Lines on standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<VectorFile>,

    #[command(flatten)]
    device: DeviceOption,

    /// Print a summary as JSON
    #[arg(long, requires = "output")]
    json: bool,

    #[command(flatten)]
    embedding: EmbeddingOptions,

    /// Do not normalize vectors to length 1
    #[arg(long, help_heading = "Embedding with a language model")]
    no_normalize: bool,

    /// Dtype of the vectors: f32, int8 (a quarter of the size, almost lossless) or binary (the signs, 1/32 of the size)
    #[arg(long, value_name = "DTYPE", default_value = "f32", help_heading = "Vectors", value_parser = one_of::<VectorDtype, IndexError>(&["f32", "int8", "binary"]))]
    vector_dtype: VectorDtype,
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
        let vector_dtype = self.vector_dtype;
        if self.no_normalize && vector_dtype != VectorDtype::F32 {
            return Err(CliError::NormalizedOnly { vector_dtype });
        }
        if let Some(file) = &self.output {
            file.check()?;
        }
        let device = self.device.open()?;
        let lines = lines::open(&self.file, self.encoding.name)?;
        let model = Model::open(self.model.path(), &self.embedding, !self.no_normalize, &device)?;
        match vector_dtype {
            VectorDtype::F32 => self.write::<f32>(&model, lines),
            VectorDtype::Int8 => self.write::<i8>(&model, lines),
            VectorDtype::Binary => self.write::<u8>(&model, lines),
        }
    }

    fn write<N: VectorElement>(
        &self,
        model: &Model,
        lines: impl Iterator<Item = Result<String, CliError>>,
    ) -> Result<(), CliError> {
        let rows = embedding::embed_stream(model, lines);
        let mut rows = rows.map(|row| row.and_then(|(text, vector)| Ok((text, N::quantize(vector)?))));
        let Some(file) = &self.output else {
            return rows.try_for_each(|row| output::json_line(&json_line(&row?)));
        };
        let (dim, dtype) = (model.d_embedding(), N::VECTOR_DTYPE);
        let lines = file.write(dim, rows)?;
        let path = &file.path;
        if self.json {
            return output::json(&Report { output: path, lines, d_embedding: dim, precision: dtype });
        }
        output::notice(format_args!("{lines} {dtype} vectors of dimension {dim} written to {}", path.display()));
        Ok(())
    }
}
