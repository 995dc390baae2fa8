//! Text generation: an iterator of tokens, logit filters, stop texts.

pub mod filter;
mod options;
mod reader;
mod stop;

use elman_text::{DecodeStream, TextTokenizer, Tokenizer};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use self::stop::{Released, StopTexts};
use crate::error::LmError;

pub use options::GenerateOptions;
pub use reader::Reader;

/// A generated token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The token id.
    pub token: u32,
    /// The text that can be output now: complete characters only, and nothing that may be the start of a stop text. The
    /// concatenated texts of all pieces are the generated text, without the prompt.
    pub text: String,
}

/// Generates text that continues `prompt`: an iterator of [`Piece`]s. `model` is a
/// [`LanguageModel`](crate::LanguageModel) or a [`PackedModel`](crate::PackedModel), by reference.
///
/// An empty prompt is replaced by a line break.
///
/// ```no_run
/// use burn::tensor::Device;
/// use elman_lm::{LanguageModel, generate::{GenerateOptions, generate}};
///
/// let (model, tokenizer) = LanguageModel::load_dir("model", &Device::flex())?;
/// for piece in generate(&model, &tokenizer, "To be", &GenerateOptions::default())? {
///     print!("{}", piece?.text);
/// }
/// # Ok::<(), elman_lm::LmError>(())
/// ```
///
/// # Errors
/// [`LmError::Setting`] for an option out of range, [`LmError::Text`] if the prompt cannot be encoded. The iterator
/// gives [`LmError::NotFinite`] if the model's output is not finite, and ends.
pub fn generate<'a>(
    model: impl Into<Reader>,
    tokenizer: &'a TextTokenizer,
    prompt: &str,
    options: &GenerateOptions,
) -> Result<Generation<'a>, LmError> {
    options.validate()?;
    let mut seen = tokenizer.encode(if prompt.is_empty() { "\n" } else { prompt })?;
    // the last token of the prompt determines whether a space precedes the next word
    let mut decoder = tokenizer.decode_stream();
    for token in &seen {
        decoder.push(*token)?;
    }
    if seen.is_empty() {
        seen.push(0); // the prompt or the vocabulary has only spaces
    }
    Ok(Generation {
        model: model.into(),
        unread: seen.len(),
        seen,
        generated: 0,
        done: false,
        decoder,
        stop: StopTexts::new(options.stop.clone()),
        rng: ChaCha12Rng::seed_from_u64(options.seed),
        options: options.clone(),
    })
}

/// The iterator that [`generate`] returns.
pub struct Generation<'a> {
    model: Reader,
    /// The prompt and the generated tokens.
    seen: Vec<u32>,
    /// Tokens at the end of `seen` that the model has not read.
    unread: usize,
    generated: usize,
    done: bool,
    decoder: DecodeStream<'a>,
    stop: StopTexts,
    rng: ChaCha12Rng,
    options: GenerateOptions,
}

impl Generation<'_> {
    fn piece(&mut self) -> Result<Piece, LmError> {
        let mut logits = self.model.logits(&self.seen[self.seen.len() - self.unread..])?;
        self.options.filter(&mut logits, &self.seen);
        let token = self.sample(&logits)?;
        self.seen.push(token);
        self.unread = 1;
        self.generated += 1;

        let decoded = self.decoder.push(token)?;
        let Released { mut text, stopped } = self.stop.push(&decoded);
        self.done = stopped || self.generated == self.options.max_tokens;
        if self.done && !stopped {
            let rest = self.decoder.finish()?;
            let released = self.stop.push(&rest);
            text += &released.text;
            text += &self.stop.finish();
        }
        Ok(Piece { token, text })
    }

    /// The most likely token at temperature 0, else a token sampled from the distribution.
    fn sample(&mut self, logits: &[f32]) -> Result<u32, LmError> {
        if self.options.temperature == 0.0 {
            let best = logits.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
            return Ok(best.map_or(0, |(token, _)| token as u32));
        }
        let probabilities = filter::softmax(logits);
        let mut left: f32 = self.rng.random();
        let mut sampled = None;
        for (token, probability) in probabilities.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            sampled = Some(token as u32);
            left -= probability;
            if left < 0.0 {
                break;
            }
        }
        sampled.ok_or(LmError::NotFinite)
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<Piece, LmError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done || self.options.max_tokens == 0 {
            return None;
        }
        let piece = self.piece();
        self.done |= piece.is_err();
        Some(piece)
    }
}
