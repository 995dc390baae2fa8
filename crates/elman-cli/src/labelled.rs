//! Texts with labels, from a table.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use elman::{
    classify::ClassifyError,
    text::{Columns, RowLocation, Table},
};

use crate::{arguments::EncodingOption, error::CliError};

/// The options that name a table of texts and labels.
#[derive(Args, Debug)]
pub struct Labelled {
    /// Texts and their labels: .tsv, .csv, .jsonl or .parquet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Name of the column with the texts [default: text]
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,

    /// Name of the column with the labels [default: label]
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,

    #[command(flatten)]
    encoding: EncodingOption,
}

/// How a table is read, for `--help`.
pub const TABLES: &str = "\
Kinds of file:
  .tsv             columns separated by tabs, without quotes
  .csv             columns separated by commas, semicolons, tabs or bars (a guess), with quotes where needed
  .jsonl, .ndjson  an object or a list per line
  .parquet
All but .parquet may be followed by .gz. Columns that an option names must be there. Without such an option, a .tsv or .csv
file whose first row names none of the columns has no header: its columns come in their order.";

/// A text, its label, and where they stand.
pub struct Example {
    pub text: String,
    pub label: String,
    place: RowLocation,
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
        let [text, label] = [(&self.text_column, "text"), (&self.label_column, "label")]
            .map(|(given, otherwise)| given.as_deref().unwrap_or(otherwise));
        let is_named = self.text_column.is_some() || self.label_column.is_some();
        let columns = Columns::new([text, label]);
        let columns = if is_named { columns.by_name() } else { columns };
        let table = Table::open_in(&self.file, columns, self.encoding.name)?;
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
