use std::{
    io::{self, Read},
    path::Path,
    str,
};

use crate::{
    error::TextError,
    input::{Reader, Text},
};

/// Pieces are cut at the first word's end past this many bytes.
const PIECE: usize = 1 << 16;
/// A word that goes on past this many bytes is cut within, between two characters.
const LONGEST: usize = 1 << 20;

/// The text of a file in pieces of some 64 KiB, checked to be UTF-8. After an error there is nothing more.
pub(crate) struct Pieces<'a> {
    path: &'a Path,
    reader: Reader,
    /// What was read, from the position `at` on: more than [`LONGEST`] bytes, but at the text's end.
    bytes: Vec<u8>,
    at: usize,
    /// What was cut before: bytes and line ends.
    offset: u64,
    line_ends: u64,
    ended: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(path: &'a Path, text: Text) -> Self {
        let Text { reader, mark: offset, .. } = text;
        Self { path, reader, bytes: Vec::new(), at: 0, offset, line_ends: 0, ended: false }
    }

    /// Reads on until a piece can be cut.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.bytes.len() - self.at > LONGEST {
            return Ok(());
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        let wanted = 2 * LONGEST - self.bytes.len();
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
            (self.at, self.ended) = (self.bytes.len(), true);
            return Some(Err(TextError::reading(self.path, error)));
        }
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return None;
        }
        let piece = &rest[..piece(rest)];
        match str::from_utf8(piece) {
            Ok(text) => {
                self.at += piece.len();
                self.offset += piece.len() as u64;
                self.line_ends += line_ends(piece);
                Some(Ok(text.to_owned()))
            }
            Err(error) => {
                let good = error.valid_up_to();
                let (offset, line) = (self.offset + good as u64, self.line_ends + line_ends(&piece[..good]) + 1);
                (self.at, self.ended) = (self.bytes.len(), true);
                Some(Err(TextError::not_utf8(self.path, offset, line)))
            }
        }
    }
}

/// Cuts a text as files are cut: into pieces of some 64 KiB, before white space that follows a word, so that the tokens of the
/// pieces are those of the whole. A text without white space is cut between two characters after a megabyte.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_at_checked(piece(rest.as_bytes())).unwrap_or((rest, ""));
        rest = tail;
        (!head.is_empty()).then_some(head)
    })
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Where the piece at the beginning of `bytes` ends: before white space that follows a word. Pre-tokenizers put white
/// space at the beginning of a token, if with a word at all, so that the tokens are those of the whole text.
fn piece(bytes: &[u8]) -> usize {
    if bytes.len() <= PIECE {
        return bytes.len();
    }
    let reach = &bytes[PIECE - 1..bytes.len().min(LONGEST)];
    let ends = |pair: &[u8]| !pair[0].is_ascii_whitespace() && pair[1].is_ascii_whitespace();
    if let Some(last) = reach.windows(2).position(ends) {
        return PIECE + last;
    }
    if bytes.len() <= LONGEST {
        return bytes.len();
    }
    // Not within a character, whose later bytes are 10xxxxxx.
    (PIECE..LONGEST).rev().find(|at| bytes[*at] & 0xC0 != 0x80).unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_before_the_white_space_that_follows_a_word() {
        for (before, after) in [("x", " y"), ("x", "\r\ny"), ("  \n\nx", "\n\n y"), ("\nx", "\n"), ("猫", " y")] {
            let text = ["x".repeat(PIECE - 1), before.to_owned(), after.to_owned()].concat();
            assert_eq!(&text[piece(text.as_bytes())..], after, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_text_without_white_space_is_cut_between_characters() {
        let crabs = ["x", &"🦀".repeat(LONGEST / 4 + 9)].concat();
        let end = piece(crabs.as_bytes());
        assert!(crabs.is_char_boundary(end) && (LONGEST - 4..=LONGEST).contains(&end));
        assert_eq!(piece(&[0x80; LONGEST + 9]), LONGEST, "no UTF-8, no endless loop");
    }
}
