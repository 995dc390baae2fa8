//! Labeled texts of a table.

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

/// The options that select a table of labeled texts.
#[derive(Args, Debug)]
pub struct LabeledTexts {
    /// Table of texts and labels: .tsv, .csv, .jsonl or .parquet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Column of texts [default: text]
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,

    /// Column of labels [default: label]
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,

    #[command(flatten)]
    encoding: EncodingOption,
}

/// The table formats, for `--help`.
pub const TABLES: &str = "\
Table formats:
  .tsv             tab-separated, without quotes
  .csv             separated by commas, semicolons, tabs or vertical bars (detected), quoted where needed
  .jsonl, .ndjson  one object or array per line
  .parquet
All but .parquet may be gzip-compressed (.gz). A column that an option names must exist. Without
such an option, a .tsv or .csv file whose first row names none of the columns is read without a
header, its columns in the default order.";

/// A text, its label, and their location in the file.
pub struct Example {
    pub text: String,
    pub label: String,
    location: RowLocation,
}

impl AsRef<str> for Example {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Example {
    /// An error with the location of this example.
    pub fn error(&self, file: &Path, source: ClassifyError) -> CliError {
        CliError::Example { path: file.into(), location: self.location, source }
    }
}

impl LabeledTexts {
    /// The examples, one at a time.
    ///
    /// # Errors
    /// For a row without a label, among others.
    pub fn read(&self) -> Result<impl Iterator<Item = Result<Example, CliError>> + use<>, CliError> {
        let [text, label] = [(&self.text_column, "text"), (&self.label_column, "label")]
            .map(|(given, default)| given.as_deref().unwrap_or(default));
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
            Ok(Example { text, label, location: row.place() })
        }))
    }

    /// The number of examples of each label.
    ///
    /// # Errors
    /// If there are fewer than two labels.
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

    /// The error for a table without examples.
    pub fn no_examples(&self) -> CliError {
        CliError::NoExamples { path: self.file.clone() }
    }
}
