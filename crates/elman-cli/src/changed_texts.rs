//! The texts that differ from the store's entries. Texts whose vectors the store already has are not embedded again.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    sync::mpsc::SyncSender,
};

use elman::index::{Entry, VectorStore};

use crate::{
    error::CliError,
    index_plan::ReusableText,
    sources::Source,
    stored_entries::{EntryState, StoredEntries, TextStatus, digest},
};

/// Texts that are looked up in the store together.
const BATCH: usize = 512;
/// Maximum number of cached vector elements, 256 MiB. A vector is cached if its text comes again after its entry has
/// been replaced.
const MAX_CACHED_VALUES: usize = 64 << 20;

/// Counts of new entries whose vectors were in the store.
#[derive(Default)]
pub struct ReuseCounts {
    /// Texts whose entries had other ids.
    pub moved: Cell<usize>,
    /// Texts that other entries have, too.
    pub copied: Cell<usize>,
}

/// Iterator over the texts to embed, in order. Texts whose vectors the store has are sent to the writer directly.
pub struct ChangedTexts<'a, I> {
    sources: I,
    /// Used for reading; another connection writes.
    store: &'a dyn VectorStore,
    stored: &'a mut StoredEntries,
    reusable: &'a mut HashMap<u128, ReusableText>,
    queue: SyncSender<Vec<Entry>>,
    counts: &'a ReuseCounts,
    /// Texts and vectors of entries that were replaced, by the texts' digests, until no such text is pending.
    cached: HashMap<u128, (String, Vec<f32>)>,
    to_embed: VecDeque<Source>,
}

impl<'a, I: Iterator<Item = Result<Source, CliError>>> ChangedTexts<'a, I> {
    pub fn new(
        sources: I,
        store: &'a dyn VectorStore,
        stored: &'a mut StoredEntries,
        reusable: &'a mut HashMap<u128, ReusableText>,
        queue: SyncSender<Vec<Entry>>,
        counts: &'a ReuseCounts,
    ) -> Self {
        Self { sources, store, stored, reusable, queue, counts, cached: HashMap::new(), to_embed: VecDeque::new() }
    }

    /// Processes the next batch of texts; false after the last, or if the writer has failed.
    fn process_batch(&mut self) -> Result<bool, CliError> {
        let mut batch = Vec::with_capacity(BATCH);
        // positions of entries to read, and of entries that other texts replace
        let (mut to_read, mut replaced) = (Vec::new(), Vec::new());
        while batch.len() < BATCH {
            let Some(source) = self.sources.next().transpose()? else { break };
            let (status, position) = self.stored.status(&source);
            if status == TextStatus::Unchanged {
                continue;
            }
            let text = digest(&source.text);
            match status {
                TextStatus::MetadataChanged => to_read.extend(position),
                _ if self.cached.contains_key(&text) => {}
                _ => to_read.extend(self.stored.with_text(text)),
            }
            replaced.extend(position.filter(|_| status == TextStatus::New));
            batch.push((source, text, status));
        }
        if batch.is_empty() {
            return Ok(false);
        }
        let is_pending = |position: &&u32| {
            self.reusable.get(&self.stored.text(**position)).is_some_and(|reusable| reusable.pending > 0)
        };
        to_read.extend(replaced.iter().filter(is_pending));
        to_read.sort_unstable();
        to_read.dedup();
        let found = self.read(&to_read)?;
        for position in replaced {
            self.stored.set(position, EntryState::Replaced);
            let text = self.stored.text(position);
            let has_room = (self.cached.len() + 1) * self.store.dim() <= MAX_CACHED_VALUES;
            if has_room && self.reusable.get(&text).is_some_and(|reusable| reusable.pending > 0) {
                self.cached.extend(found.get(&text).cloned().map(|entry| (text, entry)));
            }
        }
        let mut ready = Vec::new();
        for (source, text, status) in batch {
            let vector = match self.cached.get(&text).or_else(|| found.get(&text)) {
                Some((stored, vector)) if *stored == source.text => Some(vector.clone()),
                _ => None,
            };
            if status == TextStatus::New
                && let Some(reusable) = self.reusable.get_mut(&text)
            {
                reusable.pending = reusable.pending.saturating_sub(1);
                if vector.is_some() {
                    let is_moved = reusable.removed > 0;
                    reusable.removed = reusable.removed.saturating_sub(1);
                    let count = if is_moved { &self.counts.moved } else { &self.counts.copied };
                    count.set(count.get() + 1);
                }
                if reusable.pending == 0 {
                    self.cached.remove(&text);
                }
            }
            match vector {
                Some(vector) => ready.push(source.into_entry(vector)),
                None => self.to_embed.push_back(source),
            }
        }
        Ok(ready.is_empty() || self.queue.send(ready).is_ok())
    }

    /// Reads texts and vectors of entries, keyed by the texts' digests.
    fn read(&self, positions: &[u32]) -> Result<HashMap<u128, (String, Vec<f32>)>, CliError> {
        let ids: Vec<&str> = positions.iter().map(|position| self.stored.id(*position)).collect();
        let entries = self.store.get_many(&ids)?.into_iter().flatten();
        Ok(entries.map(|entry| (digest(&entry.text), (entry.text, entry.vector))).collect())
    }
}

impl<I: Iterator<Item = Result<Source, CliError>>> Iterator for ChangedTexts<'_, I> {
    type Item = Result<Source, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.to_embed.is_empty() {
            match self.process_batch() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Some(Err(error)),
            }
        }
        self.to_embed.pop_front().map(Ok)
    }
}
