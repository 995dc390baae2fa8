//! Rows of text columns from files of several formats.

mod columns;
mod format;
mod json;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod row;
mod separated;

use std::{fmt, path::Path, sync::Arc};

pub use columns::Columns;
pub use row::{Place, Row};

use crate::error::TextError;

/// A table of texts in a file, read row by row: memory does not grow with the file.
///
/// The ending of the file's name says what it is:
///
/// | ending | what a row is |
/// |---|---|
/// | `.tsv` | a line, its columns separated by tabs; quotes are characters like any other |
/// | `.csv` | a record with commas and quotes, as in RFC 4180 |
/// | `.jsonl`, `.ndjson` | a line with a JSON object, or with an array, whose values are taken by position |
/// | `.txt` | a line, which is the one column |
/// | `.parquet` | a row; columns of texts, integers, floats and booleans; plain, or compressed by snappy, zstd or gzip (with the feature `parquet`) |
///
/// All but Parquet may be followed by `.gz`. Texts are UTF-8; numbers are given as they are written, and a byte order mark
/// and empty lines are passed over.
///
/// Columns are found by name. In a `.tsv` or `.csv` file the first row is a header if one of the names that are looked
/// for stands in it, and must then have all that are required. Where it is none, the columns are taken by position, and
/// there are no others.
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
type Values = (Place, Vec<Option<String>>);

/// A file of some format.
trait Source: Send {
    /// The next row, with a value for each required column.
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
    /// [`TextError::Fields`] or [`TextError::Value`] where reading ends for that reason.
    pub fn open(path: impl AsRef<Path>, columns: Columns) -> Result<Self, TextError> {
        let (path, columns) = (Arc::from(path.as_ref()), Arc::new(columns));
        let source = format::open(&path, &columns)?;
        Ok(Self { path, columns, source, ended: false })
    }
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
