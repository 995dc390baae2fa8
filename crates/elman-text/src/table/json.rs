use std::{path::Path, str, sync::Arc};

use serde_json::Value;

use super::{Columns, RowLocation, Source, Values};
use crate::{error::TextError, lines::Lines};

/// JSON Lines: objects, or arrays by position.
pub(super) struct Json {
    path: Arc<Path>,
    columns: Arc<Columns>,
    lines: Lines,
    /// Columns that no row has contained so far.
    missing: Vec<String>,
    /// The keys of the first row.
    found: Vec<String>,
}

impl Json {
    pub(super) fn new(path: Arc<Path>, columns: Arc<Columns>, lines: Lines) -> Self {
        let missing = if columns.is_by_name() { columns.names()[..columns.needed()].to_vec() } else { Vec::new() };
        Self { path, columns, lines, missing, found: Vec::new() }
    }

    /// At the end: fails if a column requested by name is in no row.
    fn end(&self) -> Result<(), TextError> {
        match self.missing.first() {
            Some(column) if !self.found.is_empty() => Err(TextError::NoColumn {
                path: self.path.to_path_buf(),
                place: None,
                column: column.clone(),
                found: self.found.clone(),
                separator: None,
            }),
            _ => Ok(()),
        }
    }

    fn values(&mut self, place: RowLocation, row: Value) -> Result<Vec<Option<String>>, TextError> {
        let columns = self.columns.clone();
        let (names, required) = (columns.names(), columns.required());
        match row {
            Value::Object(mut object) => {
                if let Some(missing) = names[..required].iter().find(|name| !object.contains_key(*name)) {
                    let (path, column) = (self.path.to_path_buf(), missing.clone());
                    let found = object.keys().cloned().collect();
                    return Err(TextError::NoColumn { path, place: Some(place), column, found, separator: None });
                }
                self.missing.retain(|name| !object.contains_key(name));
                if self.found.is_empty() {
                    self.found = object.keys().cloned().collect();
                }
                (0..names.len()).map(|column| self.text(place, column, object.remove(&names[column]))).collect()
            }
            Value::Array(_) if self.columns.is_by_name() => {
                let reason = format!("a list has no names, so '{}' cannot be found", names.join("', '"));
                Err(malformed(&self.path, place, reason))
            }
            Value::Array(values) => {
                if !(required..=names.len()).contains(&values.len()) {
                    let (path, expected) = (self.path.to_path_buf(), self.columns.expected());
                    return Err(TextError::Fields { path, place, expected, found: values.len() });
                }
                let text = |(column, value)| self.text(place, column, Some(value));
                values.into_iter().enumerate().map(text).collect()
            }
            other => Err(malformed(&self.path, place, format!("found {}, expected an object or a list", kind(&other)))),
        }
    }

    fn text(&self, place: RowLocation, column: usize, value: Option<Value>) -> Result<Option<String>, TextError> {
        let found = match value {
            Some(Value::String(text)) => return Ok(Some(text)),
            Some(Value::Number(number)) => return Ok(Some(number.to_string())),
            Some(Value::Bool(value)) => return Ok(Some(value.to_string())),
            None | Some(Value::Null) => return Ok(None),
            Some(other) => kind(&other).to_owned(),
        };
        let (path, column) = (self.path.to_path_buf(), self.columns.names()[column].clone());
        Err(TextError::Value { path, place, column, expected: "a text or a number", found })
    }
}

impl Source for Json {
    fn next(&mut self) -> Result<Option<Values>, TextError> {
        let is_blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
        let line = self.lines.next_matching(|line| !is_blank(line));
        let Some((line, bytes)) = line.map_err(|error| TextError::reading(&self.path, error))? else {
            return self.end().map(|()| None);
        };
        let place = RowLocation::Line(line);
        let text = str::from_utf8(bytes).map_err(|error| {
            malformed(&self.path, place, format!("invalid UTF-8 at column {}", error.valid_up_to() + 1))
        })?;
        // the parser sees a single line
        let reason = |error: serde_json::Error| error.to_string().replace(" at line 1 column ", " at column ");
        let row = serde_json::from_str(text).map_err(|error| malformed(&self.path, place, reason(error)))?;
        Ok(Some((place, self.values(place, row)?)))
    }
}

fn malformed(path: &Path, place: RowLocation, reason: String) -> TextError {
    TextError::Malformed { path: path.into(), place: Some(place), expected: "a row of JSON", reason }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
