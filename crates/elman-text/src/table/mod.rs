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

/// A table of texts in a file, read row by row: memory does not grow with the file.
///
/// The ending of the file's name says what it is:
///
/// | ending | what a row is |
/// |---|---|
/// | `.tsv` | a line, its columns separated by tabs; quotes are characters like any other |
/// | `.csv` | a record with quotes, as in RFC 4180, and commas, semicolons, tabs or bars, which is guessed from the first rows |
/// | `.jsonl`, `.ndjson` | a line with a JSON object, or with an array, whose values are taken by position |
/// | `.txt` | a line, which is the one column |
/// | `.parquet` | a row; columns of texts, integers, floats and booleans; plain, or compressed by snappy, zstd or gzip (with the feature `parquet`) |
///
/// All but Parquet may be followed by `.gz`. Texts are UTF-8, or what an [`Encoding`] says; numbers are given as they are
/// written, and a byte order mark, empty lines and, in JSON, blank ones are passed over. A null is an empty text.
///
/// Columns are found by name. In a `.tsv` or `.csv` file the first row is a header if one of the names that are looked
/// for stands in it, and must then have all that are required. Where it is none, the columns are taken by position, and
/// there are no others; with [`Columns::by_name`], that is an error.
///
/// What makes the rows of a `.csv` file doubtful is an error: a quote that is never closed, text after a closing quote, and a
/// text in quotes whose lines look like rows.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("pairs.tsv");
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

/// What a format gives for a row: where it stands, and a value for each column that is there.
type Values = (RowLocation, Vec<Option<String>>);

/// A file of some format.
trait Source: Send {
    /// The next row.
    fn next(&mut self) -> Result<Option<Values>, TextError>;
}

impl Table {
    /// Whether a file has columns, by the ending of its name: any ending of a table but `.txt`.
    pub fn has_columns(path: impl AsRef<Path>) -> bool {
        let name = path.as_ref().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        matches!(format::ending(&name).0, "tsv" | "csv" | "jsonl" | "ndjson" | "parquet")
    }

    /// Opens a file to read some of its columns.
    ///
    /// # Errors
    /// [`TextError::UnknownTable`] for another ending, [`TextError::Read`], [`TextError::Empty`]; [`TextError::NoColumn`]
    /// and [`TextError::Malformed`] where that is known without reading rows. A row is one of these or
    /// [`TextError::Fields`], [`TextError::Value`], [`TextError::NotText`] or [`TextError::Changed`] where reading ends for
    /// that reason.
    pub fn open(path: impl AsRef<Path>, columns: Columns) -> Result<Self, TextError> {
        Self::open_in(path, columns, Encoding::default())
    }

    /// Opens a file whose text is in some encoding.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(path: impl AsRef<Path>, columns: Columns, encoding: Encoding) -> Result<Self, TextError> {
        let (path, columns) = (Arc::from(path.as_ref()), Arc::new(columns));
        let format = Format::of(&path)?;
        let file = Watched::open(&path).map_err(|error| TextError::reading(&path, error))?;
        let source = match format {
            Format::Parquet => parquet_file(&path, file, &columns)?,
            Format::Lines(kind) => format::read(kind, &path, format::text(file, false, encoding), &columns)?,
            Format::Zipped(kind) => format::read(kind, &path, format::text(file, true, encoding), &columns)?,
        };
        Ok(Self { path, columns, source, ended: false })
    }

    /// Reads a table from elsewhere, under a name, whose ending says what it is. Parquet is read into memory as a whole.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(
        name: impl AsRef<Path>,
        input: impl Read + Send + 'static,
        columns: Columns,
        encoding: Encoding,
    ) -> Result<Self, TextError> {
        let (path, columns) = (Arc::from(name.as_ref()), Arc::new(columns));
        let source = match Format::of(&path)? {
            Format::Parquet => parquet_bytes(&path, input, &columns)?,
            Format::Lines(kind) => format::read(kind, &path, format::text(input, false, encoding), &columns)?,
            Format::Zipped(kind) => format::read(kind, &path, format::text(input, true, encoding), &columns)?,
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
