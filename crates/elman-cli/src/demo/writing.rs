//! What the models write, and how much of it is grammatical.

use elman::{
    lm::{self, GenerateOptions, LanguageModel, generate},
    text::{TextTokenizer, Tokenizer},
};
use serde::Serialize;

use super::{
    grammar::Word,
    segment::{Grammaticality, Segment, segment},
};

/// Words that each model writes.
pub const WORDS: usize = 5_000;

/// What a model wrote.
#[derive(Clone, Debug, Serialize)]
pub struct Writing {
    #[serde(flatten)]
    pub grammaticality: Grammaticality,
    /// The begin of the text: sentences set apart by `·`, words that fit in none in brackets.
    pub sample: String,
}

impl Writing {
    /// Judges words that a model wrote.
    pub fn of(words: &[&str]) -> Self {
        let segments = segment(words);
        let show = |segment: &Segment| match segment {
            Segment::Misfit(word) => format!("[{}]", word.join(" ")),
            whole => whole.words().join(" "),
        };
        let sample: Vec<String> = segments.iter().take(12).map(show).collect();
        Self { grammaticality: Grammaticality::of(&segments), sample: sample.join(" · ") }
    }
}

/// Draws words from the network's own distribution, going on where `before` ends.
pub fn write(
    model: &LanguageModel,
    tokenizer: &TextTokenizer,
    before: &[Word],
    seed: u64,
) -> Result<Writing, lm::LmError> {
    let options = GenerateOptions { max_tokens: WORDS, temperature: 1.0, seed, ..GenerateOptions::default() };
    let pieces = generate(model, tokenizer, &before.join(" "), &options)?;
    let word = |piece: Result<lm::Piece, lm::LmError>| Ok(tokenizer.id_to_token(piece?.token).unwrap_or_default());
    let words: Vec<String> = pieces.map(word).collect::<Result<_, lm::LmError>>()?;
    Ok(Writing::of(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_show_sentences_and_what_fits_in_none() {
        let writing = Writing::of(&["eat", "man", "eat", "bread", "cat", "eat", "dragon"]);
        // the last words may be the begin of a sentence; "cat eat" that of one too, but not before "dragon"
        assert_eq!(writing.sample, "[eat] · man eat bread · [cat] · [eat] · dragon");
        assert_eq!(writing.grammaticality, Grammaticality { sentences: 1, misfits: 3, share: 0.25 });
    }
}
