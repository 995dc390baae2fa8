//! The corpus: drawn from the grammar, and as the network reads it.

use elman::text::{TextError, TextTokenizer, Tokenizer, Tokens};
use rand::Rng;

use super::grammar::{self, Word};

/// Sentences that the network is trained on.
pub const SENTENCES: usize = 10_000;
/// Sentences that it is measured on, drawn after the others.
pub const HELD_OUT: usize = 1_000;

/// What the network is trained on, and what it is measured on.
pub struct Corpus {
    pub training: Text,
    pub held_out: Text,
}

/// Words one after another, with no mark between sentences.
pub struct Text {
    pub words: Vec<Word>,
    pub tokens: Tokens,
}

impl Corpus {
    /// Draws all sentences.
    pub fn draw(tokenizer: &TextTokenizer, rng: &mut impl Rng) -> Result<Self, TextError> {
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
