use std::{fmt, io, path::PathBuf};

use crate::error::TextError;

/// A file or folder that is not read.
#[derive(Debug)]
pub struct LeftOut {
    /// Which; a folder's path ends with a slash.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

impl LeftOut {
    /// The file that an error is about, if the error is about one that cannot be read.
    pub(crate) fn because_of(error: TextError) -> Result<Self, TextError> {
        match error {
            TextError::Read { path, source } => Ok(Self { path, reason: Reason::Unreadable(source) }),
            TextError::NotText { path, encoding, offset, line } => {
                Ok(Self { path, reason: Reason::NotText { encoding, offset, line } })
            }
            other => Err(other),
        }
    }

    /// The error that a file cannot be read.
    pub(crate) fn into_error(self) -> Option<TextError> {
        let path = self.path;
        match self.reason {
            Reason::Unreadable(source) => Some(TextError::Read { path, source }),
            Reason::NotText { encoding, offset, line } => Some(TextError::NotText { path, encoding, offset, line }),
            _ => None,
        }
    }
}

/// Why a file or folder of a folder is not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// Its name begins with a dot.
    Hidden,
    /// A `.gitignore` or `.ignore` file names it, or it is `node_modules` or `.git`.
    Ignored,
    /// It was asked to be left out.
    Excluded,
    /// It has no content.
    Empty,
    /// It is no text.
    Binary,
    /// It is a model, store, log or report of elman's.
    Own,
    /// It is a link to a folder.
    FolderLink,
    /// It is a link to nothing, or a pipe, socket or device.
    Special,
    /// It is read already, by its own path or another link.
    Repeated,
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is text of another encoding.
    NotText {
        /// The encoding that it was read in.
        encoding: &'static str,
        /// Bytes before the invalid ones.
        offset: u64,
        /// The line that they are in, from 1.
        line: u64,
    },
}

impl Reason {
    /// The reason in a word or three.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Ignored => "ignored",
            Self::Excluded => "excluded",
            Self::Empty => "empty",
            Self::Binary => "binary",
            Self::Own => "elman's own",
            Self::FolderLink => "link to a folder",
            Self::Special => "no regular file",
            Self::Repeated => "read already",
            Self::Unreadable(_) => "unreadable",
            Self::NotText { .. } => "of another encoding",
        }
    }

    /// Whether the file would have been read, had it been possible.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::NotText { .. })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(source) => write!(f, "cannot be read: {source}"),
            Self::NotText { encoding, offset, line } => {
                write!(f, "is not {encoding} text: invalid bytes at offset {offset}, line {line}")
            }
            other => f.write_str(other.name()),
        }
    }
}
