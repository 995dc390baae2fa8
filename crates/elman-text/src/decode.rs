use crate::{
    error::TextError,
    tokenizer::{TextTokenizer, Tokenizer},
};

/// The tokens that are kept for what comes next: a character has at most four bytes, so at most the last three can be
/// part of one that is not whole yet; one before them says whether a space belongs between.
const CONTEXT: usize = 4;

/// Turns ids that come one at a time into text; see [`TextTokenizer::decode_stream`].
///
/// A token of a byte-pair encoding may be part of a character: it is held back until the character is whole.
#[derive(Clone, Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a TextTokenizer,
    last: Vec<u32>,
    /// Bytes of the text of `last` that were given out.
    given: usize,
}

impl<'a> DecodeStream<'a> {
    pub(crate) fn new(tokenizer: &'a TextTokenizer) -> Self {
        Self { tokenizer, last: Vec::new(), given: 0 }
    }

    /// The text that this token completes; empty if it completes none.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`], after which the stream goes on as if the token had not come.
    pub fn push(&mut self, id: u32) -> Result<String, TextError> {
        self.last.push(id);
        let text = match self.tokenizer.decode(&self.last) {
            Ok(text) => text,
            Err(error) => {
                self.last.pop();
                return Err(error);
            }
        };
        let new = text.get(self.given..whole(&text)).unwrap_or_default().to_owned();
        self.given = self.given.max(whole(&text));
        if self.last.len() > CONTEXT {
            self.last.remove(0);
            self.given = whole(&self.tokenizer.decode(&self.last)?);
        }
        Ok(new)
    }

    /// What was held back, with � for bytes that make no character.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self) -> Result<String, TextError> {
        let text = self.tokenizer.decode(&self.last)?;
        self.last.clear();
        Ok(text.get(std::mem::take(&mut self.given)..).unwrap_or_default().to_owned())
    }
}

/// The text up to a character of which bytes may be missing: decoders write one � for it, at the end.
fn whole(text: &str) -> usize {
    text.strip_suffix(char::REPLACEMENT_CHARACTER).unwrap_or(text).len()
}
