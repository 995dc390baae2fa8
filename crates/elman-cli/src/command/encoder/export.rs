use std::path::PathBuf;

use clap::Args;
use elman::embedding::encoder::{Files, StoredDtype};

use crate::{
    arguments::{DeviceOption, one_of},
    error::CliError,
    model::OutOption,
    output,
};

/// Write an encoder for others: for Python, or with weights in fewer bits.
///
/// The directory is one of sentence-transformers: in Python,
/// SentenceTransformer("DIR", trust_remote_code=True) loads it, and computes the same vectors with torch.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman encoder export my-encoder --weights int8 --out my-small-encoder")]
pub struct Export {
    /// The encoder: a directory that 'elman encoder train' wrote
    #[arg(value_name = "DIR")]
    model: PathBuf,

    #[command(flatten)]
    out: OutOption,

    /// In how many bits weights are saved: f32, f16 (half the size) or int8 (a quarter)
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = one_of::<StoredDtype, _>(&["f32", "f16", "int8"]))]
    weights: StoredDtype,

    /// Leave out what is for Python, as for a cell that torch does not have
    #[arg(long)]
    no_python: bool,

    #[command(flatten)]
    device: DeviceOption,
}

impl Export {
    pub fn run(&self) -> Result<(), CliError> {
        self.out.check()?;
        let (model, tokenizer) = Files::read(&self.model)?.model(&self.device.open()?)?;
        model.save(&self.out.out, &tokenizer, "", self.weights)?;
        if !self.no_python {
            model.save_python(&self.out.out)?;
        }
        output::line(format!("The encoder is in {}", self.out.out.display()))
    }
}
