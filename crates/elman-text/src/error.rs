use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{input::Fault, table::RowLocation};

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
    /// A glob that is none.
    #[error("'{glob}' is no pattern of names: {reason}")]
    Glob {
        /// The glob.
        glob: String,
        /// Why, on one line.
        reason: String,
    },
    /// A file has no content.
    #[error("'{}' is empty: there is no text to read", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A folder has no text files.
    #[error("the folder '{}' has no text files{}", path.display(), if *left_out > 0 { format!(" but {left_out} that are left out, as hidden, ignored and binary ones are") } else { String::new() })]
    NoFiles {
        /// The folder.
        path: PathBuf,
        /// Files and folders that it has and that were left out.
        left_out: usize,
    },
    /// A file is not a text of the encoding that it was read in.
    #[error("'{}' is not {encoding} text: invalid bytes at offset {offset}, line {line}{}", path.display(), convert(encoding))]
    NotText {
        /// The file.
        path: PathBuf,
        /// The encoding's name.
        encoding: &'static str,
        /// Bytes before the invalid ones.
        offset: u64,
        /// The line, counted from 1.
        line: u64,
    },
    /// No encoding has that name.
    #[error(
        "unknown encoding '{found}': expected one such as utf-8, utf-16le, windows-1252, iso-8859-2, shift_jis or gbk"
    )]
    UnknownEncoding {
        /// The name.
        found: String,
    },
    /// Something else wrote to a file while it was read.
    #[error("'{}' changed while it was read (it had {before} bytes and has {after}): try again when nothing writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its length at first.
        before: u64,
        /// Its length in the end.
        after: u64,
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
    #[error("'{}'{} has no column '{column}': it has {}{}", path.display(), at(place), listed(found), separated(*separator))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The row, where only that lacks it.
        place: Option<RowLocation>,
        /// The column.
        column: String,
        /// The columns that are there.
        found: Vec<String>,
        /// What was found to separate them, in a text.
        separator: Option<&'static str>,
    },
    /// A row with too few fields or too many.
    #[error("'{}', {place}, has {found} columns where {expected} are expected", path.display())]
    Fields {
        /// The file.
        path: PathBuf,
        /// The row.
        place: RowLocation,
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
        place: RowLocation,
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
        place: Option<RowLocation>,
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
    #[error("the tokenizer failed: {reason}")]
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

impl TextError {
    /// Why a file could not be read to its end.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(&Fault::Changed { before, after }) => Self::Changed { path, before, after },
            Some(&Fault::Undecodable { encoding, offset, line }) => Self::NotText { path, encoding, offset, line },
            None => Self::Read { path, source },
        }
    }

    pub(crate) fn not_utf8(path: &Path, offset: u64, line: u64) -> Self {
        Self::NotText { path: path.into(), encoding: UTF_8, offset, line }
    }
}

const UTF_8: &str = "UTF-8";

/// What can be done about a file that nothing was said about.
fn convert(encoding: &str) -> &'static str {
    if encoding == UTF_8 { ": say which encoding it has (--encoding), or convert it to UTF-8" } else { "" }
}

fn at(place: &Option<RowLocation>) -> String {
    place.map_or(String::new(), |place| format!(", {place},"))
}

fn separated(by: Option<&str>) -> String {
    by.map_or(String::new(), |by| format!(", separated by {by}"))
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
