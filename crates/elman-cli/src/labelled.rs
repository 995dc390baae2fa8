//! Texts with labels, from a table.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use elman::{
    classify::ClassifyError,
    text::{Columns, Place, Table},
};

use crate::error::CliError;

/// The options that name a table of texts and labels.
#[derive(Args, Debug)]
pub struct Labelled {
    /// Texts and their labels: .tsv, .csv, .jsonl or .parquet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Name of the column with the texts
    #[arg(long, value_name = "NAME", default_value = "text")]
    text_column: String,

    /// Name of the column with the labels
    #[arg(long, value_name = "NAME", default_value = "label")]
    label_column: String,
}

/// How a table is read, for `--help`.
pub const TABLES: &str = "\
Kinds of file:
  .tsv             columns separated by tabs, without quotes
  .csv             columns separated by commas, with quotes where needed
  .jsonl, .ndjson  an object or a list per line
  .parquet
All but .parquet may be followed by .gz. A .tsv or .csv file whose first row names neither column has no header: it has
two columns, the text and its label.";

/// A text, its label, and where they stand.
pub struct Example {
    pub text: String,
    pub label: String,
    place: Place,
}

impl AsRef<str> for Example {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Example {
    /// What is wrong with it, with its place in the file.
    pub fn error(&self, file: &Path, source: ClassifyError) -> CliError {
        CliError::Example { path: file.into(), place: self.place, source }
    }
}

impl Labelled {
    /// The examples, one at a time; none without a label.
    pub fn read(&self) -> Result<impl Iterator<Item = Result<Example, CliError>> + use<>, CliError> {
        let table = Table::open(&self.file, Columns::new([&self.text_column, &self.label_column]))?;
        Ok(table.map(|row| {
            let row = row?;
            if row.text(1).trim().is_empty() {
                return Err(row.error(1, "a label").into());
            }
            let (text, label) = (row.text(0).to_owned(), row.text(1).to_owned());
            Ok(Example { text, label, place: row.place() })
        }))
    }

    /// How many examples have each label: at least one example, and two labels.
    pub fn counts(&self) -> Result<BTreeMap<String, usize>, CliError> {
        let mut counts = BTreeMap::new();
        for example in self.read()? {
            *counts.entry(example?.label).or_default() += 1;
        }
        match counts.keys().next() {
            None => Err(self.no_examples()),
            Some(label) if counts.len() == 1 => Err(ClassifyError::OneLabel { label: label.clone() }.into()),
            Some(_) => Ok(counts),
        }
    }

    /// The error that there is no example.
    pub fn no_examples(&self) -> CliError {
        CliError::NoExamples { path: self.file.clone() }
    }
}
