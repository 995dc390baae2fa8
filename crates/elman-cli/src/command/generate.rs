use clap::Args;
use elman::{
    lm::{self, GenerateOptions, generate::Reader},
    text::{Tokenizer, Unit},
};
use serde::Serialize;

use crate::{
    arguments::{DeviceOption, PrecisionOption},
    error::CliError,
    model::{ModelOption, warn_of_unknown},
    output,
};

/// Write text with a model.
///
/// The prompt is printed, then what the model continues it with, token by token.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman generate --model notes-model --prompt \"Once upon a time\"
  elman generate --model notes-model --temperature 0        always the most likely token
  elman generate --model notes-model --prompt \"Q: why?\" --stop \"Q:\" --seed 7")]
pub struct Generate {
    #[command(flatten)]
    model: ModelOption,

    /// Text to continue; without one the model begins a new line
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    prompt: String,

    /// Tokens to write at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_tokens: usize,

    /// Text to stop at, which is not printed; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,

    /// Seed of the draws: the same seed gives the same text [default: another each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    #[command(flatten)]
    precision: PrecisionOption,

    #[command(flatten)]
    device: DeviceOption,

    /// Print prompt, text, seed and tokens as JSON, when all is written
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sampling: SamplingOptions,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Sampling")]
struct SamplingOptions {
    /// How freely to draw: 0 takes the most likely token, 1 draws from the model's own distribution
    #[arg(long, value_name = "X", default_value_t = 0.8, allow_negative_numbers = true)]
    temperature: f32,

    /// Draw from this many most likely tokens; 0 draws from all
    #[arg(long, value_name = "N", default_value_t = 0)]
    top_k: usize,

    /// Draw from the most likely tokens that have this probability together
    #[arg(long, value_name = "P", default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f32,

    /// Draw from tokens with at least this share of the most likely one's probability
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true)]
    min_p: f32,

    /// Above 1, tokens that were seen become less likely
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    repetition_penalty: f32,
}

#[derive(Serialize)]
struct Report<'a> {
    prompt: &'a str,
    text: String,
    seed: u64,
    tokens: Vec<u32>,
}

impl Generate {
    fn options(&self) -> GenerateOptions {
        // 32 bits are random enough, and short enough to be typed again
        let seed = self.seed.unwrap_or_else(|| rand::random::<u32>().into());
        let SamplingOptions { temperature, top_k, top_p, min_p, repetition_penalty } = self.sampling;
        let (max_tokens, stop) = (self.max_tokens, self.stop.clone());
        GenerateOptions { max_tokens, temperature, top_k, top_p, min_p, repetition_penalty, seed, stop }
    }

    pub fn run(&self) -> Result<(), CliError> {
        let options = self.options();
        options.validate()?;
        let device = self.device.open()?;
        let (model, tokenizer) = self.model.load(&device)?;
        warn_of_unknown("prompt", &self.prompt, &tokenizer)?;
        let reader: Reader = match self.precision.narrow() {
            None => (&model).into(),
            Some(precision) => (&model.pack(precision).map_err(|source| self.model.failed(source))?).into(),
        };
        let pieces = lm::generate(reader, &tokenizer, &self.prompt, &options)?;
        if self.json {
            let mut report = Report { prompt: &self.prompt, text: String::new(), seed: options.seed, tokens: vec![] };
            for piece in pieces {
                let piece = piece.map_err(|source| self.model.failed(source))?;
                report.text += &piece.text;
                report.tokens.push(piece.token);
            }
            return output::json(&report);
        }
        output::piece(&self.prompt)?;
        let joined = self.prompt.is_empty() || self.prompt.ends_with(char::is_whitespace);
        if tokenizer.unit() == Unit::Word && !joined {
            output::piece(" ")?;
        }
        let mut ended = self.prompt.ends_with('\n');
        for piece in pieces {
            let text = piece.map_err(|source| self.model.failed(source))?.text;
            output::piece(&text)?;
            ended = if text.is_empty() { ended } else { text.ends_with('\n') };
        }
        if ended { Ok(()) } else { output::exact_line("") }
    }
}
