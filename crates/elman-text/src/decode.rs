use crate::{
    error::TextError,
    tokenizer::{TextTokenizer, Tokenizer},
};

/// Tokens of context for the next one: a character has at most four bytes, so at most the last three tokens can belong
/// to an incomplete character; the one before decides whether a space is inserted.
const CONTEXT: usize = 4;

/// Streaming decoder; see [`TextTokenizer::decode_stream`].
///
/// A BPE token may be part of a character; it is buffered until the character is complete.
#[derive(Clone, Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a TextTokenizer,
    last: Vec<u32>,
    /// Bytes of the text of `last` that were returned.
    returned: usize,
}

impl<'a> DecodeStream<'a> {
    pub(crate) fn new(tokenizer: &'a TextTokenizer) -> Self {
        Self { tokenizer, last: Vec::new(), returned: 0 }
    }

    /// Adds a token, and returns the text that it completes, which may be empty.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`], which leaves the stream unchanged.
    pub fn push(&mut self, id: u32) -> Result<String, TextError> {
        self.last.push(id);
        let text = match self.tokenizer.decode(&self.last) {
            Ok(text) => text,
            Err(error) => {
                self.last.pop();
                return Err(error);
            }
        };
        let new = text.get(self.returned..complete_len(&text)).unwrap_or_default().to_owned();
        self.returned = self.returned.max(complete_len(&text));
        if self.last.len() > CONTEXT {
            self.last.remove(0);
            self.returned = complete_len(&self.tokenizer.decode(&self.last)?);
        }
        Ok(new)
    }

    /// Returns the buffered text, with � for incomplete characters.
    ///
    /// # Errors
    /// Same as [`push`](Self::push).
    pub fn finish(&mut self) -> Result<String, TextError> {
        let text = self.tokenizer.decode(&self.last)?;
        self.last.clear();
        Ok(text.get(std::mem::take(&mut self.returned)..).unwrap_or_default().to_owned())
    }
}

/// Length of the text without an incomplete last character, for which decoders write one �.
fn complete_len(text: &str) -> usize {
    text.strip_suffix(char::REPLACEMENT_CHARACTER).unwrap_or(text).len()
}
