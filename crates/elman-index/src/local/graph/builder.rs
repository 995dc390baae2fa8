//! Construction of a graph.

use std::{
    collections::HashSet,
    path::Path,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use rayon::prelude::*;
use usearch::{Index, MetricKind, VectorType};

use super::{EXPANSION_ADD, EXPANSION_SEARCH, options, to_int8};
use crate::{config::StoreConfig, metric::Metric};

/// The first entries can form disconnected groups, so each of them is checked for reachability.
const ALWAYS_CHECKED: usize = 10_000;
/// Later entries are checked only if their in-degree is at most this.
const MAX_CHECKED_IN_DEGREE: u8 = 8;
/// `ef` of the first reachability check, which nearly all entries pass.
const QUICK_EXPANSION: usize = 16;

type Result<T> = std::result::Result<T, cxx::Exception>;

/// Builds a graph on all of rayon's threads.
///
/// Concurrent insertion can leave entries unreachable, mostly while the graph is small: an entry that is linked on an
/// upper level, but not yet on the lowest, misleads other threads (<https://github.com/unum-cloud/USearch/issues/735>).
/// [`repair_unreachable`](Self::repair_unreachable) inserts them again, on one thread.
pub(super) struct GraphBuilder {
    index: Index,
    metric: Metric,
    metric_kind: MetricKind,
    /// Rows that were added, in order.
    added: Vec<i64>,
}

impl GraphBuilder {
    pub(super) fn new(config: &StoreConfig) -> Result<Self> {
        let options = options(config);
        let metric_kind = options.metric;
        Ok(Self { index: Index::new(&options)?, metric: config.metric, metric_kind, added: Vec::new() })
    }

    /// Loads a graph to add entries to it. `None` if it cannot be read or does not match.
    pub(super) fn load(config: &StoreConfig, path: &Path, entries: usize) -> Option<Self> {
        let builder = Self::new(config).ok()?;
        builder.index.load(path.to_str()?).ok()?;
        (builder.len() == entries && builder.index.dimensions() == config.dim).then_some(builder)
    }

    pub(super) fn len(&self) -> usize {
        self.index.size()
    }

    pub(super) fn save(&self, path: &str) -> Result<()> {
        self.index.save(path)
    }

    /// Reserves capacity for `additional` entries.
    pub(super) fn reserve(&self, additional: usize) -> Result<()> {
        self.index.reserve_capacity_and_threads(self.len() + additional, rayon::current_num_threads())?;
        self.index.change_expansion_add(EXPANSION_ADD);
        // searches consider as many candidates as are requested
        self.index.change_expansion_search(1);
        Ok(())
    }

    pub(super) fn add(&mut self, rows: &[i64], vectors: &[f32]) -> Result<()> {
        let vectors = vectors.par_chunks_exact(self.index.dimensions());
        rows.par_iter().zip(vectors).try_for_each(|(&row, vector)| match self.metric {
            Metric::Cosine => self.index.add(row as u64, &to_int8(vector)),
            Metric::Dot | Metric::Euclidean => self.index.add(row as u64, vector),
        })?;
        self.added.extend(rows);
        Ok(())
    }

    /// Re-inserts, at most once, each entry that a search for its own vector does not return. A few stay unreachable,
    /// as in any HNSW graph.
    pub(super) fn repair_unreachable(&self) -> Result<()> {
        match self.metric {
            Metric::Cosine => self.repair_unreachable_of::<i8>(),
            Metric::Dot | Metric::Euclidean => self.repair_unreachable_of::<f32>(),
        }
    }

    fn repair_unreachable_of<T: VectorType + Default + Clone + Send>(&self) -> Result<()> {
        let mut reinserted = HashSet::new();
        loop {
            // a vector's greatest dot product can be with another vector; its smallest distance is 0
            if self.metric == Metric::Dot {
                self.index.change_metric_kind(MetricKind::L2sq)?;
            }
            let mut candidates = self.repair_candidates::<T>()?;
            candidates.retain(|row| !reinserted.contains(row));
            let unreachable = candidates.into_par_iter().filter_map(|row| self.if_unreachable::<T>(row).transpose());
            let unreachable: Vec<_> = unreachable.collect::<Result<_>>()?;
            self.index.change_metric_kind(self.metric_kind)?;
            if unreachable.is_empty() {
                return Ok(());
            }
            for (row, vector) in unreachable {
                self.index.remove(row as u64)?;
                self.index.add(row as u64, &vector)?;
                reinserted.insert(row);
            }
        }
    }

    /// The first entries, and those that a breadth-first search reaches never or by few edges.
    fn repair_candidates<T: VectorType + Default + Clone>(&self) -> Result<Vec<i64>> {
        let Some((&first, &last)) = self.added.first().zip(self.added.last()) else { return Ok(Vec::new()) };
        // one byte for each row up to the last
        let in_degrees: Vec<_> = (0..=last).map(|_| AtomicU8::new(0)).collect();
        let increment = |degree: &AtomicU8| degree.fetch_update(Relaxed, Relaxed, |degree| degree.checked_add(1));
        let is_first_visit = |key: u64| in_degrees.get(key as usize).is_some_and(|degree| increment(degree) == Ok(0));
        let mut reached = self.index.search(&self.vector::<T>(first)?, EXPANSION_SEARCH)?.keys;
        reached.retain(|&key| is_first_visit(key));
        while !reached.is_empty() {
            let next = |key: u64| self.index.neighbors(key, 0).filter(|&key| is_first_visit(key));
            reached = reached.into_par_iter().flat_map_iter(next).collect();
        }
        let is_candidate = |&(position, &row): &(usize, &i64)| {
            position < ALWAYS_CHECKED || in_degrees[row as usize].load(Relaxed) <= MAX_CHECKED_IN_DEGREE
        };
        Ok(self.added.iter().enumerate().filter(is_candidate).map(|(_, &row)| row).collect())
    }

    /// The row and its vector, if a search for the vector does not return the row.
    fn if_unreachable<T: VectorType + Default + Clone>(&self, row: i64) -> Result<Option<(i64, Vec<T>)>> {
        let vector = self.vector::<T>(row)?;
        for expansion in [QUICK_EXPANSION, EXPANSION_SEARCH] {
            let found = self.index.search(&vector, expansion)?;
            // with many equal vectors, others can take all places
            let hidden = found.keys.len() == expansion && found.distances.first() == found.distances.last();
            if hidden || found.keys.contains(&(row as u64)) {
                return Ok(None);
            }
        }
        Ok(Some((row, vector)))
    }

    fn vector<T: VectorType + Default + Clone>(&self, row: i64) -> Result<Vec<T>> {
        let mut vector = vec![T::default(); self.index.dimensions()];
        self.index.get(row as u64, &mut vector)?;
        Ok(vector)
    }
}
