use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    entry::{Entry, Hit},
    error::IndexError,
    filter::{Field, Filter},
    metric::Metric,
};

/// A store of vectors that finds the nearest to a query.
///
/// Stores in memory, in a folder and on servers implement it. It is dyn-compatible. Input is validated before anything
/// is changed, so an invalid entry leaves the store unchanged. Reads see the writes through the same value, flushed or
/// not.
pub trait VectorStore {
    /// Dimension of the vectors.
    fn dim(&self) -> usize;

    /// The metric of [`Hit::score`], which also orders hits.
    fn metric(&self) -> Metric;

    /// Identity of the model that made the vectors; null if unknown.
    fn model(&self) -> &Value {
        &Value::Null
    }

    /// Checks that the vectors were made by the model `expected`.
    ///
    /// # Errors
    /// If [`model`](Self::model) differs.
    fn check_model(&self, expected: &Value) -> Result<(), IndexError> {
        match self.model() {
            found if found == expected => Ok(()),
            found => Err(IndexError::Model { expected: expected.clone(), found: found.clone() }),
        }
    }

    /// Inserts entries, or replaces those with the same id.
    ///
    /// # Errors
    /// If an id is empty or repeated, a vector has the wrong dimension or a value that is not finite, a vector is zero
    /// and the metric is cosine, metadata is nested too deeply, or the store fails.
    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError>;

    /// Deletes entries. Unknown ids are ignored.
    ///
    /// # Errors
    /// If the store fails.
    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError>;

    /// The entry with this id, or `None`.
    ///
    /// # Errors
    /// If the store fails.
    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError>;

    /// The entries with these ids, in the order of `ids`, `None` for unknown ids. On a server, one call is faster than
    /// many of [`get`](Self::get).
    ///
    /// # Errors
    /// If the store fails.
    fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<Entry>>, IndexError> {
        ids.iter().map(|id| self.get(id)).collect()
    }

    /// Visits the entries that match the filter, or all.
    ///
    /// # Errors
    /// If the filter uses a field that no entry of a non-empty store has, or the store fails.
    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError>;

    /// The ids of the entries that match the filter, or of all.
    ///
    /// # Errors
    /// See [`visit`](Self::visit).
    fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, IndexError> {
        let mut ids = Vec::new();
        self.visit(filter, &mut |entry| ids.push(entry.id))?;
        Ok(ids)
    }

    /// The first 20 metadata fields that a [`Filter`] can use, by name.
    ///
    /// # Errors
    /// If the store fails.
    fn fields(&self) -> Result<Vec<String>, IndexError> {
        let mut fields = BTreeSet::new();
        self.visit(None, &mut |entry| {
            fields.extend(
                entry.metadata.as_ref().map(Field::all_in).unwrap_or_default().into_iter().map(|(field, _)| field),
            );
            while fields.len() > 20 {
                fields.pop_last();
            }
        })?;
        Ok(fields.iter().map(Field::to_string).collect())
    }

    /// The `count` entries nearest to `query`, best first: greatest similarity or smallest distance. All entries if the
    /// store holds fewer.
    ///
    /// # Shapes
    /// `query`: `[dim]`.
    ///
    /// # Errors
    /// If the query has the wrong dimension or a value that is not finite, it is zero and the metric is cosine, or the
    /// store fails.
    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError>;

    /// [`search`](Self::search) among the entries that match the filter. Returns `count` hits if as many entries match.
    ///
    /// # Errors
    /// See `search`, and if the filter uses a field that no entry of a non-empty store has.
    fn search_where(&self, query: &[f32], count: usize, filter: &Filter) -> Result<Vec<Hit>, IndexError> {
        let mut hits = self.search(query, usize::MAX)?;
        filter.check_fields(hits.iter().map(|hit| hit.metadata.as_ref()))?;
        hits.retain(|hit| filter.matches(hit.metadata.as_ref()));
        hits.truncate(count);
        Ok(hits)
    }

    /// Number of entries.
    ///
    /// # Errors
    /// If the store fails.
    fn count(&self) -> Result<usize, IndexError>;

    /// Makes all changes durable. Stores whose changes are durable already do nothing.
    ///
    /// # Errors
    /// If the store fails.
    fn flush(&mut self) -> Result<(), IndexError>;
}
