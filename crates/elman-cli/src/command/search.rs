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
    highlight,
    model::warn_about_unknown_tokens,
    output,
    store::{LocationParser, StoreModel},
};

/// Search a store for the entries most similar to a text.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman search \"a question\" --store notes-index -k 3
  elman search \"a question\" --store notes-index --hybrid --filter \"file = 'notes.txt' and line > 100\"

The score is the cosine of the entry's and the query's vectors, from -1 to 1. With --hybrid, it is
the sum of 1 / (60 + rank) over vector search and full-text search (reciprocal rank fusion).

A filter compares metadata fields with numbers, quoted strings, true or false: =, !=, <, <=, >, >=,
in ('a', 'b'), not in. Combine comparisons with and, or, not and parentheses.")]
pub struct Search {
    /// Query text
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    query: String,

    /// Store: a directory, or an address such as postgres://me@host/notes, written by 'elman index'
    #[arg(long, value_name = "STORE", value_parser = LocationParser)]
    store: Location,

    /// Number of entries to show
    #[arg(short, value_name = "N", default_value_t = 10)]
    k: usize,

    /// Combine vector search with full-text search
    #[arg(long)]
    hybrid: bool,

    /// Compare the query with all entries, without using the HNSW graph
    #[arg(long, conflicts_with = "hybrid")]
    exact: bool,

    /// Only show entries whose metadata match a filter, such as "line > 100"
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,

    /// Model directory of the store, if it has moved
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the entries as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    rank: usize,
    score: f32,
    id: &'a str,
    text: &'a str,
    /// The sentence most similar to the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
}

/// Entries from which on a search without a graph prints a note.
#[cfg(not(feature = "graph"))]
const GRAPH_NOTE_ENTRIES: usize = 200_000;

impl Search {
    fn hits(&self, store: &OpenStore, query: &[f32]) -> Result<Vec<Hit>, CliError> {
        let filter = self.filter.as_ref();
        let local = |option| store.local().ok_or_else(|| CliError::LocalOnly { option, store: self.store.to_string() });
        Ok(match filter {
            // a query without known tokens has a zero vector; full-text search still applies
            _ if self.hybrid && query.iter().all(|&value| value == 0.0) => {
                local("--hybrid")?.search_text(&self.query, self.k, filter)?
            }
            // a zero vector is similar to no text
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
        let model = StoreModel::from_store(&*store, &self.store)?;
        let embedder = model.load(&self.store, self.model.as_deref(), &device)?;
        warn_about_unknown_tokens("query", &self.query, embedder.tokenizer())?;
        let query = embedder.embed(&[&self.query])?.pop().unwrap_or_default();
        let hits = self.hits(&store, &query)?;
        #[cfg(not(feature = "graph"))]
        if store.local().is_some() && self.filter.is_none() && store.count()? >= GRAPH_NOTE_ENTRIES {
            output::notice(
                "note: the query was compared with every vector; a build with the feature 'graph' is faster for a store of this size",
            );
        }
        let use_color = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let texts: Vec<&str> = hits.iter().map(|hit| hit.text.as_str()).collect();
        let best = match self.json || use_color {
            true => highlight::best_sentences(&embedder, &query, &texts)?,
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
            let (id, text) = match use_color {
                true => (highlight::dimmed(id), highlight::highlighted(text, best.as_ref())),
                false => (in_one_line(id), in_one_line(text.trim())),
            };
            output::styled_line(format!("{rank:>3} {score:>6.3}  {id}  {text}"))?;
        }
        Ok(())
    }
}
