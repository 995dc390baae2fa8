//! A file that is read as a table.
#![allow(dead_code)] // not every test uses all of it

use std::{fs, io::Write, path::PathBuf};

use elman_text::{Columns, Row, Table, TextError};
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

/// A folder and a file in it.
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

    /// The texts of all rows, `-` where there is none.
    pub fn texts(&self, columns: Columns) -> Vec<Vec<String>> {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let rows = self.read(columns).unwrap_or_else(|error| panic!("{error}"));
        rows.into_iter().map(|row| row.into_values().into_iter().map(text).collect()).collect()
    }

    /// The error, without the file's path.
    pub fn error(&self, columns: Columns) -> String {
        let error = self.read(columns).expect_err("an error").to_string();
        let name = self.path.file_name().unwrap().to_str().unwrap();
        error.replace(self.path.to_str().unwrap(), name)
    }
}

pub fn labelled() -> Columns {
    Columns::new(["text", "label"])
}
