use std::{io, path::PathBuf};

use elman::{DeviceError, recurrence::UnknownCell};

/// Why a benchmark could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A name that is no cell.
    #[error(transparent)]
    Cell(#[from] UnknownCell),
    /// A name that is no device of this build.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A text that is no case.
    #[error(
        "'{found}' is no case: expected batch,time,d_input,d_hidden, each from 1 to 1048576, as in '32,64,256,256'; \
         several are separated by semicolons"
    )]
    Case {
        /// The text.
        found: String,
    },
    /// A time that cannot be spent.
    #[error("--seconds must be a number from 0 to 3600, not {found}")]
    Seconds {
        /// The number.
        found: f64,
    },
    /// The peer's Python could not be started.
    #[error("cannot start the peer '{}': {source}; --peer-python names a Python that has torch", python.display())]
    Start {
        /// The program.
        python: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The peer's program failed.
    #[error("the peer '{}' failed: {reason}", python.display())]
    Peer {
        /// The program.
        python: PathBuf,
        /// The last line that it wrote on standard error.
        reason: String,
    },
    /// The peer's program printed something else than its figures.
    #[error("the peer '{}' printed no figures: {source}", python.display())]
    Figures {
        /// The program.
        python: PathBuf,
        /// What is wrong with the JSON.
        source: serde_json::Error,
    },
    /// The report could not be written.
    #[error("cannot write the report '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl BenchError {
    /// Whether the command line is at fault, and not the run.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Cell(_) | Self::Device(_) | Self::Case { .. } | Self::Seconds { .. } | Self::Start { .. })
    }
}
