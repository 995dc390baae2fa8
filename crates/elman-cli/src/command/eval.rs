use std::path::PathBuf;

use clap::Args;
use elman::{lm, text::Corpus};

use crate::{
    arguments::{DeviceOption, EncodingOption, PrecisionOption},
    error::CliError,
    finding::Finding,
    model::ModelOption,
    output,
};

/// Measure how well a model predicts a text.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman eval held-out.txt --model notes-model

Perplexity is the number of tokens that the model hesitates between, on average. It depends on what a token is: \
to compare models with different tokens, compare bits per character or per byte.")]
pub struct Eval {
    /// Text files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    #[command(flatten)]
    model: ModelOption,

    /// Parts that the text is cut into and read side by side: 1 is exact, more are faster and forget what came
    /// before each part; fewer where the text is short
    #[arg(long, value_name = "N", default_value_t = 10)]
    batch: usize,

    /// Tokens that are read at a time; changes the speed only
    #[arg(long, value_name = "N", default_value_t = 35)]
    bptt: usize,

    #[command(flatten)]
    precision: PrecisionOption,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    finding: Finding,
}

impl Eval {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let (model, tokenizer) = self.model.load(&device)?;
        let find = self.finding.find()?.with_encoding(self.encoding.name);
        let corpus = Corpus::open_with(&find, &self.files)?;
        let complete = self.finding.tell_all(corpus.left_out());
        let text = corpus.encode(&tokenizer)?;
        let batch = self.batch.min((text.len() / 2).max(1));
        let figures = match self.precision.narrow() {
            None => lm::evaluate(&model, &text, batch, self.bptt),
            Some(precision) => {
                model.pack(precision).and_then(|model| lm::evaluate_packed(&model, &text, batch, self.bptt))
            }
        };
        let figures = figures.map_err(|source| self.model.failed(source))?;
        if self.json {
            output::json(&figures)?;
            return complete;
        }
        for (name, value) in [
            ("tokens", figures.tokens.to_string()),
            ("loss (nats per token)", format!("{:.4}", figures.loss)),
            ("perplexity", format!("{:.2}", figures.perplexity)),
            ("bits per token", format!("{:.4}", figures.bits_per_token)),
            ("bits per character", format!("{:.4}", figures.bits_per_character)),
            ("bits per byte", format!("{:.4}", figures.bits_per_byte)),
        ] {
            output::line(format!("{name:<22} {value:>12}"))?;
        }
        complete
    }
}
