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
    changed_texts::{ChangedTexts, ReuseCounts},
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    file_selection::{self, FileSelection, SkippedFile},
    index_plan::Plan,
    labeled::TABLES,
    model::EmbeddingModel,
    output::{self, shell_word},
    paths,
    sources::{CANONICAL_PATH, FoundSources, InputPath, Source, Sources, TextFile},
    store::{LocationParser, StoreModel},
    stored_entries::{EntryState, StoredEntries},
};

/// Entries per write to the store.
const BATCH: usize = 512;
/// Maximum number of batches that wait for the writer.
const MAX_QUEUED: usize = 4;

/// Index the lines of texts or the rows of tables in a store.
///
/// The id of an entry is FILE:LINE, and its metadata are file, line and canonical_path. Indexing a file or directory
/// again updates the store, however the path is spelled: new texts are embedded, moved texts keep their vectors, and
/// entries of deleted texts are removed. After an interruption, run the same command again to continue. The store
/// records its model.
#[derive(Args, Debug)]
#[command(after_help = format!("\
Examples:
  elman index notes.txt --store notes-index
  elman search \"a question\" --store notes-index
  elman index . --exclude drafts --exclude '*.log' --store notes-index
  elman index films.csv --text-column plot --id-column title --metadata year,country --store films
  elman search \"a heist goes wrong\" --store films --filter \"year < 1980\"

{TABLES}
All other files are read line by line. Without --id-column, the ids of table rows are FILE:LINE, or
FILE:ROW for .parquet. Metadata values that are numbers, true or false in JSON notation are stored
as such; empty values are not stored.

In directories, these files are skipped: hidden files, files that .gitignore and .ignore files
exclude, node_modules, binary files, links to directories, and models, stores and reports written
by elman. They are counted, and listed with --verbose; entries of skipped files are removed from
the store. Unreadable files in directories are reported and skipped, their entries stay, and the
exit code is 1. An unreadable file on the command line is an error, and nothing is written."))]
pub struct Index {
    #[command(flatten)]
    sources: Sources,

    #[command(flatten)]
    model: EmbeddingModel,

    /// Store: a directory, or an address such as postgres://me@host/notes; created if it does not exist
    #[arg(long, value_name = "STORE", value_parser = LocationParser)]
    store: Location,

    #[command(flatten)]
    device: DeviceOption,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,

    // option groups with a heading come last
    #[command(flatten)]
    embedding: EmbeddingOptions,
    #[command(flatten)]
    selection: FileSelection,
}

#[derive(Serialize)]
struct Report<'a> {
    store: &'a str,
    /// New texts.
    indexed: usize,
    /// Texts that were in the store, including moved ones.
    unchanged: usize,
    /// Texts that were in the store under other ids.
    moved: usize,
    removed: usize,
    entries: usize,
    d_embedding: usize,
    /// Unreadable files.
    failed: Vec<Failed>,
    passed_over: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_over_files: Option<Vec<SkippedFile>>,
}

#[derive(Serialize)]
struct Failed {
    file: String,
    reason: String,
}

impl Index {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let FoundSources { inputs, mut files, skipped } = self.sources.find(&self.selection)?;
        let model = Model::open(self.model.path(), &self.embedding, true, &device)?;
        let store_model = StoreModel::new(self.model.path(), &model);
        let existing = store_model.open(&self.store)?;
        let mut stored = match &existing {
            Some(store) => StoredEntries::read(&**store, &inputs)?,
            None => StoredEntries::default(),
        };
        let (unreadable, skipped): (Vec<LeftOut>, Vec<LeftOut>) =
            skipped.into_iter().partition(|file| file.reason.is_failure());
        self.selection.report_skipped(&skipped);
        for directory in inputs.iter().filter(|input| input.is_directory) {
            // compares paths, since a file belongs to the first input that contains it
            let prefix = paths::prefix(&directory.canonical);
            if files.iter().any(|file| file.canonical.starts_with(&prefix)) || !unreadable.is_empty() {
                continue;
            }
            let entries = stored.count_within(directory);
            let within: Vec<&LeftOut> = skipped.iter().filter(|file| file.path.starts_with(&directory.path)).collect();
            let is_empty = within.iter().all(|file| matches!(file.reason, Reason::Hidden));
            match entries {
                0 if files.is_empty() => {
                    file_selection::summary(&skipped)
                        .iter()
                        .for_each(|summary| output::notice(format_args!("note: {summary}")));
                    return Err(TextError::NoFiles { path: directory.path.clone(), left_out: within.len() }.into());
                }
                entries if is_empty && entries > 0 => return Err(self.empty_directory(directory, entries)),
                _ => {}
            }
        }
        self.sources.check_metadata(&files)?;
        if let Some(store) = &existing {
            stored.name(&**store, &mut files, &inputs)?;
        }
        let mut plan = Plan::new(&self.sources, files, &mut stored)?;
        let failed = failures(&unreadable, &plan);
        if plan.texts == 0 && stored.is_empty() {
            return Err(match failed.len() {
                0 => CliError::NoText { name: inputs[0].path.display().to_string() },
                count => CliError::NothingRead { count },
            });
        }
        let canonical = |LeftOut { path, .. }: &LeftOut| match real_path(path) {
            Ok(path) => Ok(paths::to_text(&path)),
            Err(source) => Err(CliError::Read { name: path.display().to_string(), source }),
        };
        let mut unread = plan.unread();
        unread.extend(unreadable.iter().map(canonical).collect::<Result<Vec<_>, _>>()?);

        let mut store = match existing {
            Some(store) => store,
            None => store_model.create(&self.store, model.d_embedding())?,
        };
        let (indexed, moved, without_vector) = self.write(&model, &mut *store, &mut stored, &mut plan)?;
        if without_vector > 0 {
            let texts = if without_vector == 1 { "text" } else { "texts" };
            output::notice(format_args!("note: skipped {without_vector} {texts} without tokens that the model knows"));
        }
        let deleted: Vec<&str> = stored.unseen(&unread).map(|(id, _)| id).collect();
        store.delete(&deleted)?;
        if plan.texts == without_vector && deleted.is_empty() && failed.is_empty() {
            return Err(CliError::NoText { name: inputs[0].path.display().to_string() });
        }
        store.flush()?;
        #[cfg(feature = "graph")]
        if let OpenStore::Local(store) = &mut store
            && store.needs_graph()?
        {
            super::store::graph::build(store)?;
        }
        let store_name = self.store.to_string();
        let report = Report {
            store: &store_name,
            indexed,
            unchanged: plan.unchanged + moved,
            moved,
            removed: deleted.len(),
            entries: store.count()?,
            d_embedding: store.dim(),
            passed_over: file_selection::counts(&skipped),
            passed_over_files: self.selection.skipped_files(&skipped),
            failed,
        };
        if self.json {
            output::json(&report)?;
        } else {
            output::notice(format_args!(
                "{}; {store_name} has {} entries",
                report.summary(plan.updated),
                report.entries
            ));
            file_selection::summary(&skipped).iter().for_each(output::notice);
            output::line(format!("To search it:\n  elman search \"a question\" --store {store_name}"))?;
        }
        file_selection::check_complete(report.failed.len())
    }

    /// Writes the changed texts to the store. Returns the numbers of new texts, moved texts and texts without a vector.
    fn write(
        &self,
        model: &Model,
        store: &mut (dyn VectorStore + Send),
        stored: &mut StoredEntries,
        plan: &mut Plan,
    ) -> Result<(usize, usize, usize), CliError> {
        let snapshot = self.store.open_read_only()?;
        let sources = plan.changed.iter().flat_map(|file| match self.sources.read(file) {
            Ok(sources) => sources,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let counts = ReuseCounts::default();
        let (mut embedded, mut without_vector) = (0, Vec::new());
        // writing overlaps with embedding
        thread::scope(|scope| {
            let (queue, entries) = mpsc::sync_channel::<Vec<Entry>>(MAX_QUEUED);
            let writer = scope.spawn(move || entries.into_iter().try_for_each(|entries| store.upsert(entries)));
            let changed = ChangedTexts::new(sources, &*snapshot, stored, &mut plan.reusable, queue.clone(), &counts);
            let mut rows = embedding::embed_stream(model, changed);
            let mut result = Ok(());
            loop {
                let batch = match rows.by_ref().take(BATCH).collect::<Result<Vec<_>, _>>() {
                    Ok(batch) if batch.is_empty() => break,
                    Ok(batch) => batch,
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                };
                let has_vector = |(_, vector): &(Source, Vec<f32>)| vector.iter().any(|&value| value != 0.0);
                let (known, unknown): (Vec<_>, Vec<_>) = batch.into_iter().partition(has_vector);
                without_vector.extend(unknown.into_iter().map(|(source, _)| source));
                let entries: Vec<Entry> = known.into_iter().map(|(source, vector)| source.into_entry(vector)).collect();
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
        // deletes entries whose text is now one without a vector
        for source in &without_vector {
            if let (_, Some(position)) = stored.status(source) {
                stored.set(position, EntryState::Unseen);
            }
        }
        Ok((embedded + counts.copied.get(), counts.moved.get(), without_vector.len()))
    }

    /// The error for a directory that has entries, but no files any more, as when a disk is not mounted.
    fn empty_directory(&self, directory: &InputPath, entries: usize) -> CliError {
        let first = paths::prefix(&directory.canonical);
        // in a filter, a quote within quotes is doubled
        let quoted = |path: &str| format!("\"{}\"", path.replace('"', "\"\""));
        let filter =
            format!("{CANONICAL_PATH} >= {} and {CANONICAL_PATH} < {}", quoted(&first), quoted(&paths::after(&first)));
        let words = ["elman", "store", "delete", &self.store.to_string(), "--filter", &filter];
        let command = words.map(shell_word).join(" ");
        CliError::EmptyDirectory { path: directory.path.clone(), entries, command }
    }
}

impl Report<'_> {
    /// A one-line summary.
    fn summary(&self, updated: usize) -> String {
        let texts = if self.indexed == 1 { "text" } else { "texts" };
        let mut summary = format!("{} {texts} indexed", self.indexed);
        let part = |count: usize| if count == self.unchanged { String::new() } else { format!("{count} ") };
        let details = [
            (self.moved > 0).then(|| format!("{}moved", part(self.moved))),
            (updated > 0).then(|| format!("{}with new metadata", part(updated))),
        ];
        let details: Vec<String> = details.into_iter().flatten().collect();
        if self.unchanged > 0 {
            summary += &format!(", {} unchanged", self.unchanged);
        }
        if !details.is_empty() {
            summary += &format!(" ({})", details.join(", "));
        }
        if self.removed > 0 {
            summary += &format!(", {} removed", self.removed);
        }
        summary
    }
}

/// The unreadable files, which are also reported on standard error.
fn failures(unreadable: &[LeftOut], plan: &Plan) -> Vec<Failed> {
    let from_directories =
        unreadable.iter().map(|LeftOut { path, reason }| (path.display().to_string(), reason.to_string()));
    let from_plan =
        plan.failed.iter().map(|(TextFile { path, .. }, error)| (path.display().to_string(), error.message()));
    let failed: Vec<Failed> = from_directories.chain(from_plan).map(|(file, reason)| Failed { file, reason }).collect();
    // most errors name the file
    file_selection::report_unreadable(failed.iter().map(
        |Failed { file, reason }| match reason.contains(file.as_str()) {
            true => reason.clone(),
            false => format!("'{file}' {reason}"),
        },
    ));
    failed
}
