use std::{io, path::PathBuf};

use anstream::{AutoStream, ColorChoice};
use clap::{Args, builder::NonEmptyStringValueParser};
use elman::{
    index::{Filter, Hit, Location, Metadata, OpenStore},
    text::printable::in_one_line,
};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    error::CliError,
    model::warn_of_unknown,
    output, passage,
    store::{LocationParser, StoreModel},
};

/// Find the lines of a store that are most like a text.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman search \"what I look for\" --store notes-index -k 3
  elman search \"what I look for\" --store notes-index --hybrid --filter \"file = 'notes.txt' and line > 100\"

A line's score is the cosine of its vector and the query's: 1 is the same direction, 0 is none in common. With
--hybrid it is the sum of 1 / (60 + rank) over the two searches.

A filter compares metadata with numbers, texts in quotes, true and false: =, !=, <, <=, >, >=, in ('a', 'b'), not in;
and, or, not, and parentheses join comparisons.")]
pub struct Search {
    /// What to look for
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    query: String,

    /// The store: a directory that 'elman index' wrote, or an address that it was given
    #[arg(long, value_name = "STORE", value_parser = LocationParser)]
    store: Location,

    /// Lines to show
    #[arg(short, value_name = "N", default_value_t = 10)]
    k: usize,

    /// Search by the words of the query too, and put both lists in one order
    #[arg(long)]
    hybrid: bool,

    /// Compare the query with every line, where the store has a graph
    #[arg(long, conflicts_with = "hybrid")]
    exact: bool,

    /// Only lines whose metadata meet a condition, such as "line > 100"
    #[arg(long, value_name = "CONDITION")]
    filter: Option<Filter>,

    /// Where the store's model is, if it has moved
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the lines as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    rank: usize,
    score: f32,
    id: &'a str,
    text: &'a str,
    /// The sentence that is most like the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
}

/// Entries among which a graph is much faster.
#[cfg(not(feature = "graph"))]
const MANY: usize = 200_000;

impl Search {
    fn hits(&self, store: &OpenStore, query: &[f32]) -> Result<Vec<Hit>, CliError> {
        let filter = self.filter.as_ref();
        let local =
            |option| store.local().ok_or_else(|| CliError::FolderOnly { option, store: self.store.to_string() });
        Ok(match filter {
            // of a query without a word that the model knows, the words can still be looked for
            _ if self.hybrid && query.iter().all(|&value| value == 0.0) => {
                local("--hybrid")?.search_text(&self.query, self.k, filter)?
            }
            // it has no direction, and no text is like it
            _ if !self.hybrid && query.iter().all(|&value| value == 0.0) => Vec::new(),
            _ if self.hybrid => local("--hybrid")?.search_hybrid(&self.query, query, self.k, filter)?,
            _ if self.exact => local("--exact")?.search_exact(query, self.k, filter)?,
            Some(filter) => store.search_where(query, self.k, filter)?,
            None => store.search(query, self.k)?,
        })
    }

    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let store = self.store.open_read_only()?;
        let model = StoreModel::of(&*store, &self.store)?;
        let embedder = model.load(&self.store, self.model.as_deref(), &device)?;
        warn_of_unknown("query", &self.query, embedder.tokenizer())?;
        let query = embedder.embed(&[&self.query])?.pop().unwrap_or_default();
        let hits = self.hits(&store, &query)?;
        #[cfg(not(feature = "graph"))]
        if store.local().is_some() && self.filter.is_none() && store.count()? >= MANY {
            output::notice(
                "note: every vector was looked at; a program built with the feature 'graph' is faster among so many",
            );
        }
        let on_terminal = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let texts: Vec<&str> = hits.iter().map(|hit| hit.text.as_str()).collect();
        let best = match self.json || on_terminal {
            true => passage::nearest(&embedder, &query, &texts)?,
            false => vec![None; texts.len()],
        };
        if self.json {
            let found = (1..).zip(&hits).zip(&best).map(|((rank, hit), best)| Found {
                rank,
                score: hit.score,
                id: &hit.id,
                text: &hit.text,
                best: best.clone().map(|range| &hit.text[range]),
                metadata: hit.metadata.as_ref(),
            });
            return output::json(&found.collect::<Vec<_>>());
        }
        for ((rank, Hit { id, score, text, .. }), best) in (1..).zip(&hits).zip(&best) {
            let (id, text) = match on_terminal {
                true => (passage::faint(id), passage::marked(text, best.as_ref())),
                false => (in_one_line(id), in_one_line(text.trim())),
            };
            output::styled_line(format!("{rank:>3} {score:>6.3}  {id}  {text}"))?;
        }
        Ok(())
    }
}
