//! From a file's bytes to text: its encoding, and whether it stays as it is while it is read.

mod decoded;
mod encoding;
mod watched;

use std::{
    error, fmt,
    io::{self, BufRead, BufReader},
};

pub use encoding::Encoding;
pub(crate) use watched::{Stamp, Watched};

pub(crate) use self::decoded::{Text, decoded};

/// Bytes that are read from a file at a time.
pub(crate) const BUFFER: usize = 1 << 16;

/// The text of a file.
pub(crate) fn text(file: Watched, encoding: Encoding) -> io::Result<Text> {
    decoded(BufReader::with_capacity(BUFFER, file), encoding)
}

/// A reader's bytes, in another reader's place.
pub(crate) type Reader = Box<dyn BufRead + Send>;

/// What can be wrong with a file while it is read, besides what the operating system says. It travels in an
/// [`io::Error`], and [`TextError::reading`](crate::TextError::reading) makes a message of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The file had other bytes, or another number of them, at first.
    Changed { before: u64, after: u64 },
    /// Bytes that are no text in the encoding.
    Undecodable { encoding: &'static str, offset: u64, line: u64 },
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { .. } => f.write_str("it changed while it was read"),
            Self::Undecodable { encoding, .. } => write!(f, "it is not {encoding} text"),
        }
    }
}

impl error::Error for Fault {}
