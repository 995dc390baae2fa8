use std::collections::HashSet;

use indexmap::IndexMap;

use super::{Collection, VectorDtype, kept::Kept, nearest_rescored};
use crate::{
    entry::{Entry, Hit, check_entries, check_store_query},
    error::IndexError,
    filter::Filter,
    memory::{Payload, hit, visit_entries},
    metric::Metric,
    store::VectorStore,
};

/// What a [`QuantizedStore`] keeps, and how it searches.
///
/// ```
/// use elman_index::quantized::{VectorDtype, QuantizedStoreConfig};
///
/// let config = QuantizedStoreConfig { oversampling: 4, ..QuantizedStoreConfig::new(384) };
/// assert_eq!((config.first, config.second), (VectorDtype::Int8, VectorDtype::Int8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedStoreConfig {
    /// The length of every vector.
    pub d_embed: usize,
    /// What every vector is compared in; int8 unless chosen otherwise.
    pub first: VectorDtype,
    /// What the candidates are compared in with the query as it is; int8 unless chosen otherwise. Vectors are kept twice
    /// if it is not that of the first stage.
    pub second: VectorDtype,
    /// Candidates for each hit that is asked for; 2 unless chosen otherwise.
    pub oversampling: usize,
}

impl QuantizedStoreConfig {
    /// The settings for vectors of length `d_embed`.
    pub fn new(d_embed: usize) -> Self {
        Self { d_embed, first: VectorDtype::Int8, second: VectorDtype::Int8, oversampling: 2 }
    }
}

/// A store in memory whose vectors are kept in few bits and searched in two stages, by [`nearest_rescored`].
///
/// Its metric is the cosine, and [`Hit::score`] that of the query and the vector in the second stage's precision. So is the
/// vector that [`get`](VectorStore::get) returns: of an int8 vector the direction, of a binary one the signs. The order of
/// equal scores is that in which ids were first stored. [`flush`](VectorStore::flush) has nothing to do.
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
    /// Ids in order, and what belongs to each but its vector.
    entries: IndexMap<String, Payload>,
    first: Kept,
    /// `None` where the first stage's are of the same precision.
    second: Option<Kept>,
}

impl QuantizedStore {
    /// An empty store.
    ///
    /// # Errors
    /// If `d_embed` is 0 or above [`MAX_DIM`](crate::MAX_DIM), or `oversampling` is 0.
    pub fn new(config: QuantizedStoreConfig) -> Result<Self, IndexError> {
        let QuantizedStoreConfig { d_embed, first, second, oversampling } = config;
        if oversampling == 0 {
            return Err(IndexError::Oversampling { found: oversampling });
        }
        let other = (first != second).then(|| Kept::new(second, d_embed)).transpose()?;
        Ok(Self { config, entries: IndexMap::new(), first: Kept::new(first, d_embed)?, second: other })
    }

    fn second(&self) -> &Kept {
        self.second.as_ref().unwrap_or(&self.first)
    }
}

impl VectorStore for QuantizedStore {
    fn dim(&self) -> usize {
        self.config.d_embed
    }

    fn metric(&self) -> Metric {
        Metric::Cosine
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.d_embed, Metric::Cosine)?;
        for Entry { id, vector, text, metadata } in entries {
            let (position, _) = self.entries.insert_full(id, Payload { text, metadata });
            for kept in [Some(&mut self.first), self.second.as_mut()].into_iter().flatten() {
                kept.put(position, &vector)?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        let doomed: HashSet<&str> = ids.iter().copied().collect();
        let stays: Vec<bool> = self.entries.keys().map(|id| !doomed.contains(id.as_str())).collect();
        for kept in [Some(&mut self.first), self.second.as_mut()].into_iter().flatten() {
            kept.retain(|position| stays[position]);
        }
        self.entries.retain(|id, _| !doomed.contains(id.as_str()));
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
        check_store_query(query, self.config.d_embed, Metric::Cosine)?;
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
