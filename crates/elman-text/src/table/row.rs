use std::{fmt, path::Path, sync::Arc};

use crate::{error::TextError, table::Columns};

/// A row of a [`Table`](crate::Table), which knows where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    path: Arc<Path>,
    columns: Arc<Columns>,
    place: RowLocation,
    values: Vec<Option<String>>,
}

/// Where in a table something stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLocation {
    /// The line of a text file where a row begins.
    Line(u64),
    /// A row of a file that has no lines.
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

    /// Where it stands.
    pub fn place(&self) -> RowLocation {
        self.place
    }

    /// The text of a column, or `None` where it is optional and not there.
    ///
    /// # Panics
    /// If the table was not opened with so many columns.
    pub fn get(&self, column: usize) -> Option<&str> {
        assert!(column < self.columns.names().len(), "column {column} of {:?}", self.columns.names());
        self.values.get(column)?.as_deref()
    }

    /// The text of a column; empty where it is not there.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn text(&self, column: usize) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// The number of a column; `None` where it is optional and empty or not there.
    ///
    /// # Errors
    /// [`TextError::Value`] for a text that is no finite number.
    ///
    /// # Panics
    /// As [`get`](Self::get).
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

    /// The error that a column's text is not what it should be.
    ///
    /// # Panics
    /// As [`get`](Self::get).
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

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// The beginning of a text, for a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None if text.is_empty() => "empty".into(),
        None => format!("'{text}'"),
    }
}
