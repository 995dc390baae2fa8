//! The texts that `elman index` adds to a store, and their locations.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use clap::Args;
use elman::{
    index::{Entry, Metadata},
    text::{Columns, LeftOut, Row, RowLocation, Table, TextError, real_path},
};
use serde_json::Value;

use crate::{arguments::EncodingOption, error::CliError, file_selection::FileSelection, lines, paths};

/// Metadata field: the name of an entry's file.
pub const FILE: &str = "file";
/// Metadata field: the canonical path of an entry's file, independent of its spelling on the command line.
pub const CANONICAL_PATH: &str = "canonical_path";

/// The options that select texts.
#[derive(Args, Debug)]
pub struct Sources {
    /// Text files, tables, or directories; blank lines are skipped
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Column of texts in tables [default: text]
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,

    /// Column of unique entry ids in tables [default: FILE:LINE]
    #[arg(long, value_name = "NAME")]
    id_column: Option<String>,

    /// Columns of tables to store as metadata, for use in filters
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    metadata: Vec<String>,

    #[command(flatten)]
    encoding: EncodingOption,
}

/// A file or directory of the command line.
pub struct InputPath {
    pub path: PathBuf,
    /// The canonical path, encoded as text.
    pub canonical: String,
    pub is_directory: bool,
}

/// A file with texts.
#[derive(Clone)]
pub struct TextFile {
    pub path: PathBuf,
    /// Its name in ids and metadata.
    pub name: String,
    /// The canonical path, encoded as text.
    pub canonical: String,
    /// The index of the command-line path that it was found with.
    pub input: usize,
    /// Whether it was found in a directory, and not named itself.
    pub is_in_directory: bool,
}

/// All files that the command line selects.
pub struct FoundSources {
    pub inputs: Vec<InputPath>,
    pub files: Vec<TextFile>,
    pub skipped: Vec<LeftOut>,
}

/// A text with its id and metadata.
pub struct Source {
    pub id: String,
    pub text: String,
    pub metadata: Metadata,
    /// The file and the location in it.
    path: PathBuf,
    location: RowLocation,
}

impl AsRef<str> for Source {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Source {
    fn new(file: &TextFile, location: RowLocation, id: Option<String>, text: String) -> Self {
        let (key, number) = match location {
            RowLocation::Line(number) => ("line", number),
            RowLocation::Row(number) => ("row", number),
        };
        let id = id.unwrap_or_else(|| format!("{}:{number}", file.name));
        let metadata = [
            (FILE.to_string(), file.name.clone().into()),
            (CANONICAL_PATH.to_string(), file.canonical.clone().into()),
            (key.to_string(), number.into()),
        ];
        Self { id, text, metadata: metadata.into_iter().collect(), path: file.path.clone(), location }
    }

    pub fn into_entry(self, vector: Vec<f32>) -> Entry {
        Entry::new(self.id, vector, self.text).with_metadata(self.metadata)
    }

    /// The error for an id that another text has.
    pub fn duplicate_id(self) -> CliError {
        CliError::DuplicateId { path: self.path, location: self.location, id: self.id }
    }
}

/// The texts of a file, one at a time.
pub type TextIter = Box<dyn Iterator<Item = Result<Source, CliError>>>;

impl Sources {
    /// Finds all files, including those in directories, each once. Their names are spelled as on the command line.
    pub fn find(&self, selection: &FileSelection) -> Result<FoundSources, CliError> {
        if let Some(column) =
            self.metadata.iter().find(|column| [FILE, CANONICAL_PATH, "line", "row"].contains(&column.as_str()))
        {
            return Err(CliError::MetadataColumn { column: column.clone() });
        }
        let found = selection.finder()?.with_encoding(self.encoding.name).with_tables().once().find(&self.files)?;
        let failed = |path: &Path, source| CliError::Read { name: path.display().to_string(), source };
        let canonical =
            |path: &Path| real_path(path).map(|path| paths::to_text(&path)).map_err(|error| failed(path, error));
        let inputs = self
            .files
            .iter()
            .map(|path| Ok(InputPath { path: path.clone(), canonical: canonical(path)?, is_directory: path.is_dir() }));
        let inputs: Vec<InputPath> = inputs.collect::<Result<_, CliError>>()?;
        let mut files = Vec::with_capacity(found.files.len());
        for file in found.files {
            let InputPath { path, canonical, .. } = &inputs[file.given];
            let canonical = match file.path.strip_prefix(path) {
                Ok(relative) if file.is_in_folder => paths::prefix(canonical) + &paths::to_text(relative),
                _ => canonical.clone(),
            };
            if !file.is_in_folder {
                elman_files::open(&file.path).map_err(|error| failed(&file.path, error))?;
            }
            let name = paths::to_text(&file.path);
            let (input, is_in_directory) = (file.given, file.is_in_folder);
            files.push(TextFile { path: file.path, name, canonical, input, is_in_directory });
        }
        Ok(FoundSources { inputs, files, skipped: found.left_out })
    }

    /// The columns that every table must have.
    fn columns(&self) -> Columns {
        let text_column = self.text_column.as_deref().unwrap_or("text");
        Columns::new([Some(text_column), self.id_column.as_deref()].into_iter().flatten())
    }

    /// Checks that each metadata column exists in at least one of the tables, if there are tables.
    ///
    /// # Errors
    /// For the first readable table if no table has the column.
    pub fn check_metadata(&self, files: &[TextFile]) -> Result<(), CliError> {
        for name in &self.metadata {
            let columns = self.columns().with_optional([name]).by_name();
            let tables = files.iter().filter(|file| Table::has_columns(&file.path));
            let (mut missing, mut is_found) = (None, false);
            for file in tables {
                // stops at the first row with a value; a table without the column fails at its start or at its end
                let table = Table::open_in(&file.path, columns.clone(), self.encoding.name);
                let column = columns.required();
                let has = table.and_then(|mut rows| {
                    rows.find(|row| row.as_ref().map_or(true, |row| row.get(column).is_some())).transpose()
                });
                match has {
                    Err(TextError::NoColumn { column, .. }) if column != *name => {}
                    Err(error @ TextError::NoColumn { .. }) => missing = missing.or(Some(error)),
                    // other errors are reported when the table is read
                    Err(_) => {}
                    Ok(_) => {
                        is_found = true;
                        break;
                    }
                }
            }
            if let Some(error) = missing.filter(|_| !is_found) {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// The texts of a file.
    pub fn read(&self, file: &TextFile) -> Result<TextIter, CliError> {
        let file = Rc::new(file.clone());
        let is_blank =
            |source: &Result<Source, CliError>| matches!(source, Ok(source) if source.text.trim().is_empty());
        if !Table::has_columns(&file.path) {
            let lines = lines::open(&file.path, self.encoding.name)?;
            let numbered =
                (1..).zip(lines).map(move |(n, text)| Ok(Source::new(&file, RowLocation::Line(n), None, text?)));
            return Ok(Box::new(numbered.filter(move |source| !is_blank(source))));
        }
        let is_named = self.text_column.is_some() || self.id_column.is_some() || !self.metadata.is_empty();
        let columns = if is_named { self.columns().by_name() } else { self.columns() }.with_optional(&self.metadata);
        let table = Table::open_in(&file.path, columns, self.encoding.name)?;
        let (has_id, metadata) = (self.id_column.is_some(), self.metadata.clone());
        let rows = table.map(move |row| source(&file, row?, has_id, &metadata));
        Ok(Box::new(rows.filter(move |source| !is_blank(source))))
    }
}

/// The text of a table row. The columns are the text, the id if `has_id`, and `metadata`.
fn source(file: &TextFile, row: Row, has_id: bool, metadata: &[String]) -> Result<Source, CliError> {
    let id = has_id.then(|| row.text(1).to_owned());
    // a row without text is skipped and needs no id
    if id.as_ref().is_some_and(String::is_empty) && !row.text(0).trim().is_empty() {
        return Err(row.error(1, "an id").into());
    }
    let mut source = Source::new(file, row.place(), id, row.text(0).to_owned());
    for (n, name) in metadata.iter().enumerate() {
        let value = row.text(1 + usize::from(has_id) + n);
        if !value.is_empty() {
            source.metadata.insert(name.clone(), parse_scalar(value));
        }
    }
    Ok(source)
}

/// Parses a metadata value: a number or boolean in JSON notation, else a string.
fn parse_scalar(value: &str) -> Value {
    match serde_json::from_str(value) {
        Ok(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar,
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_values_are_numbers_booleans_or_strings() {
        let values = ["12", "-1.5e3", "true", "007", "twelve", "\"x\"", "null", "[1]", "1 2"];
        let expected = json!([12, -1500.0, true, "007", "twelve", "\"x\"", "null", "[1]", "1 2"]);
        assert_eq!(json!(values.map(parse_scalar)), expected);
    }
}
