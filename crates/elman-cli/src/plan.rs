//! All texts are read once before anything is written, and compared with what the store has.

use std::collections::{HashMap, HashSet};

use elman::text::TextError;

use crate::{
    error::CliError,
    sources::{Sources, TextFile},
    stored::{Standing, State, Stored, digest},
};

/// What there is to do.
#[derive(Default)]
pub struct Plan {
    /// The files with texts that are new, or not as they were.
    pub changed: Vec<TextFile>,
    /// Texts that the store has under another id, or for another: how often they are looked for.
    pub wanted: HashMap<u128, Wanted>,
    /// Files that were found in folders and cannot be read, and why.
    pub failed: Vec<(TextFile, CliError)>,
    /// All texts.
    pub texts: usize,
    /// The texts that are in the store as they are, but for metadata.
    pub unchanged: usize,
    /// Those whose metadata are others.
    pub updated: usize,
}

/// A text that the store has.
#[derive(Clone, Copy, Default)]
pub struct Wanted {
    /// Texts that are still to come.
    pub coming: u32,
    /// Entries with this text that go, and so are moved where the text comes again.
    pub going: u32,
}

/// What was read of one file.
#[derive(Default)]
struct Reading {
    ids: Vec<u128>,
    stays: Vec<u32>,
    wanted: Vec<u128>,
    updated: usize,
    changed: bool,
}

impl Plan {
    /// Reads all files.
    ///
    /// # Errors
    /// Of a file that was named, whatever is wrong with it. A file that was found is left out.
    pub fn of(sources: &Sources, files: Vec<TextFile>, stored: &mut Stored) -> Result<Self, CliError> {
        let (mut plan, mut ids) = (Self::default(), HashSet::new());
        for file in files {
            let mut reading = Reading::default();
            match reading.read(sources, &file, stored, &mut ids) {
                Ok(()) if !file.is_in_folder && !stored.has_file(&file) && is_empty(&file) => {
                    return Err(TextError::Empty { path: file.path }.into());
                }
                Ok(()) => {}
                // a file that was emptied
                Err(CliError::Text(TextError::Empty { .. })) if stored.has_file(&file) => {}
                Err(error) if file.is_in_folder => {
                    for id in &reading.ids {
                        ids.remove(id);
                    }
                    plan.failed.push((file, error));
                    continue;
                }
                Err(error) => return Err(error),
            }
            plan.texts += reading.ids.len();
            plan.unchanged += reading.stays.len();
            plan.updated += reading.updated;
            reading.stays.iter().for_each(|position| stored.set(*position, State::Stays));
            reading.wanted.iter().for_each(|text| plan.wanted.entry(*text).or_default().coming += 1);
            if reading.changed {
                plan.changed.push(file);
            }
        }
        for (_, text) in stored.unmet(&plan.unread()) {
            if let Some(wanted) = plan.wanted.get_mut(&text) {
                wanted.going += 1;
            }
        }
        Ok(plan)
    }

    /// The paths of the files that cannot be read.
    pub fn unread(&self) -> Vec<String> {
        self.failed.iter().map(|(file, _)| file.real.clone()).collect()
    }
}

fn is_empty(file: &TextFile) -> bool {
    file.path.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

impl Reading {
    fn read(
        &mut self,
        sources: &Sources,
        file: &TextFile,
        stored: &Stored,
        ids: &mut HashSet<u128>,
    ) -> Result<(), CliError> {
        for source in sources.read(file)? {
            let source = source?;
            let id = digest(&source.id);
            if !ids.insert(id) {
                return Err(source.repeated());
            }
            self.ids.push(id);
            match stored.standing(&source) {
                (Standing::Same, Some(position)) => self.stays.push(position),
                (Standing::OtherMetadata, Some(position)) => {
                    self.stays.push(position);
                    self.updated += 1;
                    self.changed = true;
                }
                _ => {
                    self.changed = true;
                    let text = digest(&source.text);
                    self.wanted.extend(stored.has_text(text).then_some(text));
                }
            }
        }
        Ok(())
    }
}
