use std::{fmt, path::Path, sync::Arc};

use crate::{error::TextError, table::Columns};

/// A row of a [`Table`](crate::Table), with its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    path: Arc<Path>,
    columns: Arc<Columns>,
    place: RowLocation,
    values: Vec<Option<String>>,
}

/// Location of a row in a table, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLocation {
    /// The line of a text file on which the row begins.
    Line(u64),
    /// The row of a file without lines.
    Row(u64),
}

impl fmt::Display for RowLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Row(number) => write!(f, "row {number}"),
        }
    }
}

impl Row {
    pub(crate) fn new(path: Arc<Path>, columns: Arc<Columns>, place: RowLocation, values: Vec<Option<String>>) -> Self {
        Self { path, columns, place, values }
    }

    /// The location of the row.
    pub fn place(&self) -> RowLocation {
        self.place
    }

    /// The text of a column, or `None` if it is optional and missing.
    ///
    /// # Panics
    /// If `column` is not below the number of columns that the table was opened with.
    pub fn get(&self, column: usize) -> Option<&str> {
        assert!(column < self.columns.names().len(), "column {column} of {:?}", self.columns.names());
        self.values.get(column)?.as_deref()
    }

    /// The text of a column; empty if it is missing.
    ///
    /// # Panics
    /// Same as [`get`](Self::get).
    pub fn text(&self, column: usize) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// The number in a column; `None` if it is optional and empty or missing.
    ///
    /// # Errors
    /// [`TextError::Value`] if the text is not a finite number.
    ///
    /// # Panics
    /// Same as [`get`](Self::get).
    pub fn number(&self, column: usize) -> Result<Option<f64>, TextError> {
        let text = self.text(column).trim();
        if text.is_empty() && column >= self.columns.required() {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| self.error(column, "a number"))
    }

    /// The texts of all columns.
    pub fn into_values(self) -> Vec<Option<String>> {
        self.values
    }

    /// The error for an invalid value in a column.
    ///
    /// # Panics
    /// Same as [`get`](Self::get).
    pub fn error(&self, column: usize, expected: &'static str) -> TextError {
        TextError::Value {
            path: self.path.to_path_buf(),
            place: self.place,
            column: self.columns.names()[column].clone(),
            expected,
            found: shortened(self.text(column)),
        }
    }
}

/// Maximum characters of a value in a message.
const MAX_SHOWN: usize = 60;

/// The beginning of a text in quotes, for a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None if text.is_empty() => "empty".into(),
        None => format!("'{text}'"),
    }
}
