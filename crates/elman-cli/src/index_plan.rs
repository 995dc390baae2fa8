//! The plan of `elman index`: reads all texts once, before anything is written, and compares them with the store.

use std::collections::{HashMap, HashSet};

use elman::text::TextError;

use crate::{
    error::CliError,
    sources::{Sources, TextFile},
    stored_entries::{EntryState, StoredEntries, TextStatus, digest},
};

/// What indexing will do.
#[derive(Default)]
pub struct Plan {
    /// Files with new or changed texts.
    pub changed: Vec<TextFile>,
    /// Texts that the store has under another id, by digest.
    pub reusable: HashMap<u128, ReusableText>,
    /// Files in directories that cannot be read, with the error.
    pub failed: Vec<(TextFile, CliError)>,
    /// The number of texts.
    pub texts: usize,
    /// Texts that the store has under the same id, perhaps with other metadata.
    pub unchanged: usize,
    /// Of these, texts whose metadata changed.
    pub updated: usize,
}

/// A text whose vector the store has.
#[derive(Clone, Copy, Default)]
pub struct ReusableText {
    /// Occurrences of the text that are not processed yet.
    pub pending: u32,
    /// Entries with this text that will be removed: as many occurrences count as moved.
    pub removed: u32,
}

/// The comparison of one file's texts with the store.
#[derive(Default)]
struct FileScan {
    ids: Vec<u128>,
    /// Positions of entries whose texts are unchanged.
    unchanged: Vec<u32>,
    reusable: Vec<u128>,
    updated: usize,
    changed: bool,
}

impl Plan {
    /// Reads all files.
    ///
    /// # Errors
    /// If a file named on the command line cannot be read. Unreadable files in directories are skipped.
    pub fn new(sources: &Sources, files: Vec<TextFile>, stored: &mut StoredEntries) -> Result<Self, CliError> {
        let (mut plan, mut ids) = (Self::default(), HashSet::new());
        for file in files {
            let mut scan = FileScan::default();
            match scan.read(sources, &file, stored, &mut ids) {
                Ok(()) if !file.is_in_directory && !stored.has_file(&file) && is_empty(&file) => {
                    return Err(TextError::Empty { path: file.path }.into());
                }
                Ok(()) => {}
                // the file has been emptied
                Err(CliError::Text(TextError::Empty { .. })) if stored.has_file(&file) => {}
                Err(error) if file.is_in_directory => {
                    for id in &scan.ids {
                        ids.remove(id);
                    }
                    plan.failed.push((file, error));
                    continue;
                }
                Err(error) => return Err(error),
            }
            plan.texts += scan.ids.len();
            plan.unchanged += scan.unchanged.len();
            plan.updated += scan.updated;
            scan.unchanged.iter().for_each(|position| stored.set(*position, EntryState::Retained));
            scan.reusable.iter().for_each(|text| plan.reusable.entry(*text).or_default().pending += 1);
            if scan.changed {
                plan.changed.push(file);
            }
        }
        for (_, text) in stored.unseen(&plan.unread()) {
            if let Some(reusable) = plan.reusable.get_mut(&text) {
                reusable.removed += 1;
            }
        }
        Ok(plan)
    }

    /// The canonical paths of files that cannot be read.
    pub fn unread(&self) -> Vec<String> {
        self.failed.iter().map(|(file, _)| file.canonical.clone()).collect()
    }
}

fn is_empty(file: &TextFile) -> bool {
    file.path.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

impl FileScan {
    fn read(
        &mut self,
        sources: &Sources,
        file: &TextFile,
        stored: &StoredEntries,
        ids: &mut HashSet<u128>,
    ) -> Result<(), CliError> {
        for source in sources.read(file)? {
            let source = source?;
            let id = digest(&source.id);
            if !ids.insert(id) {
                return Err(source.duplicate_id());
            }
            self.ids.push(id);
            match stored.status(&source) {
                (TextStatus::Unchanged, Some(position)) => self.unchanged.push(position),
                (TextStatus::MetadataChanged, Some(position)) => {
                    self.unchanged.push(position);
                    self.updated += 1;
                    self.changed = true;
                }
                _ => {
                    self.changed = true;
                    let text = digest(&source.text);
                    self.reusable.extend(stored.has_text(text).then_some(text));
                }
            }
        }
        Ok(())
    }
}
