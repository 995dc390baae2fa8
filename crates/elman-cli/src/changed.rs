//! Which texts are not in a store yet, or not as they are now.

use std::{
    cell::{Cell, RefCell},
    collections::{HashSet, VecDeque},
};

use elman::index::{Entry, VectorStore};

use crate::{error::CliError, sources::Source};

/// Texts that are looked up in the store together.
const TOGETHER: usize = 512;

/// What has been seen of some texts.
#[derive(Default)]
pub struct Seen {
    /// The ids of all.
    pub ids: RefCell<HashSet<String>>,
    /// How many are in the store as they are.
    pub unchanged: Cell<usize>,
}

/// The texts that a store has not, in order.
pub struct Changed<'a, I> {
    sources: I,
    store: &'a dyn VectorStore,
    seen: &'a Seen,
    found: VecDeque<Source>,
}

impl<'a, I: Iterator<Item = Result<Source, CliError>>> Changed<'a, I> {
    pub fn new(sources: I, store: &'a dyn VectorStore, seen: &'a Seen) -> Self {
        Self { sources, store, seen, found: VecDeque::new() }
    }

    /// Looks at some more texts; false after the last.
    fn look(&mut self) -> Result<bool, CliError> {
        let mut some = Vec::with_capacity(TOGETHER);
        for source in self.sources.by_ref().take(TOGETHER) {
            let source = source?;
            if !self.seen.ids.borrow_mut().insert(source.id.clone()) {
                return Err(source.repeated());
            }
            some.push(source);
        }
        let ids: Vec<&str> = some.iter().map(|source| source.id.as_str()).collect();
        let stored = self.store.get_many(&ids)?;
        let same = |entry: &Entry, source: &Source| {
            entry.text == source.text && entry.metadata.as_ref() == Some(&source.metadata)
        };
        let any = !some.is_empty();
        for (source, stored) in some.into_iter().zip(stored) {
            match stored {
                Some(entry) if same(&entry, &source) => self.seen.unchanged.set(self.seen.unchanged.get() + 1),
                _ => self.found.push_back(source),
            }
        }
        Ok(any)
    }
}

impl<I: Iterator<Item = Result<Source, CliError>>> Iterator for Changed<'_, I> {
    type Item = Result<Source, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.found.is_empty() {
            match self.look() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        self.found.pop_front().map(Ok)
    }
}
