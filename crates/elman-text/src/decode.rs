use crate::{
    error::TextError,
    tokenizer::{END_OF_LINE, TextTokenizer, Tokenizer},
    unit::Unit,
};

/// A character's bytes are spread over at most this many tokens.
const LONGEST: usize = 4;

/// Turns ids that come one at a time into text; see [`TextTokenizer::decode_stream`].
///
/// A token of a byte-pair encoding may be part of a character: it is held back until the character is whole.
#[derive(Clone, Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a TextTokenizer,
    held: Vec<u32>,
    /// The last token needs a space before the next word.
    after_word: bool,
}

impl<'a> DecodeStream<'a> {
    pub(crate) fn new(tokenizer: &'a TextTokenizer) -> Self {
        Self { tokenizer, held: Vec::new(), after_word: false }
    }

    /// The text that this token completes; empty if it completes none.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`].
    pub fn push(&mut self, id: u32) -> Result<String, TextError> {
        self.held.push(id);
        let text = match self.tokenizer.decode(&self.held) {
            Ok(text) => text,
            Err(error) => {
                self.held.pop();
                return Err(error);
            }
        };
        if text.ends_with(char::REPLACEMENT_CHARACTER) && self.held.len() < LONGEST {
            return Ok(String::new());
        }
        self.held.clear();
        Ok(self.spaced(text, id))
    }

    /// What was held back, with � for bytes that make no character.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self) -> Result<String, TextError> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Ok(String::new()) } else { self.tokenizer.decode(&held) }
    }

    fn spaced(&mut self, text: String, id: u32) -> String {
        if self.tokenizer.unit() != Unit::Word {
            return text;
        }
        let ends_line = self.tokenizer.token_to_id(END_OF_LINE) == Some(id);
        let space = self.after_word && !ends_line;
        self.after_word = !ends_line;
        if space { format!(" {text}") } else { text }
    }
}
