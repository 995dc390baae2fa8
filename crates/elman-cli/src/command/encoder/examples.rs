use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use elman::{
    embedding::{
        VectorFile,
        train::{Examples, Texts},
    },
    text::{Columns, Table, TextTokenizer},
};

use crate::{arguments::EncodingOption, error::CliError, lines};

/// The options that select training examples.
#[derive(Args, Debug)]
pub struct ExampleOptions {
    /// Files of training examples
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    /// Training task: texts, pairs of related texts, scored pairs, or triplets of an anchor, a positive and a negative
    /// text
    #[arg(long, value_enum, default_value = "texts")]
    pub task: Task,

    /// For scored pairs: the score of texts with the same meaning; 0 is the score of unrelated texts
    #[arg(long, value_name = "X", default_value_t = 5.0)]
    max_score: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    Texts,
    Pairs,
    Scored,
    Triplets,
}

impl Task {
    /// The default column names.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Texts => &["text"],
            Self::Pairs => &["anchor", "positive"],
            Self::Scored => &["sentence1", "sentence2", "score"],
            Self::Triplets => &["anchor", "positive", "negative"],
        }
    }
}

impl ExampleOptions {
    /// Reads the columns of all files.
    pub fn read(&self) -> Result<Vec<Vec<String>>, CliError> {
        let names = self.task.columns();
        let mut columns = vec![Vec::new(); names.len()];
        for path in &self.files {
            // includes empty lines: a teacher's vectors correspond to lines
            if self.task == Task::Texts && (path == Path::new("-") || path.extension().is_some_and(|e| e == "txt")) {
                for line in lines::open(path, self.encoding.name)? {
                    columns[0].push(line?);
                }
                continue;
            }
            for row in Table::open_in(path, Columns::new(names.iter().copied()), self.encoding.name)? {
                let row = row?;
                columns.iter_mut().enumerate().for_each(|(n, column)| column.push(row.text(n).to_owned()));
            }
        }
        match columns[0].is_empty() {
            true => Err(CliError::NoText { name: self.files[0].display().to_string() }),
            false => Ok(columns),
        }
    }

    /// Tokenizes columns to examples, with texts truncated to `max_tokens` tokens.
    pub fn tokenize(
        &self,
        mut columns: Vec<Vec<String>>,
        teacher: Option<VectorFile>,
        tokenizer: &TextTokenizer,
        max_tokens: usize,
    ) -> Result<Examples, CliError> {
        let scores = if self.task == Task::Scored { columns.pop().unwrap_or_default() } else { Vec::new() };
        let texts: Vec<Texts> =
            columns.iter().map(|column| Texts::new(tokenizer, column, max_tokens)).collect::<Result<_, _>>()?;
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        Ok(match self.task {
            Task::Texts => Examples::Texts(next(), teacher),
            Task::Pairs => Examples::Pairs([next(), next()]),
            Task::Scored => {
                let score = |(i, text): (usize, &String)| match text.trim().parse::<f32>() {
                    Ok(score) if score.is_finite() => Ok(score / self.max_score),
                    _ => Err(CliError::Score { number: i + 1, found: text.clone() }),
                };
                let scores = scores.iter().enumerate().map(score).collect::<Result<_, _>>()?;
                Examples::Scored([next(), next()], scores)
            }
            Task::Triplets => Examples::Triplets([next(), next(), next()]),
        })
    }
}
