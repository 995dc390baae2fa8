use crate::{
    entry::{Entry, Hit},
    error::IndexError,
    filter::Filter,
    metric::Metric,
};

/// Keeps vectors and finds the ones nearest to a query.
///
/// The trait is the same for a store in memory, in a folder or on a server, and can be used as `dyn VectorStore`.
/// A store that checks its input does so before it changes anything: an entry that is not valid leaves the store as it
/// was. Reads see what was written through the same value, flushed or not.
pub trait VectorStore {
    /// The length of every vector.
    fn d_embed(&self) -> usize;

    /// What [`Hit::score`] is, and the order of hits.
    fn metric(&self) -> Metric;

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
