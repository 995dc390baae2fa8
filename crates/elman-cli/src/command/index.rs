use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    path::PathBuf,
};

use clap::Args;
use elman::index::{Comparison, Entry, Field, Filter, LocalStore, Scalar, VectorStore};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    labelled::TABLES,
    model::EmbeddingModel,
    output,
    sources::{FILE, Source, Sources},
    store::StoreModel,
};

/// Entries that are given to the store together.
const TOGETHER: usize = 512;

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

impl Index {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let paths = self.sources.paths()?;
        let model = Model::open(self.model.path(), &self.embedding, true, &device)?;
        let mut store = StoreModel::new(self.model.path(), &model).open(&self.store, model.d_embedding())?;

        let before = LocalStore::open_read_only(&self.store)?;
        let is_stored = |source: &Source| -> Result<bool, CliError> {
            Ok(before
                .get(&source.id)?
                .is_some_and(|entry| entry.text == source.text && entry.metadata.as_ref() == Some(&source.metadata)))
        };
        let (present, unchanged) = (RefCell::new(HashSet::new()), Cell::new(0));
        // what is to be embedded
        let changed = |source: Source| -> Result<Option<Source>, CliError> {
            if !present.borrow_mut().insert(source.id.clone()) {
                return Err(source.repeated());
            }
            let stored = is_stored(&source)?;
            unchanged.set(unchanged.get() + usize::from(stored));
            Ok((!stored).then_some(source))
        };
        let sources = paths.iter().flat_map(|path| match self.sources.read(path) {
            Ok(sources) => sources,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let sources = sources.filter_map(|source| source.and_then(changed).transpose());
        let mut rows = embedding::rows(&model, sources);
        let (mut indexed, mut without) = (0, 0);
        loop {
            let together: Vec<(Source, Vec<f32>)> = rows.by_ref().take(TOGETHER).collect::<Result<_, _>>()?;
            if together.is_empty() {
                break;
            }
            let (some, none): (Vec<_>, Vec<_>) =
                together.into_iter().partition(|(_, vector)| vector.iter().any(|&value| value != 0.0));
            without += none.len();
            for (source, _) in &none {
                present.borrow_mut().remove(&source.id);
            }
            let entries: Vec<Entry> = some.into_iter().map(|(source, vector)| source.into_entry(vector)).collect();
            indexed += entries.len();
            store.upsert(entries)?;
        }
        drop(rows);
        let (present, unchanged) = (present.into_inner(), unchanged.get());
        if without > 0 {
            eprintln!("note: {without} texts have nothing that the model knows, and were left out");
        }
        if present.is_empty() {
            return Err(CliError::NoText { name: paths[0].display().to_string() });
        }
        let removed = remove_others(&mut store, &paths, &present)?;
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
        eprintln!("{indexed} texts indexed{unchanged}{removed}; {at} has {} entries", report.entries);
        output::line(format!("Search it with:\n  elman search \"what I look for\" --store {at}"))
    }
}

/// Removes the entries of these files that are no longer there, and counts them.
fn remove_others(store: &mut LocalStore, paths: &[PathBuf], present: &HashSet<String>) -> Result<usize, CliError> {
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
