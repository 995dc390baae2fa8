use std::{collections::BTreeMap, sync::mpsc, thread};

use clap::Args;
#[cfg(feature = "graph")]
use elman::index::OpenStore;
use elman::{
    index::{Entry, Location, VectorStore},
    text::{LeftOut, Reason, TextError, real_path},
};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    changed::{Changed, Counts},
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    finding::{self, Finding, Named},
    labelled::TABLES,
    model::EmbeddingModel,
    output::{self, shell_word},
    paths,
    plan::Plan,
    sources::{AllSources, Given, REAL, Source, Sources, TextFile},
    store::{LocationParser, StoreModel},
    stored::{State, Stored},
};

/// Entries that are given to the store together.
const TOGETHER: usize = 512;
/// How often so many may wait to be written.
const QUEUE: usize = 4;

/// Put each line of some texts, or each row of tables, into a store that can be searched.
///
/// An entry is called FILE:LINE, and has the metadata file, line and canonical_path. Indexing a file or folder again, however
/// its path is spelled, makes the store as it is now: new texts are embedded, those that have moved keep their vectors, and
/// what is gone is removed. After an interruption, it goes on. The store remembers the model that made its vectors.
#[derive(Args, Debug)]
#[command(after_help = format!("\
Examples:
  elman index notes.txt --store notes-index
  elman search \"what I look for\" --store notes-index
  elman index . --exclude drafts --exclude '*.log' --store notes-index
  elman index films.csv --text-column plot --id-column title --metadata year,country --store films
  elman search \"a heist goes wrong\" --store films --filter \"year < 1980\"

{TABLES}
Other files are read line by line. In a table, entries without a column of ids are called FILE:LINE, or FILE:ROW for
.parquet. Metadata that are written as numbers, true or false are so; empty ones are left out.

Of a folder, hidden files, what .gitignore and .ignore files name, node_modules, files that are no text, links to folders,
and models, stores and reports of elman's own are passed over, counted, and with --verbose named; entries that the store has of
them are removed. A file of a folder that cannot be read is named and left out, what the store has of it stays, and the exit
code is 1. A file that is named and cannot be read is an error before anything is written."))]
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

    // groups with a heading of their own come last
    #[command(flatten)]
    embedding: EmbeddingOptions,
    #[command(flatten)]
    finding: Finding,
}

#[derive(Serialize)]
struct Report<'a> {
    store: &'a str,
    /// Texts that are new.
    indexed: usize,
    /// Texts that the store had, the moved ones included.
    unchanged: usize,
    /// Texts that the store had under other ids.
    moved: usize,
    removed: usize,
    entries: usize,
    d_embedding: usize,
    /// Files that cannot be read.
    failed: Vec<Failed>,
    passed_over: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_over_files: Option<Vec<Named>>,
}

#[derive(Serialize)]
struct Failed {
    file: String,
    reason: String,
}

impl Index {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let AllSources { given, mut files, left_out } = self.sources.find(&self.finding)?;
        let model = Model::open(self.model.path(), &self.embedding, true, &device)?;
        let store_model = StoreModel::new(self.model.path(), &model);
        let there = store_model.open(&self.store)?;
        let mut stored = match &there {
            Some(store) => Stored::read(&**store, &given)?,
            None => Stored::default(),
        };
        let (unreadable, left_out): (Vec<LeftOut>, Vec<LeftOut>) =
            left_out.into_iter().partition(|left_out| left_out.reason.is_failure());
        self.finding.tell(&left_out);
        for folder in given.iter().filter(|given| given.is_folder) {
            // a folder that is given twice has its files the first time
            let prefix = paths::prefix(&folder.real);
            if files.iter().any(|file| file.real.starts_with(&prefix)) || !unreadable.is_empty() {
                continue;
            }
            let entries = stored.count_within(folder);
            let within: Vec<&LeftOut> = left_out.iter().filter(|one| one.path.starts_with(&folder.path)).collect();
            let is_empty = within.iter().all(|one| matches!(one.reason, Reason::Hidden));
            match entries {
                0 if files.is_empty() => {
                    finding::summary(&left_out)
                        .iter()
                        .for_each(|summary| output::notice(format_args!("note: {summary}")));
                    return Err(TextError::NoFiles { path: folder.path.clone(), left_out: within.len() }.into());
                }
                entries if is_empty && entries > 0 => return Err(self.empty_folder(folder, entries)),
                _ => {}
            }
        }
        self.sources.check_metadata(&files)?;
        if let Some(store) = &there {
            stored.name(&**store, &mut files, &given)?;
        }
        let mut plan = Plan::of(&self.sources, files, &mut stored)?;
        let failed = failures(&unreadable, &plan);
        if plan.texts == 0 && stored.is_empty() {
            return Err(match failed.len() {
                0 => CliError::NoText { name: given[0].path.display().to_string() },
                count => CliError::NothingRead { count },
            });
        }
        let real = |LeftOut { path, .. }: &LeftOut| match real_path(path) {
            Ok(real) => Ok(paths::to_text(&real)),
            Err(source) => Err(CliError::Read { name: path.display().to_string(), source }),
        };
        let mut unread = plan.unread();
        unread.extend(unreadable.iter().map(real).collect::<Result<Vec<_>, _>>()?);

        let mut store = match there {
            Some(store) => store,
            None => store_model.create(&self.store, model.d_embedding())?,
        };
        let (indexed, moved, without) = self.write(&model, &mut *store, &mut stored, &mut plan)?;
        if without > 0 {
            let texts = if without == 1 { "1 text has".into() } else { format!("{without} texts have") };
            output::notice(format_args!("note: {texts} nothing that the model knows, and were left out"));
        }
        let gone: Vec<&str> = stored.unmet(&unread).map(|(id, _)| id).collect();
        store.delete(&gone)?;
        if plan.texts == without && gone.is_empty() && failed.is_empty() {
            return Err(CliError::NoText { name: given[0].path.display().to_string() });
        }
        store.flush()?;
        #[cfg(feature = "graph")]
        if let OpenStore::Local(store) = &mut store
            && store.needs_graph()?
        {
            super::store::graph::build(store)?;
        }
        let at = self.store.to_string();
        let report = Report {
            store: &at,
            indexed,
            unchanged: plan.unchanged + moved,
            moved,
            removed: gone.len(),
            entries: store.count()?,
            d_embedding: store.dim(),
            passed_over: finding::counts(&left_out),
            passed_over_files: self.finding.named(&left_out),
            failed,
        };
        if self.json {
            output::json(&report)?;
        } else {
            output::notice(format_args!("{}; {at} has {} entries", report.in_words(plan.updated), report.entries));
            finding::summary(&left_out).iter().for_each(output::notice);
            output::line(format!("Search it with:\n  elman search \"what I look for\" --store {at}"))?;
        }
        finding::complete(report.failed.len())
    }

    /// Brings the changed texts into the store; returns how many are new, how many were moved, and how many have no vector.
    fn write(
        &self,
        model: &Model,
        store: &mut (dyn VectorStore + Send),
        stored: &mut Stored,
        plan: &mut Plan,
    ) -> Result<(usize, usize, usize), CliError> {
        let before = self.store.open_read_only()?;
        let sources = plan.changed.iter().flat_map(|file| match self.sources.read(file) {
            Ok(sources) => sources,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let counts = Counts::default();
        let (mut embedded, mut without) = (0, Vec::new());
        // the store writes while more is embedded
        thread::scope(|scope| {
            let (queue, entries) = mpsc::sync_channel::<Vec<Entry>>(QUEUE);
            let writer = scope.spawn(move || entries.into_iter().try_for_each(|entries| store.upsert(entries)));
            let changed = Changed::new(sources, &*before, stored, &mut plan.wanted, queue.clone(), &counts);
            let mut rows = embedding::rows(model, changed);
            let mut result = Ok(());
            loop {
                let together = match rows.by_ref().take(TOGETHER).collect::<Result<Vec<_>, _>>() {
                    Ok(together) if together.is_empty() => break,
                    Ok(together) => together,
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                };
                let is_known = |(_, vector): &(Source, Vec<f32>)| vector.iter().any(|&value| value != 0.0);
                let (some, none): (Vec<_>, Vec<_>) = together.into_iter().partition(is_known);
                without.extend(none.into_iter().map(|(source, _)| source));
                let entries: Vec<Entry> = some.into_iter().map(|(source, vector)| source.into_entry(vector)).collect();
                embedded += entries.len();
                if queue.send(entries).is_err() {
                    break; // the writer has failed
                }
            }
            drop((rows, queue));
            let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written?;
            result
        })?;
        // what was called as a text without a vector is gone
        for source in &without {
            if let (_, Some(position)) = stored.standing(source) {
                stored.set(position, State::Unmet);
            }
        }
        Ok((embedded + counts.copied.get(), counts.moved.get(), without.len()))
    }

    /// The error that a folder has nothing any more, as where a disk is not mounted.
    fn empty_folder(&self, folder: &Given, entries: usize) -> CliError {
        let first = paths::prefix(&folder.real);
        // in a filter a quote within quotes is doubled
        let quoted = |path: &str| format!("\"{}\"", path.replace('"', "\"\""));
        let filter = format!("{REAL} >= {} and {REAL} < {}", quoted(&first), quoted(&paths::after(&first)));
        let words = ["elman", "store", "delete", &self.store.to_string(), "--filter", &filter];
        let command = words.map(shell_word).join(" ");
        CliError::EmptyFolder { path: folder.path.clone(), entries, command }
    }
}

impl Report<'_> {
    fn in_words(&self, updated: usize) -> String {
        let texts = if self.indexed == 1 { "text" } else { "texts" };
        let mut words = format!("{} {texts} indexed", self.indexed);
        let some = |count: usize| if count == self.unchanged { String::new() } else { format!("{count} ") };
        let details = [
            (self.moved > 0).then(|| format!("{}moved", some(self.moved))),
            (updated > 0).then(|| format!("{}with other metadata", some(updated))),
        ];
        let details: Vec<String> = details.into_iter().flatten().collect();
        if self.unchanged > 0 {
            words += &format!(", {} unchanged", self.unchanged);
        }
        if !details.is_empty() {
            words += &format!(" ({})", details.join(", "));
        }
        if self.removed > 0 {
            words += &format!(", {} removed", self.removed);
        }
        words
    }
}

/// What was found and cannot be read, reported on standard error too.
fn failures(unreadable: &[LeftOut], plan: &Plan) -> Vec<Failed> {
    let of_folders = unreadable.iter().map(|LeftOut { path, reason }| (path.display().to_string(), reason.to_string()));
    let of_files =
        plan.failed.iter().map(|(TextFile { path, .. }, error)| (path.display().to_string(), error.in_words()));
    let failed: Vec<Failed> = of_folders.chain(of_files).map(|(file, reason)| Failed { file, reason }).collect();
    // most reasons name the file
    finding::name(failed.iter().map(|Failed { file, reason }| match reason.contains(file.as_str()) {
        true => reason.clone(),
        false => format!("'{file}' {reason}"),
    }));
    failed
}
