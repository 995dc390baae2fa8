use std::{collections::HashSet, path::PathBuf};

use clap::Args;
use elman::{
    index::{Entry, FlatStore, IndexError, VectorStore},
    text::Corpus,
};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    lines::Lines,
    model::EmbeddingModel,
    output,
    store::StoreModel,
};

/// Entries that are given to the store together.
const TOGETHER: usize = 512;

/// Put each line of some texts into a store that can be searched.
///
/// An entry is called FILE:LINE. Indexing a file again under the same name replaces all of its entries. The store
/// remembers the model that made its vectors.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman index notes.txt --store notes-index
  elman search \"what I look for\" --store notes-index")]
pub struct Index {
    /// Text files in UTF-8, or folders of them; lines without text are left out
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    model: EmbeddingModel,

    /// Where to put the vectors: a directory, made if it is not there
    #[arg(long, value_name = "DIR")]
    store: PathBuf,

    #[command(flatten)]
    device: DeviceOption,

    /// Print what was stored as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    embedding: EmbeddingOptions,
}

#[derive(Serialize)]
struct Report<'a> {
    store: &'a PathBuf,
    indexed: usize,
    entries: usize,
    d_embedding: usize,
}

/// A line and where it stands.
struct Line {
    id: String,
    text: String,
}

impl AsRef<str> for Line {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Index {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let corpus = Corpus::open(&self.files)?;
        let model = Model::open(self.model.path(), &self.embedding, true, &device)?;
        let mut store = StoreModel::new(self.model.path(), &model).open(&self.store, model.d_embedding())?;

        forget(&mut store, &corpus)?;
        let lines = corpus.paths().flat_map(|path| match Lines::open(path) {
            Ok(lines) => {
                let name = path.display().to_string();
                let numbered = lines
                    .enumerate()
                    .map(move |(n, text)| text.map(|text| Line { id: format!("{name}:{}", n + 1), text }));
                Box::new(numbered.filter(|line| !matches!(line, Ok(line) if line.text.trim().is_empty())))
                    as Box<dyn Iterator<Item = _>>
            }
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let mut rows = embedding::rows(&model, lines);
        let mut indexed = 0;
        loop {
            let entries = rows
                .by_ref()
                .take(TOGETHER)
                .map(|row| row.map(|(line, vector): (Line, Vec<f32>)| Entry::new(line.id, vector, line.text)));
            let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
            if entries.is_empty() {
                break;
            }
            indexed += entries.len();
            store.upsert(entries)?;
        }
        drop(rows);
        if indexed == 0 {
            return Err(CliError::NoText { name: self.files[0].display().to_string() });
        }
        store.flush()?;
        let report = Report { store: &self.store, indexed, entries: store.count()?, d_embedding: store.d_embed() };
        if self.json {
            return output::json(&report);
        }
        let at = self.store.display();
        eprintln!("{indexed} lines indexed; {at} has {} entries", report.entries);
        output::line(format!("Search it with:\n  elman search \"what I look for\" --store {at}"))
    }
}

/// Removes what the store has of these files, lines that are no longer there included. Nothing is lost before the new
/// entries are flushed.
fn forget(store: &mut FlatStore, corpus: &Corpus) -> Result<(), IndexError> {
    let names: HashSet<String> = corpus.paths().map(|path| path.display().to_string()).collect();
    let of_these = |id: &str| id.rsplit_once(':').is_some_and(|(name, _)| names.contains(name));
    // any query finds all entries
    let stored = store.search(&vec![0.0; store.d_embed()], usize::MAX)?;
    let old: Vec<&str> = stored.iter().map(|hit| hit.id.as_str()).filter(|id| of_these(id)).collect();
    store.delete(&old)
}
