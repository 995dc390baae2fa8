use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    str::{self, Utf8Error},
};

use crate::{
    error::TextError,
    input::{self, Encoding, Reader, Text, Watched},
};

/// Iterator over the lines of a text without line endings (`\n`, `\r\n`, or `\r` at the end of the text).
///
/// ```
/// use elman_text::{Encoding, Lines};
///
/// let lines = Lines::new("a text", &b"caf\xe9\r\n\nend"[..], "latin1".parse()?)?;
/// assert_eq!(lines.collect::<Result<Vec<_>, _>>()?, ["café", "", "end"]);
/// # Ok::<(), elman_text::TextError>(())
/// ```
pub struct Lines {
    path: PathBuf,
    reader: Reader,
    /// Byte offset of the line, and its number from 1.
    offset: u64,
    number: u64,
    line: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// Opens a file or a pipe.
    ///
    /// # Errors
    /// [`TextError::Read`]. An item is this, [`TextError::NotText`] or [`TextError::Changed`] if reading stops there.
    pub fn open(path: impl AsRef<Path>, encoding: Encoding) -> Result<Self, TextError> {
        let path = path.as_ref();
        let text = Watched::open(path).and_then(|file| input::text(file, encoding));
        Ok(Self::from_text(path, text.map_err(|error| TextError::reading(path, error))?))
    }

    /// Reads from any reader; `name` is used in messages.
    ///
    /// # Errors
    /// Same as [`open`](Self::open).
    pub fn new(
        name: impl Into<PathBuf>,
        input: impl Read + Send + 'static,
        encoding: Encoding,
    ) -> Result<Self, TextError> {
        let name = name.into();
        match input::decoded(BufReader::new(input), encoding) {
            Ok(text) => Ok(Self::from_text(&name, text)),
            Err(error) => Err(TextError::reading(&name, error)),
        }
    }

    pub(crate) fn from_text(path: &Path, text: Text) -> Self {
        let (path, reader, offset) = (path.into(), text.reader, text.mark);
        Self { path, reader, offset, number: 0, line: Vec::new(), ended: false }
    }

    /// Reads the next line; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.offset += self.line.len() as u64;
        self.line.clear();
        let has_line = self.reader.read_until(b'\n', &mut self.line)? > 0;
        self.number += u64::from(has_line);
        Ok(has_line)
    }

    /// The current line.
    fn line(&self) -> &[u8] {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The number and bytes of the next line that satisfies the predicate.
    pub(crate) fn next_matching(&mut self, predicate: impl Fn(&[u8]) -> bool) -> io::Result<Option<(u64, &[u8])>> {
        while self.advance()? {
            if predicate(self.line()) {
                return Ok(Some((self.number, self.line())));
            }
        }
        Ok(None)
    }

    fn read(&mut self) -> Result<Option<String>, TextError> {
        match self.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(TextError::reading(&self.path, error)),
        }
        let location = |error: Utf8Error| (self.offset + error.valid_up_to() as u64, self.number);
        let line = str::from_utf8(self.line()).map_err(location);
        line.map(|line| Some(line.to_owned())).map_err(|(offset, line)| TextError::not_utf8(&self.path, offset, line))
    }
}

impl Iterator for Lines {
    type Item = Result<String, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read();
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("path", &self.path).field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8]) -> Vec<Result<String, String>> {
        let lines = Lines::new("x", text, Encoding::default()).unwrap();
        lines.map(|line| line.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn line_endings_and_byte_order_mark_are_removed() {
        let expected = ["a", "", " b ", "c"].map(|line| Ok(line.to_owned()));
        assert_eq!(lines("\u{feff}a\r\n\n b \nc".as_bytes()), expected);
        assert_eq!(lines(b"\xff\xfea\0\r\0\n\0\n\0 \0b\0 \0\n\0c\0"), expected);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [Ok(String::new())]);
    }

    #[test]
    fn invalid_byte_is_reported_with_offset_and_line() {
        for (text, expected) in [
            (&b"good\nb\xffd\nmore"[..], "'x' is not UTF-8 text: invalid bytes at offset 6, line 2"),
            (b"\xef\xbb\xbfgood\n\xff", "'x' is not UTF-8 text: invalid bytes at offset 8, line 2"),
            (b"\xfe\xff\0a\0\n\xdc\0", "'x' is not UTF-16BE text: invalid bytes at offset 6, line 2"),
        ] {
            let lines = lines(text);
            let message = lines.last().unwrap().clone().unwrap_err();
            assert!(message.starts_with(expected) && lines.len() <= 2, "{message}");
        }
    }
}
