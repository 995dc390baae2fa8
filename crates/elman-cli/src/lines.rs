use std::{
    io::{self, BufRead, BufReader, IsTerminal},
    path::Path,
};

use crate::{error::CliError, output};

/// The lines of a file or of standard input, one at a time, without their ends (`\n` or `\r\n`).
pub struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    number: u64,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            if io::stdin().is_terminal() {
                output::notice("note: reading texts from the terminal, one per line; Ctrl-D ends them");
            }
            return Ok(Self::new("standard input", BufReader::new(io::stdin())));
        }
        let name = path.display().to_string();
        let file = elman_files::open_stream(path).map_err(|source| CliError::Read { name: name.clone(), source })?;
        Ok(Self::new(name, BufReader::new(file)))
    }

    fn new(name: impl Into<String>, input: impl BufRead + 'static) -> Self {
        Self { name: name.into(), input: Box::new(input), number: 0 }
    }

    fn read(&mut self) -> Result<Option<String>, CliError> {
        let mut bytes = Vec::new();
        let read = self.input.read_until(b'\n', &mut bytes);
        if read.map_err(|source| CliError::Read { name: self.name.clone(), source })? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.number == 1 {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some(line.to_owned())),
            Err(error) => {
                Err(CliError::NotUtf8 { name: self.name.clone(), line: self.number, column: error.valid_up_to() + 1 })
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Result<String, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8]) -> Vec<Result<String, String>> {
        Lines::new("x", text).map(|line| line.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn ends_and_a_byte_order_mark_are_removed() {
        let expected = ["a", "", " b ", "c"].map(|line| Ok(line.to_owned()));
        assert_eq!(lines("\u{feff}a\r\n\n b \nc".as_bytes()), expected);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [Ok(String::new())]);
    }

    #[test]
    fn an_invalid_byte_is_told_with_its_place() {
        let message = lines(b"good\nb\xffd\n")[1].clone().unwrap_err();
        assert!(message.starts_with("'x' is not UTF-8 text: line 2 has an invalid byte at column 2"), "{message}");
    }
}
