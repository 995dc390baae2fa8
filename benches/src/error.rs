use std::{io, path::PathBuf};

use elman::{DeviceError, embedding::EmbeddingError, index::IndexError, recurrence::UnknownCell};

/// Python packages that the peers' scripts import.
const PEERS: &str = "torch, or onnxruntime and onnx, or all three";

/// Errors of the benchmarks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// Unknown cell name.
    #[error(transparent)]
    Cell(#[from] UnknownCell),
    /// Unknown device name, or a device that this build does not support.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The encoder cannot be loaded, or cannot embed a text.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// The file of sentences cannot be read.
    #[error("cannot read '{}': {source}", path.display())]
    Sentences {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// Invalid case.
    #[error(
        "invalid case '{found}': expected batch,time,d_input,d_hidden, each from 1 to 1048576, as in '32,64,256,256'; \
         separate several with semicolons"
    )]
    Case {
        /// The text.
        found: String,
    },
    /// Invalid part of a grid.
    #[error(
        "invalid grid part '{found}': expected B=, T= or H= and integers from 1 to 1048576, as in \
         'B=1,32;T=64;H=256,512'"
    )]
    GridPart {
        /// The part.
        found: String,
    },
    /// An axis of the grid is missing or repeated.
    #[error(
        "invalid grid '{found}': {axis} occurs {times} times; expected B, T and H once each, as in \
         'B=1,32;T=64;H=256,512'"
    )]
    GridAxis {
        /// The grid.
        found: String,
        /// B, T or H.
        axis: char,
        /// Number of occurrences.
        times: usize,
    },
    /// Unknown variant name.
    #[error("unknown variant '{found}': expected {known}")]
    Variant {
        /// The name.
        found: String,
        /// The names of all variants.
        known: String,
    },
    /// Duration out of range.
    #[error("{option} must be a number from 0 to 3600, not {found}")]
    Seconds {
        /// The command-line option.
        option: &'static str,
        /// The value.
        found: f64,
    },
    /// The peers' scripts cannot be written to a temporary directory.
    #[error("cannot write the peers' scripts to a temporary directory: {source}")]
    Scripts {
        /// The I/O error.
        source: io::Error,
    },
    /// The peer's Python interpreter cannot be started.
    #[error("cannot start the peer '{}': {source}; --peer-python must be a Python with {peers}", python.display(), peers = PEERS)]
    Start {
        /// The Python interpreter.
        python: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The Python interpreter has none of the peer libraries.
    #[error("the peer '{}' has no library to time ({reasons}); --peer-python must be a Python with {peers}", python.display(), peers = PEERS)]
    NoPeer {
        /// The Python interpreter.
        python: PathBuf,
        /// Why each library is unavailable.
        reasons: String,
    },
    /// The peer's script failed.
    #[error("the peer '{}' failed: {reason}", python.display())]
    Peer {
        /// The Python interpreter.
        python: PathBuf,
        /// The last line of its standard error.
        reason: String,
    },
    /// The peer's script printed invalid measurements.
    #[error("the peer '{}' printed invalid measurements: {source}", python.display())]
    Output {
        /// The Python interpreter.
        python: PathBuf,
        /// The JSON error.
        source: serde_json::Error,
    },
    /// A file of vectors or pairs cannot be read.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O or format error.
        source: io::Error,
    },
    /// A file of vectors has the wrong dtype, shape or order.
    #[error("'{}' must contain an f32 array [vectors, dim] in C order, not {found}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// Dtype, shape and order of the array.
        found: String,
    },
    /// No vectors, no queries, or fewer vectors than requested neighbors.
    #[error("{found} vectors are too few for {queries} queries with {k} neighbors each")]
    TooFew {
        /// Number of vectors.
        found: usize,
        /// Number of queries.
        queries: usize,
        /// Neighbors per query.
        k: usize,
    },
    /// A line of a file of pairs does not end in a score.
    #[error("line {line} of '{}': expected a score after the last comma, found '{}'", path.display(), found.escape_debug())]
    Score {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The text found.
        found: String,
    },
    /// The number of vectors does not match the pairs.
    #[error("{pairs} pairs need {expected} vectors (all first texts, then all second texts), found {found}")]
    Pairs {
        /// Number of pairs.
        pairs: usize,
        /// Twice the number of pairs.
        expected: usize,
        /// Number of vectors found.
        found: usize,
    },
    /// The vectors cannot be compared.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The search process failed.
    #[error("the search process failed: {reason}")]
    Searcher {
        /// Its error message.
        reason: String,
    },
    /// The report, or a contestant's input, cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
}

impl BenchError {
    /// Whether the command line is invalid, rather than the run having failed.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Cell(_) | Self::Device(_) | Self::Variant { .. } => true,
            Self::Case { .. } | Self::GridPart { .. } | Self::GridAxis { .. } | Self::Seconds { .. } => true,
            Self::Start { .. } | Self::NoPeer { .. } | Self::TooFew { .. } => true,
            Self::Read { .. } | Self::Array { .. } | Self::Score { .. } | Self::Pairs { .. } | Self::Index(_) => false,
            Self::Scripts { .. } | Self::Peer { .. } | Self::Output { .. } | Self::Write { .. } => false,
            Self::Embedding(_) | Self::Sentences { .. } | Self::Searcher { .. } => false,
        }
    }
}
