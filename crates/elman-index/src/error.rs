use std::{io, path::PathBuf};

use elman_sqlite::rusqlite;
use serde_json::Value;

/// An error of a store, or of functions on vectors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The name of a [`Metric`](crate::Metric) is unknown.
    #[error("unknown metric '{}': use cosine, dot or euclidean", found.escape_debug())]
    UnknownMetric {
        /// The name.
        found: String,
    },
    /// The dimension of vectors is 0 or above the limit.
    #[error("vectors of {found} dimensions cannot be stored: use 1 to {limit}")]
    Dimension {
        /// Maximum dimension.
        limit: usize,
        /// The given dimension.
        found: usize,
    },
    /// An entry has the empty string as its id.
    #[error("an entry has an empty id: every entry needs an id")]
    EmptyId,
    /// The vector of an entry has the wrong dimension.
    #[error("the vector of entry '{}' has {found} dimensions, but the store holds vectors of {expected}", id.escape_debug())]
    EntryDimension {
        /// The entry.
        id: String,
        /// Dimension of the store.
        expected: usize,
        /// Dimension of the vector.
        found: usize,
    },
    /// The vector of an entry has a value that is NaN or infinite.
    #[error("the vector of entry '{}' is {found} at position {position}: every value must be finite", id.escape_debug())]
    EntryNotFinite {
        /// The entry.
        id: String,
        /// Index of the value, from 0.
        position: usize,
        /// The value.
        found: f32,
    },
    /// The metadata of an entry is nested too deeply.
    #[error("the metadata of entry '{}' is nested more than {limit} levels deep: flatten it", id.escape_debug())]
    MetadataDepth {
        /// The entry.
        id: String,
        /// Maximum depth.
        limit: usize,
    },
    /// The vector of an entry is zero, in a store with the metric cosine.
    #[error("the vector of entry '{}' is zero, which has no cosine: leave the entry out", id.escape_debug())]
    EntryZero {
        /// The entry.
        id: String,
    },
    /// Two entries of one `upsert` have the same id.
    #[error("two entries have the id '{}': ids must be unique", id.escape_debug())]
    RepeatedId {
        /// The id.
        id: String,
    },
    /// A query is zero, in a store with the metric cosine.
    #[error("the query is zero, which has no cosine")]
    QueryZero,
    /// A query has the wrong dimension.
    #[error("the query has {found} dimensions, but the store holds vectors of {expected}: use the model of the store")]
    QueryDimension {
        /// Dimension of the store.
        expected: usize,
        /// Dimension of the query.
        found: usize,
    },
    /// A query has a value that is NaN or infinite.
    #[error("the query is {found} at position {position}: every value must be finite")]
    QueryNotFinite {
        /// Index of the value, from 0.
        position: usize,
        /// The value.
        found: f32,
    },
    /// A text is not a valid [`Filter`](crate::Filter).
    #[error("invalid filter «{}»: expected {expected} at character {position}, found {}", filter.escape_debug().to_string().replace("\\'", "'"), found.escape_debug().to_string().replace("\\'", "'"))]
    Filter {
        /// The text.
        filter: String,
        /// Position of the character, from 1.
        position: usize,
        /// What is expected there.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A [`Filter`](crate::Filter) is nested too deeply.
    #[error("the filter is nested more than {limit} levels deep: simplify it")]
    FilterDepth {
        /// Maximum depth.
        limit: usize,
    },
    /// The text of a [`Filter`](crate::Filter) is too long.
    #[error("the filter has {found} bytes; the limit is {limit}")]
    FilterSize {
        /// Maximum size in bytes.
        limit: usize,
        /// Size of the text in bytes.
        found: usize,
    },
    /// A vector to be quantized has the wrong dimension.
    #[error("the vector has {found} dimensions, but the collection holds vectors of {expected}")]
    VectorDimension {
        /// Dimension of the collection.
        expected: usize,
        /// Dimension of the vector.
        found: usize,
    },
    /// A vector to be quantized has a value that is NaN or infinite.
    #[error("the vector is {found} at position {position}: every value must be finite")]
    VectorNotFinite {
        /// Index of the value, from 0.
        position: usize,
        /// The value.
        found: f32,
    },
    /// The length of a buffer is not a multiple of the length of a vector.
    #[error("{found} values are not a multiple of the vector length {expected}")]
    Ragged {
        /// Values of a vector; for packed bits, bytes.
        expected: usize,
        /// Values of the buffer.
        found: usize,
    },
    /// Packed bits are set beyond the last dimension.
    #[error("vector {row} has bits set beyond its {expected} dimensions: it was packed from longer vectors")]
    Padding {
        /// Index of the vector, from 0.
        row: usize,
        /// Dimension of the vectors.
        expected: usize,
    },
    /// The name of a [`VectorDtype`](crate::quantized::VectorDtype) is unknown.
    #[error("unknown vector dtype '{}': use f32, int8 or binary", found.escape_debug())]
    UnknownVectorDtype {
        /// The name.
        found: String,
    },
    /// A cosine threshold is out of range.
    #[error("the threshold {found} is out of range: use more than 0 and at most 1")]
    Threshold {
        /// The given threshold.
        found: f32,
    },
    /// A vector is zero or not finite, so that its cosine is undefined.
    #[error("vector {row} is zero or has a value that is not finite: its cosine is undefined")]
    NoDirection {
        /// Index of the vector, from 0.
        row: usize,
    },
    /// There are no vectors to cluster.
    #[error("there are no vectors to cluster")]
    NoVectors,
    /// The number of clusters is out of range.
    #[error("{limit} vectors cannot be put into {found} clusters: use 1 to {limit}")]
    ClusterCount {
        /// Maximum number of clusters: the number of vectors.
        limit: usize,
        /// The given number of clusters.
        found: usize,
    },
    /// The oversampling factor is 0.
    #[error("the oversampling factor must be at least 1, not {found}")]
    Oversampling {
        /// The given factor.
        found: usize,
    },
    /// The two collections of a search differ in shape.
    #[error(
        "cannot rescore vectors of shape {expected:?} with vectors of shape {found:?}: both must hold the same vectors"
    )]
    Collections {
        /// `[count, dim]` of the collection of the first stage.
        expected: [usize; 2],
        /// `[count, dim]` of the collection of the second stage.
        found: [usize; 2],
    },
    /// The vectors of a store were made by a different model than expected.
    #[error("the store was made with the model {found}, not {expected}: use that model, or create a new store")]
    Model {
        /// Identity of the expected model.
        expected: Value,
        /// Identity of the store's model.
        found: Value,
    },
    /// The identity of a model is too large for a store.
    #[error(
        "the model's identity is too large: use at most {limit_bytes} bytes of JSON and {limit_depth} levels of nesting"
    )]
    ModelIdentity {
        /// Maximum size in bytes.
        limit_bytes: u64,
        /// Maximum depth.
        limit_depth: usize,
    },

    /// A store cannot be created in a folder that has one.
    #[error("'{}' already holds a store: open it, or choose another folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A folder has no store, or does not exist.
    #[error("'{}' holds no store (no store.sqlite of elman): create one, or check the path", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// Another connection held the lock of a store for too long.
    #[error("'{}' is locked by another program: try again when it has finished", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A store that is open read-only cannot be changed.
    #[error("the store '{}' is open read-only: open it for writing to change it", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
    },
    /// A filter uses a field that no entry has.
    #[error("no entry has the field {}: {}", elman_files::one_line(field), known_fields(known))]
    UnknownField {
        /// The field.
        field: String,
        /// Some fields that entries have.
        known: Vec<String>,
    },
    /// A store is corrupt.
    #[error("'{}' is damaged ({source}): restore it from a backup, or create the store again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The contents of a store are inconsistent.
    #[error("'{}' is damaged, or was changed by another program: {what}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The inconsistency.
        what: &'static str,
    },
    /// The disk is full.
    #[error("disk full at '{}': the change was rolled back; earlier data is intact", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A store cannot be read or written.
    #[error("cannot use '{}': {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },

    /// A graph cannot be built or written.
    #[cfg(feature = "graph")]
    #[error("cannot build the graph of the store '{}': {source}", path.display())]
    Graph {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The scheme of an address is unknown, or its feature is disabled.
    #[error("cannot open an address with the scheme '{}': {}", found.escape_debug(), advice(*missing))]
    Scheme {
        /// The scheme.
        found: String,
        /// The cargo feature that supports the scheme, if there is one.
        missing: Option<&'static str>,
    },
    /// An error of a server.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Server(#[from] crate::ServerError),

    /// A store was written by a later version of this crate.
    #[error("'{}' has format version {found}, and this program reads version {expected}: use a newer one", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that this crate reads and writes.
        expected: u64,
        /// The version of the file.
        found: u64,
    },
}

impl IndexError {
    /// Whether no store exists at the location that was opened, so that one can be created there.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::NotAStore { .. } => true,
            #[cfg(feature = "server")]
            Self::Server(crate::ServerError::NoStore { .. }) => true,
            _ => false,
        }
    }
}

fn advice(missing: Option<&str>) -> String {
    match missing {
        Some(feature) => format!("this program was built without the feature '{feature}'"),
        None => "use a folder, postgres://… or milvus://…".into(),
    }
}

fn known_fields(known: &[String]) -> String {
    match known {
        [] => "entries have no metadata".into(),
        known => format!("entries have {}", elman_files::one_line(known.join(", "))),
    }
}
