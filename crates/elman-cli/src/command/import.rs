use std::path::{Path, PathBuf};

use clap::Args;
use elman::{
    burn::module::Module,
    lm::{self, Imported, ModelCard},
};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    error::CliError,
    model::{OutOption, damaged},
    output,
};

/// Convert PyTorch weights to a model directory.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman import weights.pt --config config.json --tokenizer tokenizer.json --out model

The weights are a state_dict, plain or as saved by DataParallel, torch.compile, Lightning
or in a checkpoint dict. A .pt file is parsed, and its pickle is never executed:
  embedding   embedding.weight (or encoder., embed., emb., wte.)
  network     rnn.weight_ih_l0, rnn.weight_hh_l0, … (or any other name)
  output      head.weight, head.bias (or output., decoder., lm_head., fc., linear.)
If a file holds several models, select one with --prefix:
  elman import checkpoint.pt --prefix ema --config config.json …

config.json describes the network; every model directory has one:
  {\"format_version\": 1, \"elman_version\": \"0.1.0\", \"tokens\": \"word\",
   \"model\": {\"vocabulary\": 13777, \"cell\": \"lstm\", \"d_embed\": 200,
     \"d_hidden\": 200, \"layers\": 2, \"bias\": true, \"tied\": false,
     \"init_range\": 0.1,
     \"dropout\": {\"embedding\": 0.2, \"between_layers\": 0.2, \"output\": 0.2}}}")]
pub struct Import {
    /// Weights file: .safetensors, or PyTorch's .pt, .pth, .bin, .ckpt, .tar
    weights: PathBuf,

    /// Import only tensors whose names start with this
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,

    /// Network configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Tokenizer: a Hugging Face tokenizer.json
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,

    #[command(flatten)]
    out: OutOption,

    #[command(flatten)]
    device: DeviceOption,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a Path,
    vocabulary: usize,
    parameters: usize,
}

impl Import {
    pub fn run(&self) -> Result<(), CliError> {
        self.out.check()?;
        let device = self.device.open()?;
        let mut import = lm::Import::new(&self.weights, &self.config, &self.tokenizer);
        if let Some(prefix) = &self.prefix {
            import = import.with_prefix(prefix);
        }
        let imported = import.load(&device).map_err(|source| damaged(&self.config, source))?;
        let Imported { model, tokenizer, notes, .. } = imported;
        notes.iter().for_each(|note| output::notice(format_args!("note: {note}")));
        self.out.create()?;
        model.save_dir(&self.out.out, &tokenizer, &ModelCard::new(self.out.name()))?;
        let report =
            Report { model: &self.out.out, vocabulary: model.config().vocabulary, parameters: model.num_params() };
        if self.json {
            return output::json(&report);
        }
        let out = self.out.out.display();
        output::line(format!(
            "Model written to {out}: {} parameters, vocabulary size {}.",
            report.parameters, report.vocabulary
        ))
    }
}
