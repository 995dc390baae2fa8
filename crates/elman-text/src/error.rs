use std::{io, path::PathBuf};

use crate::table::Place;

/// Why a text, a tokenizer or a batch could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file or folder cannot be read.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file has no content.
    #[error("'{}' is empty: there is no text to read", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A folder has no text files.
    #[error("the folder '{}' has no text files", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not UTF-8.
    #[error("'{}' is not UTF-8 text: invalid byte at offset {offset}, line {line}: convert the file to UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Bytes before the invalid one.
        offset: u64,
        /// The line, counted from 1.
        line: u64,
    },
    /// A file whose name does not say how it is read.
    #[error("'{}' is no table that can be read: the name must end in .tsv, .csv, .jsonl, .ndjson or .txt, each also followed by .gz, or in .parquet", path.display())]
    UnknownTable {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet file, and a build that reads none.
    #[error("'{}' cannot be read by this build: build with `--features parquet`", path.display())]
    NoParquet {
        /// The file.
        path: PathBuf,
    },
    /// A table without a column that is needed.
    #[error("'{}'{} has no column '{column}': it has {}", path.display(), at(place), listed(found))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The row, where only that lacks it.
        place: Option<Place>,
        /// The column.
        column: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A row with too few fields or too many.
    #[error("'{}', {place}, has {found} columns where {expected} are expected", path.display())]
    Fields {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The number that is expected, in words.
        expected: String,
        /// The number of fields.
        found: usize,
    },
    /// A value of another kind than is needed.
    #[error("'{}', {place}: the column '{column}' must be {expected}, and is {found}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// What it should be.
        expected: &'static str,
        /// What it is, in quotes if it is a text.
        found: String,
    },
    /// A table, or a row of it, that is not of its format.
    #[error("'{}'{} is not {expected}: {reason}", path.display(), at(place))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The row, where the rest may be right.
        place: Option<Place>,
        /// What it should be.
        expected: &'static str,
        /// Why it is not, on one line.
        reason: String,
    },
    /// A vocabulary cannot be that small.
    #[error("a vocabulary of {size} is too small: {unit} tokens need at least {least}")]
    Vocabulary {
        /// What was asked for.
        size: usize,
        /// The kind of token.
        unit: crate::Unit,
        /// The smallest that works.
        least: usize,
    },
    /// A token id that the vocabulary does not have.
    #[error("token {id} is unknown: the vocabulary has {vocabulary} tokens, 0 to {}", vocabulary.saturating_sub(1))]
    UnknownToken {
        /// The id.
        id: u32,
        /// The size of the vocabulary.
        vocabulary: usize,
    },
    /// A text that names no unit.
    #[error("unknown kind of token '{found}': expected char, word or bpe")]
    UnknownUnit {
        /// The text.
        found: String,
    },
    /// A `tokenizer.json` that cannot be used.
    #[error("the tokenizer '{}' cannot be used: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why, on one line.
        reason: String,
    },
    /// The tokenizer library failed.
    #[error("the text cannot be tokenised: {reason}")]
    Encode {
        /// Its reason.
        reason: String,
    },
    /// A batch has more columns than the text can fill.
    #[error("a batch of {batch} needs at least {} tokens, and the text has {tokens}: choose a smaller batch or a longer text", batch.saturating_mul(2))]
    Batch {
        /// Columns.
        batch: usize,
        /// Tokens.
        tokens: usize,
    },
    /// A number that must be at least 1.
    #[error("{name} must be at least 1, not 0")]
    Zero {
        /// Which.
        name: &'static str,
    },
}

fn at(place: &Option<Place>) -> String {
    place.map_or(String::new(), |place| format!(", {place},"))
}

/// Names that a message lists before it only counts the others.
const LISTED: usize = 12;

fn listed(names: &[String]) -> String {
    match names.len() {
        0 => "none".into(),
        count if count > LISTED => format!("{} and {} more", names[..LISTED].join(", "), count - LISTED),
        _ => names.join(", "),
    }
}
