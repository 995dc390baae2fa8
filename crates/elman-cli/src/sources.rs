//! Texts that are to become entries of a store, and where they stand.

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

use crate::{arguments::EncodingOption, error::CliError, finding::Finding, lines, paths};

/// The name of an entry's file, in its metadata.
pub const FILE: &str = "file";
/// The path of an entry's file, whatever it was called on the command line, in its metadata.
pub const REAL: &str = "canonical_path";

/// The options that name texts.
#[derive(Args, Debug)]
pub struct Sources {
    /// Text files, tables, or folders of them; lines without text are left out
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// In tables: the column with the texts [default: text]
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,

    /// In tables: the column with a name for each entry, unlike all others [default: FILE:LINE]
    #[arg(long, value_name = "NAME")]
    id_column: Option<String>,

    /// In tables: columns to keep as metadata, which searches can ask for
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    metadata: Vec<String>,

    #[command(flatten)]
    encoding: EncodingOption,
}

/// A file or folder of the command line.
pub struct Given {
    pub path: PathBuf,
    /// The path without links and dots, as a text.
    pub real: String,
    pub is_folder: bool,
}

/// A file with texts.
#[derive(Clone)]
pub struct TextFile {
    pub path: PathBuf,
    /// What it is called in ids and metadata.
    pub name: String,
    /// The path without links and dots, as a text.
    pub real: String,
    /// Which of the files and folders of the command line it belongs to.
    pub given: usize,
    /// Whether it was found in a folder, and not named itself.
    pub is_in_folder: bool,
}

/// All that a command line names.
pub struct AllSources {
    pub given: Vec<Given>,
    pub files: Vec<TextFile>,
    pub left_out: Vec<LeftOut>,
}

/// A text and what belongs to it.
pub struct Source {
    pub id: String,
    pub text: String,
    pub metadata: Metadata,
    /// The file, and where in it.
    path: PathBuf,
    place: RowLocation,
}

impl AsRef<str> for Source {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Source {
    fn new(file: &TextFile, place: RowLocation, id: Option<String>, text: String) -> Self {
        let (key, number) = match place {
            RowLocation::Line(number) => ("line", number),
            RowLocation::Row(number) => ("row", number),
        };
        let id = id.unwrap_or_else(|| format!("{}:{number}", file.name));
        let metadata = [
            (FILE.to_string(), file.name.clone().into()),
            (REAL.to_string(), file.real.clone().into()),
            (key.to_string(), number.into()),
        ];
        Self { id, text, metadata: metadata.into_iter().collect(), path: file.path.clone(), place }
    }

    pub fn into_entry(self, vector: Vec<f32>) -> Entry {
        Entry::new(self.id, vector, self.text).with_metadata(self.metadata)
    }

    /// The error that another text has its id.
    pub fn repeated(self) -> CliError {
        CliError::RepeatedId { path: self.path, place: self.place, id: self.id }
    }
}

/// Texts of a file, one at a time.
pub type Reading = Box<dyn Iterator<Item = Result<Source, CliError>>>;

impl Sources {
    /// The files, those of folders included, each once. They are called as they are spelled.
    pub fn find(&self, finding: &Finding) -> Result<AllSources, CliError> {
        if let Some(column) = self.metadata.iter().find(|column| [FILE, REAL, "line", "row"].contains(&column.as_str()))
        {
            return Err(CliError::MetadataColumn { column: column.clone() });
        }
        let found = finding.find()?.with_encoding(self.encoding.name).with_tables().once().find(&self.files)?;
        let failed = |path: &Path, source| CliError::Read { name: path.display().to_string(), source };
        let real = |path: &Path| real_path(path).map(|real| paths::to_text(&real)).map_err(|error| failed(path, error));
        let given =
            self.files.iter().map(|path| Ok(Given { path: path.clone(), real: real(path)?, is_folder: path.is_dir() }));
        let given: Vec<Given> = given.collect::<Result<_, CliError>>()?;
        let mut files = Vec::with_capacity(found.files.len());
        for file in found.files {
            let Given { path, real, .. } = &given[file.given];
            let real = match file.path.strip_prefix(path) {
                Ok(below) if file.is_in_folder => paths::prefix(real) + &paths::to_text(below),
                _ => real.clone(),
            };
            if !file.is_in_folder {
                elman_files::open(&file.path).map_err(|error| failed(&file.path, error))?;
            }
            let name = paths::to_text(&file.path);
            files.push(TextFile { path: file.path, name, real, given: file.given, is_in_folder: file.is_in_folder });
        }
        Ok(AllSources { given, files, left_out: found.left_out })
    }

    /// The columns that every table must have.
    fn columns(&self) -> Columns {
        let text_column = self.text_column.as_deref().unwrap_or("text");
        Columns::new([Some(text_column), self.id_column.as_deref()].into_iter().flatten())
    }

    /// Checks that the columns that are to be kept as metadata are each in one of the tables, if there are tables.
    ///
    /// # Errors
    /// That the first of the tables that can be read has no such column.
    pub fn check_metadata(&self, files: &[TextFile]) -> Result<(), CliError> {
        for name in &self.metadata {
            let columns = self.columns().with_optional([name]).by_name();
            let tables = files.iter().filter(|file| Table::has_columns(&file.path));
            let (mut missing, mut is_found) = (None, false);
            for file in tables {
                // the first row with a value tells; a table without the column says so at its beginning or at its end
                let table = Table::open_in(&file.path, columns.clone(), self.encoding.name);
                let column = columns.required();
                let has = table.and_then(|mut rows| {
                    rows.find(|row| row.as_ref().map_or(true, |row| row.get(column).is_some())).transpose()
                });
                match has {
                    Err(TextError::NoColumn { column, .. }) if column != *name => {}
                    Err(error @ TextError::NoColumn { .. }) => missing = missing.or(Some(error)),
                    // what else is wrong with it is reported when it is read
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
    pub fn read(&self, file: &TextFile) -> Result<Reading, CliError> {
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
        let (has_id, kept) = (self.id_column.is_some(), self.metadata.clone());
        let rows = table.map(move |row| source(&file, row?, has_id, &kept));
        Ok(Box::new(rows.filter(move |source| !is_blank(source))))
    }
}

/// The text of a table's row, whose columns are the text, the id if there is one, and metadata.
fn source(file: &TextFile, row: Row, has_id: bool, kept: &[String]) -> Result<Source, CliError> {
    let id = has_id.then(|| row.text(1).to_owned());
    // a row without a text is left out, and needs no id
    if id.as_ref().is_some_and(String::is_empty) && !row.text(0).trim().is_empty() {
        return Err(row.error(1, "a name for the entry").into());
    }
    let mut source = Source::new(file, row.place(), id, row.text(0).to_owned());
    for (n, name) in kept.iter().enumerate() {
        let value = row.text(1 + usize::from(has_id) + n);
        if !value.is_empty() {
            source.metadata.insert(name.clone(), typed(value));
        }
    }
    Ok(source)
}

/// A number, true or false, if a value is written as one; else its text.
fn typed(value: &str) -> Value {
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
    fn values_have_the_type_that_they_are_written_as() {
        let values = ["12", "-1.5e3", "true", "007", "twelve", "\"x\"", "null", "[1]", "1 2"];
        let expected = json!([12, -1500.0, true, "007", "twelve", "\"x\"", "null", "[1]", "1 2"]);
        assert_eq!(json!(values.map(typed)), expected);
    }
}
