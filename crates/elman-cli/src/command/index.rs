use std::{collections::HashSet, path::PathBuf, sync::mpsc, thread};

use clap::Args;
#[cfg(feature = "graph")]
use elman::index::OpenStore;
use elman::index::{Comparison, Entry, Field, Filter, Location, Scalar, VectorStore};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    changed::{Changed, Seen},
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    labelled::TABLES,
    model::EmbeddingModel,
    output,
    sources::{FILE, Source, Sources},
    store::{LocationParser, StoreModel},
};

/// Entries that are given to the store together.
const TOGETHER: usize = 512;
/// How often so many may wait to be written.
const QUEUE: usize = 4;

/// Put each line of some texts, or each row of tables, into a store that can be searched.
///
/// An entry is called FILE:LINE, and has the metadata file and line. Indexing a file again under the same name goes through what
/// has changed since, and goes on where it was interrupted. The store remembers the model that made its vectors.
#[derive(Args, Debug)]
#[command(after_help = format!("\
Examples:
  elman index notes.txt --store notes-index
  elman search \"what I look for\" --store notes-index
  elman index films.csv --text-column plot --id-column title --metadata year,country --store films
  elman search \"a heist goes wrong\" --store films --filter \"year < 1980\"

{TABLES}
Other files are read line by line. In a table, entries without a column of ids are called FILE:LINE, or FILE:ROW for
.parquet. Metadata that are written as numbers, true or false are so; empty ones are left out."))]
pub struct Index {
    #[command(flatten)]
    sources: Sources,

    #[command(flatten)]
    model: EmbeddingModel,

    /// Where to put the vectors: a directory, or an address such as postgres://me@host/notes; made if it is not there
    #[arg(long, value_name = "STORE", value_parser = LocationParser)]
    store: Location,

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
    store: &'a str,
    indexed: usize,
    unchanged: usize,
    removed: usize,
    entries: usize,
    d_embedding: usize,
}

impl Index {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let paths = self.sources.paths()?;
        let model = Model::open(self.model.path(), &self.embedding, true, &device)?;
        let mut store = StoreModel::new(self.model.path(), &model).open(&self.store, model.d_embedding())?;

        let before = self.store.open_read_only()?;
        let sources = paths.iter().flat_map(|path| match self.sources.read(path) {
            Ok(sources) => sources,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let seen = Seen::default();
        let mut rows = embedding::rows(&model, Changed::new(sources, &*before, &seen));
        let (mut indexed, mut without) = (0, 0);
        // the store writes while more is embedded
        let writing: Result<(), CliError> = thread::scope(|scope| {
            let (queue, entries) = mpsc::sync_channel::<Vec<Entry>>(QUEUE);
            let store = &mut *store;
            let writer = scope.spawn(move || entries.into_iter().try_for_each(|entries| store.upsert(entries)));
            let mut embedded = Ok(());
            loop {
                let together = match rows.by_ref().take(TOGETHER).collect::<Result<Vec<_>, _>>() {
                    Ok(together) if together.is_empty() => break,
                    Ok(together) => together,
                    Err(error) => {
                        embedded = Err(error);
                        break;
                    }
                };
                let is_known = |(_, vector): &(Source, Vec<f32>)| vector.iter().any(|&value| value != 0.0);
                let (some, none): (Vec<_>, Vec<_>) = together.into_iter().partition(is_known);
                without += none.len();
                for (source, _) in &none {
                    seen.ids.borrow_mut().remove(&source.id);
                }
                let entries: Vec<Entry> = some.into_iter().map(|(source, vector)| source.into_entry(vector)).collect();
                indexed += entries.len();
                if queue.send(entries).is_err() {
                    break; // the writer has failed
                }
            }
            drop(queue);
            let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written?;
            embedded
        });
        drop(rows);
        writing?;
        let (present, unchanged) = (seen.ids.into_inner(), seen.unchanged.get());
        if without > 0 {
            output::notice(format_args!("note: {without} texts have nothing that the model knows, and were left out"));
        }
        if present.is_empty() {
            return Err(CliError::NoText { name: paths[0].display().to_string() });
        }
        let removed = remove_others(&mut *store, &paths, &present)?;
        store.flush()?;
        #[cfg(feature = "graph")]
        if let OpenStore::Local(store) = &mut store
            && store.needs_graph()?
        {
            super::store::graph::build(store)?;
        }
        let at = self.store.to_string();
        let report =
            Report { store: &at, indexed, unchanged, removed, entries: store.count()?, d_embedding: store.d_embed() };
        if self.json {
            return output::json(&report);
        }
        let also = |count, what| if count > 0 { format!(", {count} {what}") } else { String::new() };
        let (unchanged, removed) = (also(unchanged, "unchanged"), also(removed, "removed"));
        output::notice(format_args!(
            "{indexed} texts indexed{unchanged}{removed}; {at} has {} entries",
            report.entries
        ));
        output::line(format!("Search it with:\n  elman search \"what I look for\" --store {at}"))
    }
}

/// Removes the entries of these files that are no longer there, and counts them.
fn remove_others(store: &mut dyn VectorStore, paths: &[PathBuf], present: &HashSet<String>) -> Result<usize, CliError> {
    let of_file = |path: &PathBuf| {
        Filter::Compare(Field::from(FILE), Comparison::Equal, Scalar::Text(path.display().to_string()))
    };
    let mut old = Vec::new();
    for path in paths {
        old.extend(store.ids(Some(&of_file(path)))?.into_iter().filter(|id| !present.contains(id)));
    }
    store.delete(&old.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(old.len())
}
