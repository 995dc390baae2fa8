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

/// What is learned from.
#[derive(Args, Debug)]
pub struct ExampleOptions {
    /// Files of examples
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    /// What an example is: a text; two texts that belong together; two texts and a score; a text, one that is like it and one
    /// that is less so
    #[arg(long, value_enum, default_value = "texts")]
    pub kind: Kind,

    /// The score of two texts that mean the same; 0 is that of texts that have nothing to do with each other
    #[arg(long, value_name = "X", default_value_t = 5.0)]
    top_score: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Texts,
    Pairs,
    Scored,
    Triplets,
}

impl Kind {
    /// The names that columns may have.
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
    /// The columns of all files.
    pub fn read(&self) -> Result<Vec<Vec<String>>, CliError> {
        let names = self.kind.columns();
        let mut columns = vec![Vec::new(); names.len()];
        for path in &self.files {
            // lines, of which empty ones count: a teacher's vectors belong to them
            if self.kind == Kind::Texts && (path == Path::new("-") || path.extension().is_some_and(|e| e == "txt")) {
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

    /// Examples of these columns, each text cut after `longest` tokens.
    pub fn of(
        &self,
        mut columns: Vec<Vec<String>>,
        teacher: Option<VectorFile>,
        tokenizer: &TextTokenizer,
        longest: usize,
    ) -> Result<Examples, CliError> {
        let scores = if self.kind == Kind::Scored { columns.pop().unwrap_or_default() } else { Vec::new() };
        let texts: Vec<Texts> =
            columns.iter().map(|column| Texts::new(tokenizer, column, longest)).collect::<Result<_, _>>()?;
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        Ok(match self.kind {
            Kind::Texts => Examples::Texts(next(), teacher),
            Kind::Pairs => Examples::Pairs([next(), next()]),
            Kind::Scored => {
                let score = |(i, text): (usize, &String)| match text.trim().parse::<f32>() {
                    Ok(score) if score.is_finite() => Ok(score / self.top_score),
                    _ => Err(CliError::Score { number: i + 1, found: text.clone() }),
                };
                let scores = scores.iter().enumerate().map(score).collect::<Result<_, _>>()?;
                Examples::Scored([next(), next()], scores)
            }
            Kind::Triplets => Examples::Triplets([next(), next(), next()]),
        })
    }
}
