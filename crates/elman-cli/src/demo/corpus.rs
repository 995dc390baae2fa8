//! The corpus: sentences sampled from the grammar, as words and as tokens.

use elman::text::{TextError, TextTokenizer, Tokenizer, Tokens};
use rand::Rng;

use super::grammar::{self, Word};

/// Sentences of the training text.
pub const SENTENCES: usize = 10_000;
/// Sentences of the held-out text, sampled after the training text.
pub const HELD_OUT: usize = 1_000;

/// The training text and the held-out text.
pub struct Corpus {
    pub training: Text,
    pub held_out: Text,
}

/// A stream of words, without marks between sentences.
pub struct Text {
    pub words: Vec<Word>,
    pub tokens: Tokens,
}

impl Corpus {
    /// Samples all sentences.
    pub fn sample(tokenizer: &TextTokenizer, rng: &mut impl Rng) -> Result<Self, TextError> {
        let mut text = |sentences| Text::new(grammar::stream(sentences, rng), tokenizer);
        Ok(Self { training: text(SENTENCES)?, held_out: text(HELD_OUT)? })
    }
}

impl Text {
    fn new(words: Vec<Word>, tokenizer: &TextTokenizer) -> Result<Self, TextError> {
        let text = words.join(" ");
        let tokens = Tokens::from_ids(&tokenizer.encode(&text)?, text.chars().count(), text.len());
        Ok(Self { words, tokens })
    }
}
