use std::path::PathBuf;

use clap::Args;
use elman::embedding::encoder::{Files, StoredDtype};

use crate::{
    arguments::{DeviceOption, one_of},
    error::CliError,
    model::OutOption,
    output,
};

/// Export an encoder for Python or with quantized weights.
///
/// The output is also a sentence-transformers model: in Python, SentenceTransformer("DIR", trust_remote_code=True)
/// loads it and computes the same vectors with PyTorch.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman encoder export my-encoder --weight-dtype int8 --out my-small-encoder")]
pub struct Export {
    /// Encoder directory, written by 'elman encoder train'
    #[arg(value_name = "DIR")]
    model: PathBuf,

    #[command(flatten)]
    out: OutOption,

    /// Dtype of the saved weights: f32, f16 (half the size) or int8 (a quarter)
    #[arg(long, value_name = "DTYPE", default_value = "f32", value_parser = one_of::<StoredDtype, _>(&["f32", "f16", "int8"]))]
    weight_dtype: StoredDtype,

    /// Do not write the files for Python, for example for a cell that PyTorch does not have
    #[arg(long)]
    no_python: bool,

    #[command(flatten)]
    device: DeviceOption,
}

impl Export {
    pub fn run(&self) -> Result<(), CliError> {
        self.out.check()?;
        let (model, tokenizer) = Files::read(&self.model)?.model(&self.device.open()?)?;
        model.save(&self.out.out, &tokenizer, "", self.weight_dtype)?;
        if !self.no_python {
            model.save_python(&self.out.out)?;
        }
        output::line(format!("Encoder written to {}", self.out.out.display()))
    }
}
