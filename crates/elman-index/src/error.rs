use std::{io, path::PathBuf};

use elman_sqlite::rusqlite;
use serde_json::Value;

/// Why a store refused what it was given, or could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A name that is no [`Metric`](crate::Metric).
    #[error("unknown metric '{}': use cosine, dot or euclidean", found.escape_debug())]
    UnknownMetric {
        /// The name.
        found: String,
    },
    /// A store cannot be made for vectors of this length.
    #[error("vectors of {found} dimensions cannot be stored: use 1 to {limit}")]
    Dimension {
        /// The most dimensions.
        limit: usize,
        /// What was asked for.
        found: usize,
    },
    /// An entry has the empty string as its id.
    #[error("an entry has an empty id: give every entry a name")]
    EmptyId,
    /// The vector of an entry has the wrong length.
    #[error("the vector of entry '{}' has {found} dimensions, but the store holds vectors of {expected}", id.escape_debug())]
    EntryDimension {
        /// The entry.
        id: String,
        /// The length of the store's vectors.
        expected: usize,
        /// The length of this one.
        found: usize,
    },
    /// The vector of an entry has a value that is NaN or infinite.
    #[error("the vector of entry '{}' is {found} at position {position}: every value must be finite", id.escape_debug())]
    EntryNotFinite {
        /// The entry.
        id: String,
        /// Where in the vector, counted from 0.
        position: usize,
        /// The value.
        found: f32,
    },
    /// The metadata of an entry is nested too deep.
    #[error("the metadata of entry '{}' is nested more than {limit} deep: flatten it", id.escape_debug())]
    MetadataDepth {
        /// The entry.
        id: String,
        /// The deepest that is kept.
        limit: usize,
    },
    /// The vector of an entry is zero, in a store that compares angles.
    #[error("the vector of entry '{}' is zero and has no direction, which the cosine compares: leave the entry out", id.escape_debug())]
    EntryZero {
        /// The entry.
        id: String,
    },
    /// Two entries that are stored together have one id.
    #[error("two of the entries have the id '{}': every entry needs its own", id.escape_debug())]
    RepeatedId {
        /// The id.
        id: String,
    },
    /// A query is zero, in a store that compares angles.
    #[error("the query is zero and has no direction, which the cosine compares")]
    QueryZero,
    /// A query has the wrong length.
    #[error(
        "the query has {found} dimensions, but the store holds vectors of {expected}: embed it as the entries were"
    )]
    QueryDimension {
        /// The length of the store's vectors.
        expected: usize,
        /// The length of the query.
        found: usize,
    },
    /// A query has a value that is NaN or infinite.
    #[error("the query is {found} at position {position}: every value must be finite")]
    QueryNotFinite {
        /// Where in the query, counted from 0.
        position: usize,
        /// The value.
        found: f32,
    },
    /// A text is no [`Filter`](crate::Filter).
    #[error("cannot read the filter «{}»: at character {position} {expected} is expected, and there is {}", filter.escape_debug().to_string().replace("\\'", "'"), found.escape_debug().to_string().replace("\\'", "'"))]
    Filter {
        /// The text.
        filter: String,
        /// The character, counted from 1.
        position: usize,
        /// What could stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A [`Filter`](crate::Filter) is nested too deep.
    #[error("the filter is nested more than {limit} deep: simplify it")]
    FilterDepth {
        /// The deepest.
        limit: usize,
    },
    /// The text of a [`Filter`](crate::Filter) is too long.
    #[error("the filter has {found} bytes, and may have {limit}")]
    FilterSize {
        /// The most bytes.
        limit: usize,
        /// Those of the text.
        found: usize,
    },
    /// A vector that is to be quantised has the wrong length.
    #[error("the vector has {found} dimensions, but the collection holds vectors of {expected}")]
    VectorDimension {
        /// The length of the collection's vectors.
        expected: usize,
        /// The length of this one.
        found: usize,
    },
    /// A vector that is to be quantised has a value that is NaN or infinite.
    #[error("the vector is {found} at position {position}: every value must be finite")]
    VectorNotFinite {
        /// Where in the vector, counted from 0.
        position: usize,
        /// The value.
        found: f32,
    },
    /// Numbers that are not a whole number of vectors.
    #[error("{found} numbers are no whole number of vectors: each has {expected}")]
    Ragged {
        /// The numbers of a vector; bytes, if eight of its bits are in one.
        expected: usize,
        /// All of them.
        found: usize,
    },
    /// Packed signs of more dimensions than the vectors have.
    #[error("vector {row} has bits behind its {expected} dimensions: it was packed from longer ones")]
    Padding {
        /// Which vector, counted from 0.
        row: usize,
        /// The length of every vector.
        expected: usize,
    },
    /// A name that is no [`VectorDtype`](crate::quantized::VectorDtype).
    #[error("unknown precision '{}': use f32, int8 or binary", found.escape_debug())]
    UnknownVectorDtype {
        /// The name.
        found: String,
    },
    /// No cosine that two vectors may have.
    #[error("a threshold of {found} is no similarity: use more than 0 and at most 1")]
    Threshold {
        /// What was asked for.
        found: f32,
    },
    /// A vector that is to be compared by its direction has none.
    #[error("vector {row} is zero or has a value that is not finite: it has no direction to compare")]
    NoDirection {
        /// Which vector, counted from 0.
        row: usize,
    },
    /// There is nothing to make clusters of.
    #[error("there are no vectors to make clusters of")]
    NoVectors,
    /// Vectors cannot be put into so many clusters.
    #[error("{limit} vectors cannot be put into {found} clusters: use 1 to {limit}")]
    ClusterCount {
        /// The most clusters: one for each vector.
        limit: usize,
        /// What was asked for.
        found: usize,
    },
    /// No candidates are to be rescored.
    #[error("an oversampling of {found} leaves nothing to rescore: use 1 or more")]
    Oversampling {
        /// What was asked for.
        found: usize,
    },
    /// Two collections that are to hold the same vectors do not.
    #[error("vectors of the shape {found:?} cannot rescore those of {expected:?}: both must hold the same ones")]
    Collections {
        /// `[count, d_embed]` of the collection that is searched first.
        expected: [usize; 2],
        /// That of the other.
        found: [usize; 2],
    },
    /// The vectors of a store come from another model than expected.
    #[error("the store was made with the model {found}, not {expected}: use that model, or make a new store")]
    Model {
        /// The identity that was asked for.
        expected: Value,
        /// The identity that the store was made with.
        found: Value,
    },
    /// The identity of a model cannot be written into a store.
    #[error(
        "the model's identity cannot be kept: it must be at most {limit_bytes} bytes of JSON, nested at most {limit_depth} deep"
    )]
    ModelIdentity {
        /// The most bytes.
        limit_bytes: u64,
        /// The deepest nesting.
        limit_depth: usize,
    },

    /// A store is to be made in a folder that has one.
    #[error("'{}' holds a store already: open it, or choose another folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A folder has no store, or does not exist.
    #[error("'{}' holds no store (it has no store.sqlite of elman's): create one there, or check the path", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// A store is being written elsewhere, for too long.
    #[error("'{}' is in use by another program, which did not let go of it for a minute: try again when it has ended", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A store that was opened to read only is to be changed.
    #[error("the store '{}' is open to read only: open it for writing to change it", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
    },
    /// A filter asks for a field that no entry has.
    #[error("no entry has the field {field}: {}", known_fields(known))]
    UnknownField {
        /// The field.
        field: String,
        /// Some that entries have.
        known: Vec<String>,
    },
    /// A store is not as it was written.
    #[error("'{}' is damaged ({source}): restore it from a copy, or make the store again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: rusqlite::Error,
    },
    /// What a store has in one place does not fit what it has in another.
    #[error("'{}' is damaged, or was changed by another program: {what}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// There is no room for a change.
    #[error("no space is left for '{}': nothing of the change was kept, and all before it is", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A store cannot be read or written.
    #[error("cannot use '{}': {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A graph cannot be made or written.
    #[cfg(feature = "graph")]
    #[error("the graph of the store '{}' cannot be made: {source}", path.display())]
    Graph {
        /// The store.
        path: PathBuf,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A location is an address of a kind that is not known or not built in.
    #[error("cannot open a store at an address that begins with '{}': {}", found.escape_debug(), advice(*missing))]
    Scheme {
        /// What it begins with.
        found: String,
        /// The cargo feature that knows such addresses, if there is one.
        missing: Option<&'static str>,
    },
    /// A server could not be used.
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
    /// Whether there is no store where one was to be opened, so that it could be made there.
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
        known => format!("entries have {}", known.join(", ")),
    }
}
