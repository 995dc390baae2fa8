use std::{io, path::PathBuf};

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
    /// A name that is no [`Precision`](crate::quantized::Precision).
    #[error("unknown precision '{}': use float32, int8 or binary", found.escape_debug())]
    UnknownPrecision {
        /// The name.
        found: String,
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
    #[error("the store '{}' was made with the model {found}, not {expected}: use that model, or make a new store", path.display())]
    Model {
        /// The store.
        path: PathBuf,
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
    #[error("'{}' holds no store (it has no store.json): create one there, or check the path", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// A store is open for writing elsewhere.
    #[error("the store '{}' is being written by another program: wait until it ends, or open the store to read only", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A store that was opened to read only is to be changed.
    #[error("the store '{}' is open to read only: open it for writing to change it", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// `store.json` is larger than any that a store writes.
    #[error("'{}' has more than {limit} bytes: it is damaged, or not a store's", path.display())]
    ManifestSize {
        /// The file.
        path: PathBuf,
        /// The most bytes.
        limit: u64,
    },
    /// `store.json` is not the JSON that a store writes.
    #[error("'{}' is damaged, or not a store's: {}", path.display(), one_line(source))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// `store.json` belongs to something else.
    #[error("'{}' is not a store's: its format is '{}', not '{expected}'", path.display(), found.escape_debug())]
    Format {
        /// The file.
        path: PathBuf,
        /// The name of the format.
        expected: &'static str,
        /// The name that the file has.
        found: String,
    },
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
    /// `store.json` gives a length of vectors that no store has.
    #[error("'{}' is damaged: vectors of {found} dimensions, where 1 to {limit} are possible", path.display())]
    StoredDimension {
        /// The file.
        path: PathBuf,
        /// The most dimensions.
        limit: usize,
        /// What the file says.
        found: usize,
    },

    /// A file that `store.json` counts on is absent.
    #[error("'{}' is missing: the store is incomplete, restore it from a copy or make it anew", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is shorter or longer than when it was written.
    #[error("'{}' has {found} bytes, not {expected}: it is damaged, restore it from a copy or make the store anew", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes when it was written.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// A file has other content than when it was written.
    #[error("'{}' has the checksum {found:08x}, not {expected:08x}: it is damaged, restore it from a copy or make the store anew", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// CRC-32 when it was written.
        expected: u32,
        /// CRC-32 now.
        found: u32,
    },
    /// A file is more than this computer can hold.
    #[error("'{}' has {bytes} bytes, more than there is memory for", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },

    /// The header of the vectors is longer than any that a store writes, or than the file.
    #[error("'{}' has a header of {found} bytes, where at most {limit} are possible: it is not a store's", path.display())]
    HeaderSize {
        /// The file.
        path: PathBuf,
        /// The most bytes.
        limit: u64,
        /// What the file says.
        found: u64,
    },
    /// The header of the vectors is not that of a safetensors file.
    #[error("'{}' is not a safetensors file: {}", path.display(), one_line(source))]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The file of vectors has other tensors.
    #[error("'{}' must have one tensor, '{expected}', and has {found:?}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        expected: &'static str,
        /// The names in the file.
        found: Vec<String>,
    },
    /// The vectors have another type.
    #[error("the vectors in '{}' are {found}, not {expected}", path.display())]
    DataType {
        /// The file.
        path: PathBuf,
        /// The type.
        expected: safetensors::Dtype,
        /// The type that the file has.
        found: safetensors::Dtype,
    },
    /// The vectors have another shape than `store.json` says.
    #[error("the vectors in '{}' have the shape {found:?}, not {expected:?} as store.json says", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// `[count, d_embed]` in `store.json`.
        expected: [usize; 2],
        /// The shape of the tensor.
        found: Vec<usize>,
    },
    /// The file of vectors does not end where its header says.
    #[error("'{}' has {found} bytes, but its header makes it {expected}", path.display())]
    VectorsEnd {
        /// The file.
        path: PathBuf,
        /// Bytes by the header.
        expected: u64,
        /// Bytes.
        found: u64,
    },
    /// A stored vector has a value that is NaN or infinite.
    #[error("vector {row} in '{}' is {found} at position {position}: every value must be finite", path.display())]
    StoredNotFinite {
        /// The file.
        path: PathBuf,
        /// Which vector, counted from 0.
        row: usize,
        /// Where in the vector, counted from 0.
        position: usize,
        /// The value.
        found: f32,
    },

    /// A line is not an entry.
    #[error("line {line} of '{}' is not an entry: {}", path.display(), one_line(source))]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, with its column.
        source: serde_json::Error,
    },
    /// A stored entry has the empty string as its id.
    #[error("line {line} of '{}' has an empty id", path.display())]
    StoredEmptyId {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// Two stored entries have one id.
    #[error("line {line} of '{}' has the id '{}' of line {first} again", path.display(), id.escape_debug())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The line that had the id before.
        first: usize,
        /// The id.
        id: String,
    },
    /// There are more or fewer entries than `store.json` says.
    #[error("'{}' has {found} entries, not {expected} as store.json says", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// The count in `store.json`.
        expected: usize,
        /// The lines of the file.
        found: usize,
    },
}

/// An error's text with line breaks and other control characters escaped: it may quote the file that it is about.
fn one_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
