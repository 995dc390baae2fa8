use std::{io, path::PathBuf};

use elman::{DeviceError, embedding::EmbeddingError, index::IndexError, recurrence::UnknownCell};

/// What the peers' scripts import.
const PEERS: &str = "torch, or onnxruntime and onnx, or all of them";

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
    /// An encoder that cannot be loaded, or a text that it cannot read.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// Sentences that cannot be read.
    #[error("cannot read '{}': {source}", path.display())]
    Sentences {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A text that is no case.
    #[error(
        "'{found}' is no case: expected batch,time,d_input,d_hidden, each from 1 to 1048576, as in '32,64,256,256'; \
         several are separated by semicolons"
    )]
    Case {
        /// The text.
        found: String,
    },
    /// A text that is no part of a grid.
    #[error(
        "'{found}' is no part of a grid: expected B=, T= or H= and numbers from 1 to 1048576, as in \
         'B=1,32;T=64;H=256,512'"
    )]
    GridPart {
        /// The part.
        found: String,
    },
    /// A grid without one of its lists, or with one twice.
    #[error(
        "the grid '{found}' has {axis} {times} times: expected B, T and H once each, as in 'B=1,32;T=64;H=256,512'"
    )]
    GridAxis {
        /// The grid.
        found: String,
        /// B, T or H.
        axis: char,
        /// How often it is there.
        times: usize,
    },
    /// A name that is no variant.
    #[error("unknown variant '{found}': expected {known}")]
    Variant {
        /// The name.
        found: String,
        /// The names of all variants.
        known: String,
    },
    /// A time that cannot be spent.
    #[error("{option} must be a number from 0 to 3600, not {found}")]
    Seconds {
        /// The option that it was given to.
        option: &'static str,
        /// The number.
        found: f64,
    },
    /// The peers' programs could not be laid out for Python.
    #[error("cannot write the peers' programs to a temporary folder: {source}")]
    Scripts {
        /// The operating system's reason.
        source: io::Error,
    },
    /// The peer's Python could not be started.
    #[error("cannot start the peer '{}': {source}; --peer-python names a Python that has {peers}", python.display(), peers = PEERS)]
    Start {
        /// The program.
        python: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The Python has none of the peers' libraries.
    #[error("the peer '{}' has no library to time ({reasons}); --peer-python names a Python that has {peers}", python.display(), peers = PEERS)]
    NoPeer {
        /// The program.
        python: PathBuf,
        /// Why there is none, of each library.
        reasons: String,
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
    /// A file of vectors or of pairs could not be read.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason, or what is wrong with the file.
        source: io::Error,
    },
    /// A file of vectors holds something else.
    #[error("'{}' must hold a float32 array [vectors, width], in C's order, and holds {found}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The type, shape and order of its array.
        found: String,
    },
    /// There are no vectors to search in, none to search for, or fewer than neighbours are asked for.
    #[error("{found} vectors are too few for {queries} queries that each look for {k} of the others")]
    TooFew {
        /// All vectors.
        found: usize,
        /// Those that are searched for.
        queries: usize,
        /// The neighbours of each.
        k: usize,
    },
    /// A line of a file of pairs does not end with a score.
    #[error("line {line} of '{}' has no score behind its last comma, but '{}'", path.display(), found.escape_debug())]
    Score {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is there.
        found: String,
    },
    /// The vectors are not those of the pairs.
    #[error(
        "{pairs} pairs need {expected} vectors, the first texts' and then the second texts', and there are {found}"
    )]
    Pairs {
        /// The pairs.
        pairs: usize,
        /// Twice as many.
        expected: usize,
        /// The vectors.
        found: usize,
    },
    /// Vectors that cannot be compared.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The process that searches failed.
    #[error("the process that searches failed: {reason}")]
    Searcher {
        /// What it said.
        reason: String,
    },
    /// The report, or what contestants are given, could not be written.
    #[error("cannot write '{}': {source}", path.display())]
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
        match self {
            Self::Cell(_) | Self::Device(_) | Self::Variant { .. } => true,
            Self::Case { .. } | Self::GridPart { .. } | Self::GridAxis { .. } | Self::Seconds { .. } => true,
            Self::Start { .. } | Self::NoPeer { .. } | Self::TooFew { .. } => true,
            Self::Read { .. } | Self::Array { .. } | Self::Score { .. } | Self::Pairs { .. } | Self::Index(_) => false,
            Self::Scripts { .. } | Self::Peer { .. } | Self::Figures { .. } | Self::Write { .. } => false,
            Self::Embedding(_) | Self::Sentences { .. } | Self::Searcher { .. } => false,
        }
    }
}
