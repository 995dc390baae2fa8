//! Reading entries of a collection in pages.

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

/// Target size of a response in bytes. The client accepts four times as much.
const PAGE_BYTES: usize = 1 << 20;
/// Maximum number of entries of a request.
const PAGE_ROWS: usize = 4096;
/// Estimated size of an entry without its vector, in bytes.
const ESTIMATED_ENTRY_BYTES: usize = 1024;
/// Maximum size of the ids of a request, in bytes.
const IDS_BYTES: usize = 1 << 20;
/// Number of entries to request in order to check whether a field exists.
const SAMPLE_ROWS: usize = 16;

impl Client {
    /// Visits the entries that match a condition in the order of their ids, with these fields, until `visit` breaks.
    pub(super) fn for_each_entry(
        &self,
        condition: &str,
        fields: &[&str],
        dim: usize,
        mut visit: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), ServerError> {
        let mut limit = (PAGE_BYTES / (ESTIMATED_ENTRY_BYTES + 4 * dim)).clamp(1, PAGE_ROWS);
        let mut last = String::new();
        loop {
            // ids are not empty, so all of them are after the empty string
            let remaining = condition::after(condition, &last);
            let found = match self.query(&remaining, fields, limit, true)? {
                Some(found) => entries(self.server(), found)?,
                None if limit > 1 => {
                    limit = limit.div_ceil(4);
                    continue;
                }
                None => return Err(self.failed("an entry exceeds the maximum message size")),
            };
            if found.is_empty() {
                return Ok(());
            }
            for entry in found {
                // otherwise entries would be skipped silently
                if entry.id <= last {
                    return Err(self.failed("the server did not return entries in the order of their ids"));
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

    /// Those of the entries with these ids that exist, with these fields.
    pub(super) fn entries_by_id(&self, ids: &[&str], fields: &[&str]) -> Result<HashMap<String, Entry>, ServerError> {
        let mut found = HashMap::new();
        for ids in id_batches(ids) {
            self.add_entries_by_id(ids, fields, &mut found)?;
        }
        Ok(found)
    }

    fn add_entries_by_id(
        &self,
        ids: &[&str],
        fields: &[&str],
        to: &mut HashMap<String, Entry>,
    ) -> Result<(), ServerError> {
        match self.query(&condition::is_one_of(ids), fields, ids.len(), false)? {
            Some(found) => {
                let found = entries(self.server(), found)?;
                to.extend(found.into_iter().map(|entry| (entry.id.clone(), entry)));
                Ok(())
            }
            None if ids.len() > 1 => {
                let (first, second) = ids.split_at(ids.len() / 2);
                self.add_entries_by_id(first, fields, to)?;
                self.add_entries_by_id(second, fields, to)
            }
            None => Err(self.failed("an entry exceeds the maximum message size")),
        }
    }

    /// Returns an error if the filter uses a field that no entry has. `seen` are the metadata of entries that are read
    /// already.
    pub(super) fn check_fields<'a>(
        &self,
        filter: &Filter,
        seen: impl Iterator<Item = Option<&'a Metadata>> + Clone,
    ) -> Result<(), IndexError> {
        let mut unknown = filter.fields();
        unknown.retain(|field| seen.clone().all(|metadata| field.scalar_in(metadata).is_none()));
        for field in unknown.clone() {
            let Some(exists) = condition::exists(field) else { continue };
            let Some(found) = self.query(&exists, &[ID, METADATA], SAMPLE_ROWS, false)? else { continue };
            let found = entries(self.server(), found)?;
            if found.iter().any(|entry| field.scalar_in(entry.metadata.as_ref()).is_some()) {
                unknown.remove(field);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let (mut has_entries, mut known) = (false, BTreeSet::new());
        self.for_each_entry("", &[ID, METADATA], 0, |entry| {
            has_entries = true;
            unknown.retain(|field| field.scalar_in(entry.metadata.as_ref()).is_none());
            add_fields(&mut known, entry.metadata.as_ref());
            if unknown.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        match unknown.first() {
            Some(field) if has_entries => {
                Err(IndexError::UnknownField { field: field.to_string(), known: names(&known) })
            }
            _ => Ok(()),
        }
    }

    /// The first 20 fields of the metadata, by name.
    pub(super) fn fields(&self) -> Result<Vec<String>, ServerError> {
        let mut known = BTreeSet::new();
        self.for_each_entry("", &[ID, METADATA], 0, |entry| {
            add_fields(&mut known, entry.metadata.as_ref());
            ControlFlow::Continue(())
        })?;
        Ok(names(&known))
    }
}

/// Splits ids into batches for requests.
pub(super) fn id_batches<'a>(mut ids: &'a [&'a str]) -> impl Iterator<Item = &'a [&'a str]> {
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
    known.extend(metadata.map(Field::all_in).unwrap_or_default().into_iter().map(|(field, _)| field));
    while known.len() > 20 {
        known.pop_last();
    }
}

fn names(known: &BTreeSet<Field>) -> Vec<String> {
    known.iter().map(Field::to_string).collect()
}
