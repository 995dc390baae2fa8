use std::path::PathBuf;

use clap::Args;
use elman::{lm, text::Corpus};

use crate::{
    arguments::{DeviceOption, EncodingOption, WeightDtypeOption},
    error::CliError,
    file_selection::FileSelection,
    model::ModelOption,
    output,
};

/// Evaluate a language model on a text.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman eval held-out.txt --model notes-model

Perplexity is exp(loss) per token and depends on the tokenizer: to compare models with different tokenizers, use bits per \
character or bits per byte.")]
pub struct Eval {
    /// Text files or directories
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    #[command(flatten)]
    model: ModelOption,

    /// Batch size: the text is split into this many parts, fewer if it is short. 1 is exact; more are faster, but each
    /// part starts without context
    #[arg(long, value_name = "N", default_value_t = 10)]
    batch: usize,

    /// Tokens per forward pass; affects speed only
    #[arg(long, value_name = "N", default_value_t = 35)]
    bptt: usize,

    #[command(flatten)]
    weight_dtype: WeightDtypeOption,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the metrics as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    selection: FileSelection,
}

impl Eval {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let (model, tokenizer) = self.model.load(&device)?;
        let find = self.selection.finder()?.with_encoding(self.encoding.name);
        let corpus = Corpus::open_with(&find, &self.files)?;
        let complete = self.selection.report_all(corpus.left_out());
        let text = corpus.encode(&tokenizer)?;
        let batch = self.batch.min((text.len() / 2).max(1));
        let metrics = match self.weight_dtype.packed() {
            None => lm::evaluate(&model, &text, batch, self.bptt),
            Some(dtype) => model.pack(dtype).and_then(|model| lm::evaluate_packed(&model, &text, batch, self.bptt)),
        };
        let metrics = metrics.map_err(|source| self.model.error(source))?;
        if self.json {
            output::json(&metrics)?;
            return complete;
        }
        for (name, value) in [
            ("tokens", metrics.tokens.to_string()),
            ("loss (nats per token)", format!("{:.4}", metrics.loss)),
            ("perplexity", format!("{:.2}", metrics.perplexity)),
            ("bits per token", format!("{:.4}", metrics.bits_per_token)),
            ("bits per character", format!("{:.4}", metrics.bits_per_character)),
            ("bits per byte", format!("{:.4}", metrics.bits_per_byte)),
        ] {
            output::line(format!("{name:<22} {value:>12}"))?;
        }
        complete
    }
}
