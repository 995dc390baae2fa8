use std::{
    io::{self, Read},
    path::Path,
    str,
};

use crate::{
    error::TextError,
    input::{Reader, Text},
};

/// Minimum chunk size: chunks are cut at the first end of a word after this many bytes.
const MIN_BYTES: usize = 1 << 16;
/// Maximum chunk size: a longer word is cut between two characters.
const MAX_BYTES: usize = 1 << 20;

/// Iterator over the text of a file in chunks of about 64 KiB, validated as UTF-8. Ends after an error.
pub(crate) struct Pieces<'a> {
    path: &'a Path,
    reader: Reader,
    /// Buffered bytes, unread from `start`: more than [`MAX_BYTES`] except at the end of the text.
    bytes: Vec<u8>,
    start: usize,
    /// Bytes and line feeds of the previous chunks.
    offset: u64,
    line_ends: u64,
    ended: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(path: &'a Path, text: Text) -> Self {
        let Text { reader, mark: offset, .. } = text;
        Self { path, reader, bytes: Vec::new(), start: 0, offset, line_ends: 0, ended: false }
    }

    /// Fills the buffer until a chunk can be cut.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.bytes.len() - self.start > MAX_BYTES {
            return Ok(());
        }
        self.bytes.drain(..self.start);
        self.start = 0;
        let wanted = 2 * MAX_BYTES - self.bytes.len();
        self.bytes.reserve_exact(wanted);
        let read = self.reader.by_ref().take(wanted as u64).read_to_end(&mut self.bytes)?;
        self.ended = read < wanted;
        Ok(())
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<String, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            (self.start, self.ended) = (self.bytes.len(), true);
            return Some(Err(TextError::reading(self.path, error)));
        }
        let rest = &self.bytes[self.start..];
        if rest.is_empty() {
            return None;
        }
        let chunk = &rest[..chunk_len(rest)];
        match str::from_utf8(chunk) {
            Ok(text) => {
                self.start += chunk.len();
                self.offset += chunk.len() as u64;
                self.line_ends += line_ends(chunk);
                Some(Ok(text.to_owned()))
            }
            Err(error) => {
                let valid = error.valid_up_to();
                let (offset, line) = (self.offset + valid as u64, self.line_ends + line_ends(&chunk[..valid]) + 1);
                (self.start, self.ended) = (self.bytes.len(), true);
                Some(Err(TextError::not_utf8(self.path, offset, line)))
            }
        }
    }
}

/// Splits a text into chunks of about 64 KiB, before white space that follows a word, so that tokenizing the chunks
/// gives the tokens of the whole text. A word longer than 1 MiB is cut between two characters.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_at_checked(chunk_len(rest.as_bytes())).unwrap_or((rest, ""));
        rest = tail;
        (!head.is_empty()).then_some(head)
    })
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Length of the first chunk of `bytes`, which ends before white space that follows a word. Pre-tokenizers attach white
/// space only to the following word, so the cut does not change the tokens.
fn chunk_len(bytes: &[u8]) -> usize {
    if bytes.len() <= MIN_BYTES {
        return bytes.len();
    }
    let candidates = &bytes[MIN_BYTES - 1..bytes.len().min(MAX_BYTES)];
    let is_word_end = |pair: &[u8]| !pair[0].is_ascii_whitespace() && pair[1].is_ascii_whitespace();
    if let Some(last) = candidates.windows(2).position(is_word_end) {
        return MIN_BYTES + last;
    }
    if bytes.len() <= MAX_BYTES {
        return bytes.len();
    }
    // not within a character: UTF-8 continuation bytes are 10xxxxxx
    (MIN_BYTES..MAX_BYTES).rev().find(|at| bytes[*at] & 0xC0 != 0x80).unwrap_or(MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_is_before_white_space_that_follows_a_word() {
        for (before, after) in [("x", " y"), ("x", "\r\ny"), ("  \n\nx", "\n\n y"), ("\nx", "\n"), ("猫", " y")] {
            let text = ["x".repeat(MIN_BYTES - 1), before.to_owned(), after.to_owned()].concat();
            assert_eq!(&text[chunk_len(text.as_bytes())..], after, "{before:?} {after:?}");
        }
    }

    #[test]
    fn text_without_white_space_is_cut_between_characters() {
        let crabs = ["x", &"🦀".repeat(MAX_BYTES / 4 + 9)].concat();
        let end = chunk_len(crabs.as_bytes());
        assert!(crabs.is_char_boundary(end) && (MAX_BYTES - 4..=MAX_BYTES).contains(&end));
        assert_eq!(chunk_len(&[0x80; MAX_BYTES + 9]), MAX_BYTES, "invalid UTF-8 does not loop forever");
    }
}
