use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    entry::{Entry, Hit},
    error::IndexError,
    filter::{Field, Filter},
    metric::Metric,
};

/// Keeps vectors and finds the ones nearest to a query.
///
/// The trait is the same for a store in memory, in a folder or on a server, and can be used as `dyn VectorStore`.
/// A store that checks its input does so before it changes anything: an entry that is not valid leaves the store as it
/// was. Reads see what was written through the same value, flushed or not.
pub trait VectorStore {
    /// The length of every vector.
    fn dim(&self) -> usize;

    /// What [`Hit::score`] is, and the order of hits.
    fn metric(&self) -> Metric;

    /// The identity of the model that the vectors were made with; null where it is not known.
    fn model(&self) -> &Value {
        &Value::Null
    }

    /// Checks that the vectors were made with the model `expected`.
    ///
    /// # Errors
    /// If [`model`](Self::model) is another.
    fn check_model(&self, expected: &Value) -> Result<(), IndexError> {
        match self.model() {
            found if found == expected => Ok(()),
            found => Err(IndexError::Model { expected: expected.clone(), found: found.clone() }),
        }
    }

    /// Stores entries; one whose id is there already replaces it.
    ///
    /// # Errors
    /// If an id is empty or that of two entries, a vector has the wrong length or a value that is not finite, a vector is
    /// zero where cosines are compared, or metadata are nested too deep; or as the kind of store has it.
    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError>;

    /// Removes entries. An id that is not there is ignored.
    ///
    /// # Errors
    /// As the kind of store has it.
    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError>;

    /// The entry with this id, if there is one.
    ///
    /// # Errors
    /// As the kind of store has it.
    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError>;

    /// The entries with these ids, each where its id is, as far as they are there. One call is faster than many of
    /// [`get`](Self::get) where a server is asked.
    ///
    /// # Errors
    /// As the kind of store has it.
    fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<Entry>>, IndexError> {
        ids.iter().map(|id| self.get(id)).collect()
    }

    /// Visits the entries that a filter admits, or all.
    ///
    /// # Errors
    /// If no entry of a store that is not empty has a field that the filter asks for; or as the kind of store has it.
    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError>;

    /// The ids of the entries that a filter admits, or of all.
    ///
    /// # Errors
    /// As [`visit`](Self::visit).
    fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, IndexError> {
        let mut ids = Vec::new();
        self.visit(filter, &mut |entry| ids.push(entry.id))?;
        Ok(ids)
    }

    /// Some of the fields of the metadata that a [`Filter`] can ask for: the first 20, by name.
    ///
    /// # Errors
    /// As the kind of store has it.
    fn fields(&self) -> Result<Vec<String>, IndexError> {
        let mut fields = BTreeSet::new();
        self.visit(None, &mut |entry| {
            fields.extend(
                entry.metadata.as_ref().map(Field::all).unwrap_or_default().into_iter().map(|(field, _)| field),
            );
            while fields.len() > 20 {
                fields.pop_last();
            }
        })?;
        Ok(fields.iter().map(Field::to_string).collect())
    }

    /// The `count` entries nearest to `query`, best first: the greatest similarity or the least distance. All of them
    /// where `count` is more than the store holds.
    ///
    /// # Shapes
    /// `query`: `[d_embed]`.
    ///
    /// # Errors
    /// If the query has the wrong length or a value that is not finite, or is zero where cosines are compared; or as the
    /// kind of store has it.
    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError>;

    /// [`search`](Self::search) among the entries that a filter admits: as many of them as there are, up to `count`.
    ///
    /// # Errors
    /// As `search`, and if no entry of a store that is not empty has a field that the filter asks for.
    fn search_where(&self, query: &[f32], count: usize, filter: &Filter) -> Result<Vec<Hit>, IndexError> {
        let mut hits = self.search(query, usize::MAX)?;
        filter.check_fields(hits.iter().map(|hit| hit.metadata.as_ref()))?;
        hits.retain(|hit| filter.matches(hit.metadata.as_ref()));
        hits.truncate(count);
        Ok(hits)
    }

    /// How many entries there are.
    ///
    /// # Errors
    /// As the kind of store has it.
    fn count(&self) -> Result<usize, IndexError>;

    /// Makes all changes since the last flush last. A store that has nothing to write does nothing.
    ///
    /// # Errors
    /// As the kind of store has it.
    fn flush(&mut self) -> Result<(), IndexError>;
}
