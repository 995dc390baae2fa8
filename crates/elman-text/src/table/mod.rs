//! Rows of text columns from files of several formats.

mod columns;
mod format;
mod json;
#[cfg(feature = "parquet")]
mod parquet;
mod quoted;
mod record;
mod row;
mod separated;
mod separator;

use std::{fmt, io::Read, path::Path, sync::Arc};

pub use columns::Columns;
pub use row::{Row, RowLocation};

use self::format::Format;
use crate::{
    error::TextError,
    input::{Encoding, Watched},
};

/// A table of texts, streamed row by row in constant memory.
///
/// The extension of the file name selects the format:
///
/// | extension | a row is |
/// |---|---|
/// | `.tsv` | a line with columns separated by tabs; quotes have no special meaning |
/// | `.csv` | a record with quotes, as in RFC 4180; the separator (comma, semicolon, tab or bar) is guessed from the first rows |
/// | `.jsonl`, `.ndjson` | a line with a JSON object, or with an array, whose values are taken by position |
/// | `.txt` | a line, the only column |
/// | `.parquet` | a row; columns of texts, integers, floats and booleans; uncompressed, snappy, zstd or gzip (with the feature `parquet`) |
///
/// All extensions but `.parquet` may be followed by `.gz`. Texts are UTF-8 unless an [`Encoding`] is given; numbers
/// keep their notation. A byte order mark, empty lines and, in JSON, blank lines are skipped. A null is an empty text.
///
/// Columns are found by name. In a `.tsv` or `.csv` file the first row is a header if it contains one of the requested
/// names, and must then contain all required ones. Without a header, columns are found by position, and the file must
/// not have others; with [`Columns::by_name`], a missing header is an error.
///
/// Ambiguous quoting in a `.csv` file is an error: an unclosed quote, text after a closing quote, and a quoted text
/// whose lines look like rows.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("pairs.tsv");
/// # std::fs::write(&path, "first\tsecond\tscore\na cat\ta kitten\t4.5\na cat\ta tax\t0\n")?;
/// use elman_text::{Columns, Table};
///
/// let columns = Columns::new(["first", "second"]).with_optional(["score"]);
/// for row in Table::open(&path, columns)? {
///     let row = row?;
///     let (first, second, score) = (row.text(0), row.text(1), row.number(2)?);
///     assert!(first == "a cat" && score == Some(if second == "a kitten" { 4.5 } else { 0.0 }));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Table {
    path: Arc<Path>,
    columns: Arc<Columns>,
    source: Box<dyn Source>,
    ended: bool,
}

/// A row as read by a format: its location, and a value for each column.
type Values = (RowLocation, Vec<Option<String>>);

/// A table in some format.
trait Source: Send {
    /// The next row.
    fn next(&mut self) -> Result<Option<Values>, TextError>;
}

impl Table {
    /// Whether the extension of a file is that of a table with columns: any but `.txt`.
    pub fn has_columns(path: impl AsRef<Path>) -> bool {
        let name = path.as_ref().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        matches!(format::extension(&name).0, "tsv" | "csv" | "jsonl" | "ndjson" | "parquet")
    }

    /// Opens a file to read some of its columns.
    ///
    /// # Errors
    /// [`TextError::UnknownTable`] for another extension, [`TextError::Read`], [`TextError::Empty`];
    /// [`TextError::NoColumn`] and [`TextError::Malformed`] if known without reading rows. An item is one of these or
    /// [`TextError::Fields`], [`TextError::Value`], [`TextError::NotText`] or [`TextError::Changed`] if reading stops
    /// there.
    pub fn open(path: impl AsRef<Path>, columns: Columns) -> Result<Self, TextError> {
        Self::open_in(path, columns, Encoding::default())
    }

    /// Opens a file in the given encoding.
    ///
    /// # Errors
    /// Same as [`open`](Self::open).
    pub fn open_in(path: impl AsRef<Path>, columns: Columns, encoding: Encoding) -> Result<Self, TextError> {
        let (path, columns) = (Arc::from(path.as_ref()), Arc::new(columns));
        let format = Format::from_path(&path)?;
        let file = Watched::open(&path).map_err(|error| TextError::reading(&path, error))?;
        let source = match format {
            Format::Parquet => parquet_file(&path, file, &columns)?,
            Format::Lines(kind) => format::read(kind, &path, format::text(file, false, encoding), &columns)?,
            Format::Gzip(kind) => format::read(kind, &path, format::text(file, true, encoding), &columns)?,
        };
        Ok(Self { path, columns, source, ended: false })
    }

    /// Reads a table from any reader; the extension of `name` selects the format. Parquet is read into memory as a
    /// whole.
    ///
    /// # Errors
    /// Same as [`open`](Self::open).
    pub fn read(
        name: impl AsRef<Path>,
        input: impl Read + Send + 'static,
        columns: Columns,
        encoding: Encoding,
    ) -> Result<Self, TextError> {
        let (path, columns) = (Arc::from(name.as_ref()), Arc::new(columns));
        let source = match Format::from_path(&path)? {
            Format::Parquet => parquet_bytes(&path, input, &columns)?,
            Format::Lines(kind) => format::read(kind, &path, format::text(input, false, encoding), &columns)?,
            Format::Gzip(kind) => format::read(kind, &path, format::text(input, true, encoding), &columns)?,
        };
        Ok(Self { path, columns, source, ended: false })
    }
}

#[cfg(feature = "parquet")]
fn parquet_file(path: &Arc<Path>, file: Watched, columns: &Arc<Columns>) -> Result<Box<dyn Source>, TextError> {
    Ok(Box::new(parquet::Parquet::open(path.clone(), file, columns.clone())?))
}

#[cfg(feature = "parquet")]
fn parquet_bytes(path: &Arc<Path>, mut input: impl Read, columns: &Arc<Columns>) -> Result<Box<dyn Source>, TextError> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| TextError::reading(path, error))?;
    Ok(Box::new(parquet::Parquet::read(path.clone(), bytes.into(), columns.clone())?))
}

#[cfg(not(feature = "parquet"))]
fn parquet_file(path: &Arc<Path>, _: Watched, _: &Arc<Columns>) -> Result<Box<dyn Source>, TextError> {
    Err(TextError::NoParquet { path: path.to_path_buf() })
}

#[cfg(not(feature = "parquet"))]
fn parquet_bytes(path: &Arc<Path>, _: impl Read, _: &Arc<Columns>) -> Result<Box<dyn Source>, TextError> {
    Err(TextError::NoParquet { path: path.to_path_buf() })
}

impl Iterator for Table {
    type Item = Result<Row, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.source.next();
        self.ended = !matches!(next, Ok(Some(_)));
        let row = |(place, values)| Row::new(self.path.clone(), self.columns.clone(), place, values);
        next.map(|values| values.map(row)).transpose()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("path", &self.path).field("columns", &self.columns).finish_non_exhaustive()
    }
}
