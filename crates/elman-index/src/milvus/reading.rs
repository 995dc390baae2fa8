//! Reading a collection entry by entry.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
};

use crate::{
    entry::{Entry, Metadata},
    error::IndexError,
    filter::{Field, Filter},
    milvus::{
        client::Client,
        condition,
        rows::entries,
        schema::{ID, METADATA},
    },
    server::ServerError,
};

/// What is aimed at for an answer, in bytes; the client accepts four times as much.
const PAGE_BYTES: usize = 1 << 20;
/// The most entries that are asked for at once.
const PAGE_ROWS: usize = 4096;
/// What an entry is thought to be, beside its vector, in bytes.
const USUAL_BYTES: usize = 1024;
/// The most bytes of ids that are asked for at once.
const IDS_BYTES: usize = 1 << 20;
/// How many entries are asked for to see whether one has a field.
const SAMPLE: usize = 16;

impl Client {
    /// Visits the entries that meet a condition in the order of their ids, with these fields, until it is told to stop.
    pub(super) fn pages(
        &self,
        condition: &str,
        fields: &[&str],
        d_embed: usize,
        mut visit: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), ServerError> {
        let mut limit = (PAGE_BYTES / (USUAL_BYTES + 4 * d_embed)).clamp(1, PAGE_ROWS);
        let mut last = String::new();
        loop {
            // no id is empty, so all of them come after the empty one
            let from_here = condition::after(condition, &last);
            let found = match self.query(&from_here, fields, limit, true)? {
                Some(found) => entries(self.server(), found)?,
                None if limit > 1 => {
                    limit = limit.div_ceil(4);
                    continue;
                }
                None => return Err(self.failed("an entry is longer than a message may be")),
            };
            if found.is_empty() {
                return Ok(());
            }
            for entry in found {
                // else entries would be left out without a word
                if entry.id <= last {
                    return Err(self.failed("the server did not send entries in the order of their ids"));
                }
                last.clone_from(&entry.id);
                if visit(entry).is_break() {
                    return Ok(());
                }
            }
        }
    }

    fn failed(&self, what: &str) -> ServerError {
        ServerError::Failed { server: self.server().into(), source: what.into() }
    }

    /// The entries with these ids, as far as they are there, with these fields.
    pub(super) fn with_ids(&self, ids: &[&str], fields: &[&str]) -> Result<HashMap<String, Entry>, ServerError> {
        let mut found = HashMap::new();
        for ids in batches_of_ids(ids) {
            self.add_with_ids(ids, fields, &mut found)?;
        }
        Ok(found)
    }

    fn add_with_ids(&self, ids: &[&str], fields: &[&str], to: &mut HashMap<String, Entry>) -> Result<(), ServerError> {
        match self.query(&condition::is_one_of(ids), fields, ids.len(), false)? {
            Some(found) => {
                let found = entries(self.server(), found)?;
                to.extend(found.into_iter().map(|entry| (entry.id.clone(), entry)));
                Ok(())
            }
            None if ids.len() > 1 => {
                let (first, second) = ids.split_at(ids.len() / 2);
                self.add_with_ids(first, fields, to)?;
                self.add_with_ids(second, fields, to)
            }
            None => Err(self.failed("an entry is longer than a message may be")),
        }
    }

    /// Refuses a filter that asks for a field which no entry has; `seen` are some that are known.
    pub(super) fn check_fields<'a>(
        &self,
        filter: &Filter,
        seen: impl Iterator<Item = Option<&'a Metadata>> + Clone,
    ) -> Result<(), IndexError> {
        let mut unknown = filter.fields();
        unknown.retain(|field| seen.clone().all(|metadata| field.of(metadata).is_none()));
        for field in unknown.clone() {
            let Some(exists) = condition::exists(field) else { continue };
            let Some(found) = self.query(&exists, &[ID, METADATA], SAMPLE, false)? else { continue };
            let found = entries(self.server(), found)?;
            if found.iter().any(|entry| field.of(entry.metadata.as_ref()).is_some()) {
                unknown.remove(field);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let (mut any, mut known) = (false, BTreeSet::new());
        self.pages("", &[ID, METADATA], 0, |entry| {
            any = true;
            unknown.retain(|field| field.of(entry.metadata.as_ref()).is_none());
            add_fields(&mut known, entry.metadata.as_ref());
            if unknown.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        match unknown.first() {
            Some(field) if any => Err(IndexError::UnknownField { field: field.to_string(), known: names(&known) }),
            _ => Ok(()),
        }
    }

    /// The first fields of the metadata, by name.
    pub(super) fn fields(&self) -> Result<Vec<String>, ServerError> {
        let mut known = BTreeSet::new();
        self.pages("", &[ID, METADATA], 0, |entry| {
            add_fields(&mut known, entry.metadata.as_ref());
            ControlFlow::Continue(())
        })?;
        Ok(names(&known))
    }
}

/// Ids in parts that can be asked for.
pub(super) fn batches_of_ids<'a>(mut ids: &'a [&'a str]) -> impl Iterator<Item = &'a [&'a str]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fit = ids.iter().take(PAGE_ROWS).take_while(|id| {
            bytes += id.len();
            bytes <= IDS_BYTES
        });
        let (first, rest) = ids.split_at(fit.count().max(1).min(ids.len()));
        ids = rest;
        (!first.is_empty()).then_some(first)
    })
}

fn add_fields(known: &mut BTreeSet<Field>, metadata: Option<&Metadata>) {
    known.extend(metadata.map(Field::all).unwrap_or_default().into_iter().map(|(field, _)| field));
    while known.len() > 20 {
        known.pop_last();
    }
}

fn names(known: &BTreeSet<Field>) -> Vec<String> {
    known.iter().map(Field::to_string).collect()
}
