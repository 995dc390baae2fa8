use std::{fmt, io, path::PathBuf};

use crate::error::TextError;

/// A file or directory that is left out.
#[derive(Debug)]
pub struct LeftOut {
    /// The path; that of a directory ends with a slash.
    pub path: PathBuf,
    /// The reason.
    pub reason: Reason,
}

impl LeftOut {
    /// Converts the error of an unreadable file; returns other errors.
    pub(crate) fn from_error(error: TextError) -> Result<Self, TextError> {
        match error {
            TextError::Read { path, source } => Ok(Self { path, reason: Reason::Unreadable(source) }),
            TextError::NotText { path, encoding, offset, line } => {
                Ok(Self { path, reason: Reason::NotText { encoding, offset, line } })
            }
            other => Err(other),
        }
    }

    /// Converts an unreadable file back to its error; `None` for other reasons.
    pub(crate) fn into_error(self) -> Option<TextError> {
        let path = self.path;
        match self.reason {
            Reason::Unreadable(source) => Some(TextError::Read { path, source }),
            Reason::NotText { encoding, offset, line } => Some(TextError::NotText { path, encoding, offset, line }),
            _ => None,
        }
    }
}

/// Why a file or directory is left out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The name begins with a dot.
    Hidden,
    /// Matched by a `.gitignore` or `.ignore` file, or named `node_modules` or `.git`.
    Ignored,
    /// Matched by an exclude glob.
    Excluded,
    /// The file is empty.
    Empty,
    /// Not a text file.
    Binary,
    /// A model, store, log or report written by elman.
    Own,
    /// A symbolic link to a directory.
    FolderLink,
    /// A dangling symbolic link, or a pipe, socket or device.
    Special,
    /// Already found, by its own path or another link.
    Repeated,
    /// The file or directory cannot be read.
    Unreadable(io::Error),
    /// Text in another encoding.
    NotText {
        /// The expected encoding.
        encoding: &'static str,
        /// Byte offset of the invalid bytes.
        offset: u64,
        /// The line, counted from 1.
        line: u64,
    },
}

impl Reason {
    /// The reason in a few words.
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

    /// Whether the file was selected but could not be read.
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
