use std::{fmt, io, path::PathBuf};

/// A file or folder that is not read.
#[derive(Debug)]
pub struct LeftOut {
    /// Which; a folder's path ends with a slash.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
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
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(source) => write!(f, "cannot be read: {source}"),
            other => f.write_str(other.name()),
        }
    }
}
