//! The texts that a store has not as they are now, and of these the ones whose vectors it has.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    sync::mpsc::SyncSender,
};

use elman::index::{Entry, VectorStore};

use crate::{
    error::CliError,
    plan::Wanted,
    sources::Source,
    stored::{Standing, State, Stored, digest},
};

/// Texts that are looked up in the store together.
const TOGETHER: usize = 512;
/// The most numbers of vectors that wait for a text to come again, whose entry is another text's by then: 256 MiB, and the texts.
const WAITING: usize = 64 << 20;

/// Texts whose vectors the store has.
#[derive(Default)]
pub struct Counts {
    /// Those whose entries had other ids.
    pub moved: Cell<usize>,
    /// Those that other entries have too.
    pub copied: Cell<usize>,
}

/// The texts to embed, in order. Those whose vectors the store has go to it by themselves.
pub struct Changed<'a, I> {
    sources: I,
    /// The store as it is read; another writes.
    store: &'a dyn VectorStore,
    stored: &'a mut Stored,
    wanted: &'a mut HashMap<u128, Wanted>,
    queue: SyncSender<Vec<Entry>>,
    counts: &'a Counts,
    /// Texts and vectors of entries that have become other texts', while the texts are still to come.
    waiting: HashMap<u128, (String, Vec<f32>)>,
    to_embed: VecDeque<Source>,
}

impl<'a, I: Iterator<Item = Result<Source, CliError>>> Changed<'a, I> {
    pub fn new(
        sources: I,
        store: &'a dyn VectorStore,
        stored: &'a mut Stored,
        wanted: &'a mut HashMap<u128, Wanted>,
        queue: SyncSender<Vec<Entry>>,
        counts: &'a Counts,
    ) -> Self {
        Self { sources, store, stored, wanted, queue, counts, waiting: HashMap::new(), to_embed: VecDeque::new() }
    }

    /// Looks at some more texts; false after the last, or when the store cannot be written.
    fn look(&mut self) -> Result<bool, CliError> {
        let mut some = Vec::with_capacity(TOGETHER);
        // what is read: the vectors of texts, and the entries that become others'
        let (mut read, mut going) = (Vec::new(), Vec::new());
        while some.len() < TOGETHER {
            let Some(source) = self.sources.next().transpose()? else { break };
            let (standing, position) = self.stored.standing(&source);
            if standing == Standing::Same {
                continue;
            }
            let text = digest(&source.text);
            match standing {
                Standing::OtherMetadata => read.extend(position),
                _ if self.waiting.contains_key(&text) => {}
                _ => read.extend(self.stored.with_text(text)),
            }
            going.extend(position.filter(|_| standing == Standing::New));
            some.push((source, text, standing));
        }
        if some.is_empty() {
            return Ok(false);
        }
        let waits =
            |position: &&u32| self.wanted.get(&self.stored.text(**position)).is_some_and(|wanted| wanted.coming > 0);
        read.extend(going.iter().filter(waits));
        read.sort_unstable();
        read.dedup();
        let found = self.read(&read)?;
        for position in going {
            self.stored.set(position, State::Replaced);
            let text = self.stored.text(position);
            let has_room = (self.waiting.len() + 1) * self.store.dim() <= WAITING;
            if has_room && self.wanted.get(&text).is_some_and(|wanted| wanted.coming > 0) {
                self.waiting.extend(found.get(&text).cloned().map(|entry| (text, entry)));
            }
        }
        let mut ready = Vec::new();
        for (source, text, standing) in some {
            let vector = match self.waiting.get(&text).or_else(|| found.get(&text)) {
                Some((stored, vector)) if *stored == source.text => Some(vector.clone()),
                _ => None,
            };
            if standing == Standing::New
                && let Some(wanted) = self.wanted.get_mut(&text)
            {
                wanted.coming = wanted.coming.saturating_sub(1);
                if vector.is_some() {
                    let is_moved = wanted.going > 0;
                    wanted.going = wanted.going.saturating_sub(1);
                    let count = if is_moved { &self.counts.moved } else { &self.counts.copied };
                    count.set(count.get() + 1);
                }
                if wanted.coming == 0 {
                    self.waiting.remove(&text);
                }
            }
            match vector {
                Some(vector) => ready.push(source.into_entry(vector)),
                None => self.to_embed.push_back(source),
            }
        }
        Ok(ready.is_empty() || self.queue.send(ready).is_ok())
    }

    /// Texts and vectors of entries, by the texts.
    fn read(&self, positions: &[u32]) -> Result<HashMap<u128, (String, Vec<f32>)>, CliError> {
        let ids: Vec<&str> = positions.iter().map(|position| self.stored.id(*position)).collect();
        let entries = self.store.get_many(&ids)?.into_iter().flatten();
        Ok(entries.map(|entry| (digest(&entry.text), (entry.text, entry.vector))).collect())
    }
}

impl<I: Iterator<Item = Result<Source, CliError>>> Iterator for Changed<'_, I> {
    type Item = Result<Source, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.to_embed.is_empty() {
            match self.look() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Some(Err(error)),
            }
        }
        self.to_embed.pop_front().map(Ok)
    }
}
