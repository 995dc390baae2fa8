use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{input::Fault, table::RowLocation};

/// Errors of texts, tables, tokenizers and batches.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file or directory cannot be read.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// Invalid glob.
    #[error("invalid glob '{glob}': {reason}")]
    Glob {
        /// The glob.
        glob: String,
        /// The reason, on one line.
        reason: String,
    },
    /// A file is empty.
    #[error("'{}' is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A directory contains no text files.
    #[error("the folder '{}' has no text files{}", path.display(), if *left_out > 0 { format!(" ({left_out} entries are left out: hidden, ignored or binary, for example)") } else { String::new() })]
    NoFiles {
        /// The directory.
        path: PathBuf,
        /// Number of files and directories in it that were left out.
        left_out: usize,
    },
    /// A file is not valid text in its encoding.
    #[error("'{}' is not {encoding} text: invalid bytes at offset {offset}, line {line}{}", path.display(), convert(encoding))]
    NotText {
        /// The file.
        path: PathBuf,
        /// The encoding's name.
        encoding: &'static str,
        /// Byte offset of the invalid bytes.
        offset: u64,
        /// The line, counted from 1.
        line: u64,
    },
    /// Unknown encoding.
    #[error(
        "unknown encoding '{found}': expected one such as utf-8, utf-16le, windows-1252, iso-8859-2, shift_jis or gbk"
    )]
    UnknownEncoding {
        /// The name.
        found: String,
    },
    /// A file was modified while it was read.
    #[error("'{}' changed while it was read (from {before} to {after} bytes): try again when no other program writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its length when it was opened.
        before: u64,
        /// Its length now.
        after: u64,
    },
    /// The extension of the file name is not that of a table.
    #[error("'{}' is not a supported table: the name must end in .tsv, .csv, .jsonl, .ndjson or .txt, optionally followed by .gz, or in .parquet", path.display())]
    UnknownTable {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet file, in a build without the `parquet` feature.
    #[error("'{}' cannot be read by this build: build with `--features parquet`", path.display())]
    NoParquet {
        /// The file.
        path: PathBuf,
    },
    /// A required column is missing.
    #[error("'{}'{} has no column '{column}': it has {}{}", path.display(), at(place), listed(found), separated(*separator))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The row, if only that row lacks the column.
        place: Option<RowLocation>,
        /// The column.
        column: String,
        /// The columns found.
        found: Vec<String>,
        /// The separator of a text table.
        separator: Option<&'static str>,
    },
    /// A row has the wrong number of fields.
    #[error("'{}', {place}, has {found} columns, expected {expected}", path.display())]
    Fields {
        /// The file.
        path: PathBuf,
        /// The row.
        place: RowLocation,
        /// The expected number, in words.
        expected: String,
        /// The number of fields.
        found: usize,
    },
    /// A value has the wrong type.
    #[error("'{}', {place}: the column '{column}' must be {expected}, not {found}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row.
        place: RowLocation,
        /// The column.
        column: String,
        /// The expected type.
        expected: &'static str,
        /// The value, in quotes if it is a text.
        found: String,
    },
    /// A table, or one of its rows, is malformed.
    #[error("'{}'{} is not {expected}: {reason}", path.display(), at(place))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The row, if only that row is malformed.
        place: Option<RowLocation>,
        /// The expected format.
        expected: &'static str,
        /// The reason, on one line.
        reason: String,
    },
    /// The requested vocabulary is too small.
    #[error("a vocabulary of {size} is too small: {unit} tokens need at least {least}")]
    Vocabulary {
        /// The requested size.
        size: usize,
        /// The kind of token.
        unit: crate::Unit,
        /// The minimum size.
        least: usize,
    },
    /// A token id is outside the vocabulary.
    #[error("token {id} is unknown: the vocabulary has {vocabulary} tokens, 0 to {}", vocabulary.saturating_sub(1))]
    UnknownToken {
        /// The id.
        id: u32,
        /// The size of the vocabulary.
        vocabulary: usize,
    },
    /// Unknown kind of token.
    #[error("unknown kind of token '{found}': expected char, word or bpe")]
    UnknownUnit {
        /// The text.
        found: String,
    },
    /// Invalid `tokenizer.json`.
    #[error("the tokenizer '{}' cannot be used: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The reason, on one line.
        reason: String,
    },
    /// The tokenizer library failed.
    #[error("the tokenizer failed: {reason}")]
    Encode {
        /// The library's message.
        reason: String,
    },
    /// The text is too short for the batch size.
    #[error("a batch of {batch} needs at least {} tokens, but the text has {tokens}: choose a smaller batch or a longer text", batch.saturating_mul(2))]
    Batch {
        /// The batch size.
        batch: usize,
        /// Tokens in the text.
        tokens: usize,
    },
    /// A setting that must be at least 1 is 0.
    #[error("{name} must be at least 1, not 0")]
    Zero {
        /// The name of the setting.
        name: &'static str,
    },
}

impl TextError {
    /// Converts an I/O error, which may wrap a [`Fault`], for a file.
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

/// A hint, if the encoding was not specified.
fn convert(encoding: &str) -> &'static str {
    if encoding == UTF_8 { ": pass its encoding with --encoding, or convert it to UTF-8" } else { "" }
}

fn at(place: &Option<RowLocation>) -> String {
    place.map_or(String::new(), |place| format!(", {place},"))
}

fn separated(by: Option<&str>) -> String {
    by.map_or(String::new(), |by| format!(", separated by {by}"))
}

/// Number of names that a message lists; it counts the others.
const MAX_LISTED: usize = 12;

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(elman_files::one_line).collect();
    match names.len() {
        0 => "none".into(),
        count if count > MAX_LISTED => format!("{} and {} more", names[..MAX_LISTED].join(", "), count - MAX_LISTED),
        _ => names.join(", "),
    }
}
