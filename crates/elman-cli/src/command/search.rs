use std::path::PathBuf;

use clap::{Args, builder::NonEmptyStringValueParser};
use elman::index::{FlatStore, Hit, VectorStore};
use serde::Serialize;

use crate::{arguments::DeviceOption, error::CliError, model::warn_of_unknown, output, store::StoreModel};

/// Find the lines of a store that are most like a text.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman search \"what I look for\" --store notes-index -k 3

A line's score is the cosine of its vector and the query's: 1 is the same direction, 0 is none in common.")]
pub struct Search {
    /// What to look for
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    query: String,

    /// The store: a directory that 'elman index' wrote
    #[arg(long, value_name = "DIR")]
    store: PathBuf,

    /// Lines to show
    #[arg(short, value_name = "N", default_value_t = 10)]
    k: usize,

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
}

fn found((n, hit): (usize, &Hit)) -> Found<'_> {
    Found { rank: n + 1, score: hit.score, id: &hit.id, text: &hit.text }
}

impl Search {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let store = FlatStore::open_read_only(&self.store)?;
        let model = StoreModel::of(&store, &self.store)?;
        let embedder = model.load(&self.store, self.model.as_deref(), &device)?;
        warn_of_unknown("query", &self.query, embedder.tokenizer())?;
        let query = embedder.embed(&[&self.query])?.pop().unwrap_or_default();
        let hits = store.search(&query, self.k)?;
        let found: Vec<Found> = hits.iter().enumerate().map(found).collect();
        if self.json {
            return output::json(&found);
        }
        for Found { rank, score, id, text } in found {
            output::line(format!("{rank:>3}  {score:.3}  {id}  {}", text.trim()))?;
        }
        Ok(())
    }
}
