use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    path::PathBuf,
};

use clap::Args;
use elman::{
    index::{Entry, LocalStore, Metadata, VectorStore},
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
/// An entry is called FILE:LINE, and has the metadata file and line. Indexing a file again under the same name goes through what
/// has changed since, and goes on where it was interrupted. The store remembers the model that made its vectors.
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
    unchanged: usize,
    removed: usize,
    entries: usize,
    d_embedding: usize,
}

/// A line and where it stands.
struct Line {
    id: String,
    text: String,
    metadata: Metadata,
}

impl Line {
    fn new(file: &str, number: usize, text: String) -> Self {
        let metadata = [("file".to_string(), file.into()), ("line".to_string(), number.into())];
        Self { id: format!("{file}:{number}"), text, metadata: metadata.into_iter().collect() }
    }
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

        let before = LocalStore::open_read_only(&self.store)?;
        let is_stored = |line: &Line| -> Result<bool, CliError> {
            Ok(before
                .get(&line.id)?
                .is_some_and(|entry| entry.text == line.text && entry.metadata.as_ref() == Some(&line.metadata)))
        };
        let (present, unchanged) = (RefCell::new(HashSet::new()), Cell::new(0));
        let lines = corpus.paths().flat_map(|path| match Lines::open(path) {
            Ok(lines) => {
                let name = path.display().to_string();
                let numbered = lines.enumerate().map(move |(n, text)| text.map(|text| Line::new(&name, n + 1, text)));
                Box::new(numbered.filter(|line| !matches!(line, Ok(line) if line.text.trim().is_empty())))
                    as Box<dyn Iterator<Item = _>>
            }
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let lines = lines.filter_map(|line: Result<Line, CliError>| {
            let line = match line {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            present.borrow_mut().insert(line.id.clone());
            match is_stored(&line) {
                Ok(true) => {
                    unchanged.set(unchanged.get() + 1);
                    None
                }
                Ok(false) => Some(Ok(line)),
                Err(error) => Some(Err(error)),
            }
        });
        let mut rows = embedding::rows(&model, lines);
        let mut indexed = 0;
        loop {
            let entries =
                rows.by_ref().take(TOGETHER).map(|row| row.map(|(line, vector): (Line, Vec<f32>)| entry(line, vector)));
            let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
            if entries.is_empty() {
                break;
            }
            indexed += entries.len();
            store.upsert(entries)?;
        }
        drop(rows);
        let (present, unchanged) = (present.into_inner(), unchanged.get());
        if present.is_empty() {
            return Err(CliError::NoText { name: self.files[0].display().to_string() });
        }
        let removed = remove_others(&mut store, &corpus, &present)?;
        store.flush()?;
        let report = Report {
            store: &self.store,
            indexed,
            unchanged,
            removed,
            entries: store.count()?,
            d_embedding: store.d_embed(),
        };
        if self.json {
            return output::json(&report);
        }
        let at = self.store.display();
        let also = |count, what| if count > 0 { format!(", {count} {what}") } else { String::new() };
        let (unchanged, removed) = (also(unchanged, "unchanged"), also(removed, "removed"));
        eprintln!("{indexed} lines indexed{unchanged}{removed}; {at} has {} entries", report.entries);
        output::line(format!("Search it with:\n  elman search \"what I look for\" --store {at}"))
    }
}

fn entry(Line { id, text, metadata }: Line, vector: Vec<f32>) -> Entry {
    Entry::new(id, vector, text).with_metadata(metadata)
}

/// Removes the lines of these files that are no longer there, and counts them.
fn remove_others(store: &mut LocalStore, corpus: &Corpus, present: &HashSet<String>) -> Result<usize, CliError> {
    let names: HashSet<String> = corpus.paths().map(|path| path.display().to_string()).collect();
    let of_these = |id: &str| id.rsplit_once(':').is_some_and(|(name, _)| names.contains(name));
    let ids = store.ids()?;
    let old: Vec<&str> = ids.iter().map(String::as_str).filter(|id| of_these(id) && !present.contains(*id)).collect();
    store.delete(&old)?;
    Ok(old.len())
}
