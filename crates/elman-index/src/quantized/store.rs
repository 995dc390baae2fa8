use std::collections::HashSet;

use indexmap::IndexMap;

use super::{Collection, VectorDtype, any_collection::AnyCollection, nearest_rescored};
use crate::{
    entry::{Entry, Hit, check_entries, check_store_query},
    error::IndexError,
    filter::Filter,
    memory::{Payload, hit, visit_entries},
    metric::Metric,
    store::VectorStore,
};

/// Configuration of a [`QuantizedStore`].
///
/// ```
/// use elman_index::quantized::{VectorDtype, QuantizedStoreConfig};
///
/// let config = QuantizedStoreConfig { oversampling: 4, ..QuantizedStoreConfig::new(384) };
/// assert_eq!((config.first, config.second), (VectorDtype::Int8, VectorDtype::Int8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedStoreConfig {
    /// Dimension of the vectors.
    pub dim: usize,
    /// Dtype of the first stage, which compares all vectors. Default: int8.
    pub first: VectorDtype,
    /// Dtype of the second stage, which compares the candidates with the `f32` query. Default: int8. If it differs from
    /// the first, vectors are stored twice.
    pub second: VectorDtype,
    /// Candidates per requested hit. Default: 2.
    pub oversampling: usize,
}

impl QuantizedStoreConfig {
    /// The default configuration for vectors of dimension `dim`.
    pub fn new(dim: usize) -> Self {
        Self { dim, first: VectorDtype::Int8, second: VectorDtype::Int8, oversampling: 2 }
    }
}

/// A store in memory with quantized vectors and two-stage search by [`nearest_rescored`].
///
/// The metric is cosine. [`Hit::score`] is computed in the dtype of the second stage, in which
/// [`get`](VectorStore::get) also returns vectors: the direction of an int8 vector, the signs of a binary one. Ties are
/// in the order in which ids were first stored. [`flush`](VectorStore::flush) does nothing.
///
/// ```
/// use elman_index::{Entry, VectorStore, quantized::{QuantizedStore, QuantizedStoreConfig}};
///
/// let mut store = QuantizedStore::new(QuantizedStoreConfig::new(2))?;
/// store.upsert(vec![Entry::new("a", vec![1.0, 0.0], "east"), Entry::new("b", vec![0.0, 1.0], "north")])?;
/// assert_eq!(store.search(&[0.9, 0.1], 1)?[0].text, "east");
/// # Ok::<(), elman_index::IndexError>(())
/// ```
#[derive(Clone, Debug)]
pub struct QuantizedStore {
    config: QuantizedStoreConfig,
    /// Entries without their vectors, by id, in order of insertion.
    entries: IndexMap<String, Payload>,
    first: AnyCollection,
    /// `None` if both stages have the same dtype.
    second: Option<AnyCollection>,
}

impl QuantizedStore {
    /// An empty store.
    ///
    /// # Errors
    /// If `dim` is 0 or above [`MAX_DIM`](crate::MAX_DIM), or `oversampling` is 0.
    pub fn new(config: QuantizedStoreConfig) -> Result<Self, IndexError> {
        let QuantizedStoreConfig { dim, first, second, oversampling } = config;
        if oversampling == 0 {
            return Err(IndexError::Oversampling { found: oversampling });
        }
        let second_vectors = (first != second).then(|| AnyCollection::new(second, dim)).transpose()?;
        Ok(Self { config, entries: IndexMap::new(), first: AnyCollection::new(first, dim)?, second: second_vectors })
    }

    fn second(&self) -> &AnyCollection {
        self.second.as_ref().unwrap_or(&self.first)
    }
}

impl VectorStore for QuantizedStore {
    fn dim(&self) -> usize {
        self.config.dim
    }

    fn metric(&self) -> Metric {
        Metric::Cosine
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.dim, Metric::Cosine)?;
        for Entry { id, vector, text, metadata } in entries {
            let (position, _) = self.entries.insert_full(id, Payload { text, metadata });
            for collection in [Some(&mut self.first), self.second.as_mut()].into_iter().flatten() {
                collection.set_or_push(position, &vector)?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        let deleted: HashSet<&str> = ids.iter().copied().collect();
        let keep: Vec<bool> = self.entries.keys().map(|id| !deleted.contains(id.as_str())).collect();
        for collection in [Some(&mut self.first), self.second.as_mut()].into_iter().flatten() {
            collection.retain(|position| keep[position]);
        }
        self.entries.retain(|id, _| !deleted.contains(id.as_str()));
        Ok(())
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        Ok(self.entries.get_full(id).map(|(position, id, payload)| Entry {
            id: id.clone(),
            vector: self.second().vector(position),
            text: payload.text.clone(),
            metadata: payload.metadata.clone(),
        }))
    }

    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError> {
        visit_entries(&self.entries, filter, |position| self.second().vector(position), visit)
    }

    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.dim, Metric::Cosine)?;
        let best = nearest_rescored(&self.first, self.second(), query, count, self.config.oversampling)?;
        Ok(best.into_iter().map(|(position, score)| hit(&self.entries, position, score)).collect())
    }

    fn count(&self) -> Result<usize, IndexError> {
        Ok(self.first.len())
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}
