use std::{path::Path, str};

use crate::error::TextError;

/// Pieces are cut at the first word's end past this many bytes.
const PIECE: usize = 1 << 16;
/// A word that goes on past this many bytes is cut within, between two characters.
const LONGEST: usize = 1 << 20;

/// The text of a file, without the byte order mark, cut where a function says and checked to be UTF-8 as it is read.
/// After an error there is nothing more.
pub(crate) struct Pieces<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    line_ends: u64,
    cut: fn(&[u8]) -> usize,
}

impl<'a> Pieces<'a> {
    /// Pieces of some 64 KiB.
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, at: mark(bytes), line_ends: 0, cut: piece }
    }

    /// Lines with their ends, of any length.
    pub(crate) fn lines(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { cut: line, ..Self::new(path, bytes) }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<&'a str, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return None;
        }
        let piece = &rest[..(self.cut)(rest)];
        match str::from_utf8(piece) {
            Ok(text) => {
                self.at += piece.len();
                self.line_ends += line_ends(piece);
                Some(Ok(text))
            }
            Err(error) => {
                let good = error.valid_up_to();
                let offset = (self.at + good) as u64;
                let line = self.line_ends + line_ends(&piece[..good]) + 1;
                self.at = self.bytes.len();
                Some(Err(TextError::NotUtf8 { path: self.path.into(), offset, line }))
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

/// The length of the byte order mark at a file's beginning.
pub(crate) fn mark(bytes: &[u8]) -> usize {
    if bytes.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 }
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1)
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
