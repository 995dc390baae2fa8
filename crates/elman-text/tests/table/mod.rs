//! Helper that reads a file as a table.
#![allow(dead_code)] // not every test uses everything

use std::{fs, io::Write, path::PathBuf};

use elman_text::{Columns, Row, Table, TextError};
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

/// A temporary directory with a file.
pub struct File {
    _folder: TempDir,
    pub path: PathBuf,
}

impl File {
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        if name.ends_with(".gz") {
            let mut file = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
            file.write_all(content.as_ref()).unwrap();
            file.finish().unwrap();
        } else {
            fs::write(&path, content).unwrap();
        }
        Self { _folder: folder, path }
    }

    pub fn read(&self, columns: Columns) -> Result<Vec<Row>, TextError> {
        Table::open(&self.path, columns)?.collect()
    }

    /// The texts of all rows, `-` for missing values.
    pub fn texts(&self, columns: Columns) -> Vec<Vec<String>> {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let rows = self.read(columns).unwrap_or_else(|error| panic!("{error}"));
        rows.into_iter().map(|row| row.into_values().into_iter().map(text).collect()).collect()
    }

    /// The error message, without the directory of the file.
    pub fn error(&self, columns: Columns) -> String {
        let error = self.read(columns).expect_err("an error").to_string();
        let name = self.path.file_name().unwrap().to_str().unwrap();
        error.replace(self.path.to_str().unwrap(), name)
    }
}

pub fn labeled() -> Columns {
    Columns::new(["text", "label"])
}
