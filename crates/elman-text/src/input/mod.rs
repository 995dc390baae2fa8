//! Decodes files to text, and detects modifications while they are read.

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

/// Size of the read buffer in bytes.
pub(crate) const BUFFER: usize = 1 << 16;

/// The text of a file.
pub(crate) fn text(file: Watched, encoding: Encoding) -> io::Result<Text> {
    decoded(BufReader::with_capacity(BUFFER, file), encoding)
}

/// A boxed reader.
pub(crate) type Reader = Box<dyn BufRead + Send>;

/// Errors while reading a file, apart from I/O errors. A fault is wrapped in an [`io::Error`], which
/// [`TextError::reading`](crate::TextError::reading) unwraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The content or length of the file changed.
    Changed { before: u64, after: u64 },
    /// Bytes that are invalid in the encoding.
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
            Self::Changed { .. } => f.write_str("the file changed while it was read"),
            Self::Undecodable { encoding, .. } => write!(f, "not {encoding} text"),
        }
    }
}

impl error::Error for Fault {}
