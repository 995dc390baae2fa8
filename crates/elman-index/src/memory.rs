use std::collections::HashSet;

use indexmap::IndexMap;

use crate::{
    entry::{Entry, Hit, Metadata, check_dim, check_entries, check_store_query},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    rank::top_k,
    store::VectorStore,
};

/// Exact search in memory: every query is compared with every vector.
///
/// Ties are in the order in which ids were first stored; a replaced entry keeps its position. A search reads n·dim
/// values; a call of `delete` moves at most as many, for all its ids together. [`flush`](VectorStore::flush) does
/// nothing.
///
/// ```
/// use elman_index::{Entry, MemoryStore, Metric, VectorStore};
///
/// let mut store = MemoryStore::new(2, Metric::Cosine)?;
/// store.upsert(vec![Entry::new("a", vec![1.0, 0.0], "east"), Entry::new("b", vec![0.0, 1.0], "north")])?;
/// let hits = store.search(&[0.9, 0.1], 1)?;
/// assert_eq!(hits[0].text, "east");
/// # Ok::<(), elman_index::IndexError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    dim: usize,
    metric: Metric,
    /// Entries without their vectors, by id, in order of insertion.
    entries: IndexMap<String, Payload>,
    /// The vectors of `entries`, `[count, dim]`.
    vectors: Vec<f32>,
}

/// An entry without id and vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payload {
    pub(crate) text: String,
    pub(crate) metadata: Option<Metadata>,
}

/// The entry at a position, as a hit.
pub(crate) fn hit(entries: &IndexMap<String, Payload>, position: usize, score: f32) -> Hit {
    let (id, Payload { text, metadata }) = entries.get_index(position).expect("an entry for each vector");
    Hit { id: id.clone(), score, text: text.clone(), metadata: metadata.clone() }
}

/// Visits the entries that match a filter, with the vectors at their positions.
pub(crate) fn visit_entries(
    entries: &IndexMap<String, Payload>,
    filter: Option<&Filter>,
    vector: impl Fn(usize) -> Vec<f32>,
    visit: &mut dyn FnMut(Entry),
) -> Result<(), IndexError> {
    if let Some(filter) = filter {
        filter.check_fields(entries.values().map(|payload| payload.metadata.as_ref()))?;
    }
    for (position, (id, Payload { text, metadata })) in entries.iter().enumerate() {
        if filter.is_none_or(|filter| filter.matches(metadata.as_ref())) {
            let (id, text, metadata) = (id.clone(), text.clone(), metadata.clone());
            visit(Entry { id, vector: vector(position), text, metadata });
        }
    }
    Ok(())
}

/// Retains the rows of `values`, of `width` values each, for which `keep` is true.
pub(crate) fn retain_rows<T: Copy>(values: &mut Vec<T>, width: usize, keep: impl Fn(usize) -> bool) {
    let mut len = 0;
    for position in (0..values.len() / width).filter(|&position| keep(position)) {
        let start = position * width;
        values.copy_within(start..start + width, len * width);
        len += 1;
    }
    values.truncate(len * width);
}

impl MemoryStore {
    /// An empty store.
    ///
    /// # Errors
    /// If `dim` is 0 or above [`MAX_DIM`](crate::MAX_DIM).
    pub fn new(dim: usize, metric: Metric) -> Result<Self, IndexError> {
        check_dim(dim)?;
        Ok(Self { dim, metric, entries: IndexMap::new(), vectors: Vec::new() })
    }

    fn vector(&self, position: usize) -> &[f32] {
        &self.vectors[position * self.dim..][..self.dim]
    }
}

impl VectorStore for MemoryStore {
    fn dim(&self) -> usize {
        self.dim
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.dim, self.metric)?;
        for Entry { id, vector, text, metadata } in entries {
            let (position, replaced) = self.entries.insert_full(id, Payload { text, metadata });
            match replaced {
                Some(_) => self.vectors[position * self.dim..][..self.dim].copy_from_slice(&vector),
                None => self.vectors.extend_from_slice(&vector),
            }
        }
        Ok(())
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        let deleted: HashSet<&str> = ids.iter().copied().collect();
        let keep: Vec<bool> = self.entries.keys().map(|id| !deleted.contains(id.as_str())).collect();
        retain_rows(&mut self.vectors, self.dim, |position| keep[position]);
        self.entries.retain(|id, _| !deleted.contains(id.as_str()));
        Ok(())
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        Ok(self.entries.get_full(id).map(|(position, id, payload)| Entry {
            id: id.clone(),
            vector: self.vector(position).to_vec(),
            text: payload.text.clone(),
            metadata: payload.metadata.clone(),
        }))
    }

    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError> {
        visit_entries(&self.entries, filter, |position| self.vector(position).to_vec(), visit)
    }

    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.dim, self.metric)?;
        let sign = if self.metric.is_distance() { -1.0 } else { 1.0 };
        let scores = self.metric.scores(query, self.vectors.chunks_exact(self.dim));
        let best = top_k(scores.map(|score| sign * score), count);
        Ok(best.into_iter().map(|(position, score)| hit(&self.entries, position, sign * score)).collect())
    }

    fn count(&self) -> Result<usize, IndexError> {
        Ok(self.entries.len())
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_DIM;

    fn store(metric: Metric) -> MemoryStore {
        let mut store = MemoryStore::new(2, metric).unwrap();
        let vectors = [("a", [1.0, 0.0]), ("b", [0.0, 1.0]), ("c", [3.0, 0.0]), ("d", [0.0, 0.5])];
        store.upsert(vectors.map(|(id, vector)| Entry::new(id, vector.to_vec(), id)).into()).unwrap();
        store
    }

    fn ids(store: &MemoryStore, query: [f32; 2], count: usize) -> String {
        store.search(&query, count).unwrap().into_iter().map(|hit| hit.id).collect()
    }

    #[test]
    fn hits_are_best_first_and_ties_in_order_of_insertion() {
        assert_eq!(ids(&store(Metric::Cosine), [2.0, 0.0], 9), "acbd");
        assert_eq!(ids(&store(Metric::Dot), [2.0, 0.0], 9), "cabd");
        assert_eq!(ids(&store(Metric::Euclidean), [2.0, 0.0], 3), "acd");
        assert_eq!(store(Metric::Euclidean).search(&[3.0, 4.0], 1).unwrap()[0].score, 4.0);
    }

    #[test]
    fn a_replaced_entry_keeps_its_position() {
        let mut store = store(Metric::Cosine);
        store.upsert(vec![Entry::new("a", vec![5.0, 0.0], "new")]).unwrap();
        assert_eq!(ids(&store, [1.0, 0.0], 2), "ac");
        store.delete(&["a", "d", "nowhere", "a"]).unwrap();
        assert_eq!(store.get("c").unwrap().unwrap().vector, [3.0, 0.0]);
        store.upsert(vec![Entry::new("a", vec![5.0, 0.0], "newer")]).unwrap();
        assert_eq!(ids(&store, [1.0, 0.0], 9), "cab");
        assert_eq!(store.count().unwrap(), 3);
        assert_eq!(store.get("a").unwrap().unwrap().text, "newer");
    }

    #[test]
    fn a_filter_returns_all_matches() {
        let mut store = MemoryStore::new(1, Metric::Dot).unwrap();
        let filter = "n > 7".parse().unwrap();
        assert_eq!(store.search_where(&[1.0], 3, &filter).unwrap(), []);
        let entry = |n: i32| {
            let metadata = Metadata::from_iter([("n".to_string(), n.into())]);
            Entry::new(n.to_string(), vec![-n as f32], "").with_metadata(metadata)
        };
        store.upsert((0..10).map(entry).collect()).unwrap();
        let ids: Vec<String> = store.search_where(&[1.0], 3, &filter).unwrap().into_iter().map(|hit| hit.id).collect();
        assert_eq!(ids, ["8", "9"]);
        let error = store.search_where(&[1.0], 3, &"m = 1".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "no entry has the field m: entries have n");
    }

    #[test]
    fn an_invalid_entry_changes_nothing() {
        let mut store = store(Metric::Cosine);
        let entries = vec![Entry::new("e", vec![1.0, 1.0], ""), Entry::new("f", vec![1.0], "")];
        assert!(matches!(store.upsert(entries), Err(IndexError::EntryDimension { expected: 2, found: 1, .. })));
        assert_eq!(store.count().unwrap(), 4);
    }

    #[test]
    fn the_dimension_is_limited() {
        for dim in [0, MAX_DIM + 1] {
            let error = MemoryStore::new(dim, Metric::Dot).unwrap_err();
            assert_eq!(error.to_string(), format!("vectors of {dim} dimensions cannot be stored: use 1 to 65536"));
        }
    }

    #[test]
    fn is_send_sync_and_dyn_compatible() {
        fn shared<T: Send + Sync>(value: T) -> T {
            value
        }
        let mut stores: Vec<Box<dyn VectorStore>> = vec![Box::new(shared(store(Metric::Dot)))];
        stores[0].flush().unwrap();
        assert_eq!((stores[0].dim(), stores[0].metric()), (2, Metric::Dot));
    }
}
