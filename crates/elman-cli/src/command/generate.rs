use clap::Args;
use elman::{
    lm::{self, GenerateOptions, generate::Reader},
    text::{Tokenizer, Unit},
};
use serde::Serialize;

use crate::{
    arguments::{DeviceOption, WeightDtypeOption},
    error::CliError,
    model::{ModelOption, warn_about_unknown_tokens},
    output,
};

/// Generate text with a language model.
///
/// Prints the prompt, then its continuation, token by token.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman generate --model notes-model --prompt \"Once upon a time\"
  elman generate --model notes-model --temperature 0        greedy decoding
  elman generate --model notes-model --prompt \"Q: why?\" --stop \"Q:\" --seed 7")]
pub struct Generate {
    #[command(flatten)]
    model: ModelOption,

    /// Text to continue; without it, the model starts a new line
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    prompt: String,

    /// Maximum number of tokens to generate
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_tokens: usize,

    /// Stop at this text, which is not printed; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,

    /// Random seed, for reproducible output [default: random]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    #[command(flatten)]
    weight_dtype: WeightDtypeOption,

    #[command(flatten)]
    device: DeviceOption,

    /// Print prompt, text, seed and tokens as JSON at the end
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sampling: SamplingOptions,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Sampling")]
struct SamplingOptions {
    /// Sampling temperature: 0 is greedy, 1 samples from the model's distribution
    #[arg(long, value_name = "X", default_value_t = 0.8, allow_negative_numbers = true)]
    temperature: f32,

    /// Sample from the N most likely tokens only; 0 disables this
    #[arg(long, value_name = "N", default_value_t = 0)]
    top_k: usize,

    /// Sample from the most likely tokens whose total probability reaches P (nucleus sampling)
    #[arg(long, value_name = "P", default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f32,

    /// Sample only from tokens with at least P times the probability of the most likely one
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true)]
    min_p: f32,

    /// Penalty for tokens that have occurred; 1 disables it
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
        // 32 bits are random enough, and short enough to retype
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
        warn_about_unknown_tokens("prompt", &self.prompt, &tokenizer)?;
        let reader: Reader = match self.weight_dtype.packed() {
            None => (&model).into(),
            Some(dtype) => (&model.pack(dtype).map_err(|source| self.model.error(source))?).into(),
        };
        let stream = lm::generate(reader, &tokenizer, &self.prompt, &options)?;
        if self.json {
            let mut report = Report { prompt: &self.prompt, text: String::new(), seed: options.seed, tokens: vec![] };
            for piece in stream {
                let piece = piece.map_err(|source| self.model.error(source))?;
                report.text += &piece.text;
                report.tokens.push(piece.token);
            }
            return output::json(&report);
        }
        output::exact(&self.prompt)?;
        let ends_in_space = self.prompt.is_empty() || self.prompt.ends_with(char::is_whitespace);
        if tokenizer.unit() == Unit::Word && !ends_in_space {
            output::exact(" ")?;
        }
        let mut line_ended = self.prompt.ends_with('\n');
        for piece in stream {
            let text = piece.map_err(|source| self.model.error(source))?.text;
            output::exact(&text)?;
            line_ended = if text.is_empty() { line_ended } else { text.ends_with('\n') };
        }
        if line_ended { Ok(()) } else { output::exact_line("") }
    }
}
