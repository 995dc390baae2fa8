use clap::Args;
use elman::embedding::encoder::{Files, WeightType};
use std::path::PathBuf;

use crate::{error::CliError, model::OutOption, output};

/// Write an encoder with its weights in other types.
#[derive(Args, Debug)]
pub struct Export {
    /// The encoder: a directory that 'elman encoder train' wrote
    #[arg(value_name = "DIR")]
    model: PathBuf,

    #[command(flatten)]
    out: OutOption,

    /// In how many bits weights are saved: f32, f16 (half the size) or int8 (a quarter)
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = crate::arguments::one_of::<WeightType, _>(&["f32", "f16", "int8"]))]
    weights: WeightType,
}

impl Export {
    pub fn run(&self) -> Result<(), CliError> {
        self.out.check()?;
        let (model, tokenizer) = Files::read(&self.model)?.model(&elman::device("auto")?)?;
        model.save(&self.out.out, &tokenizer, "", self.weights)?;
        output::line(format!("The encoder is in {}", self.out.out.display()))
    }
}
