//! A graph that is being made.

use std::{
    collections::HashSet,
    path::Path,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use rayon::prelude::*;
use usearch::{Index, MetricKind, VectorType};

use super::{EXPANSION_ADD, EXPANSION_SEARCH, eight_bits, options};
use crate::{config::StoreConfig, metric::Metric};

/// Entries that are added first, which can be lost in groups that lead to each other: each is looked for.
const FIRST: usize = 10_000;
/// Of the others, those are looked for that no more than so many lead to.
const FEW_LEAD_TO: u8 = 8;
/// Candidates among which an entry is looked for first. Nearly all are found.
const FIRST_LOOK: usize = 16;

type Result<T> = std::result::Result<T, cxx::Exception>;

/// A graph that all of rayon's threads add to.
///
/// Threads that add at once lose entries, most of them while there are few: one that is joined on an upper level, and not
/// yet on the lowest, leads the others astray ([usearch #735](https://github.com/unum-cloud/USearch/issues/735)). What is
/// lost is [added anew](Self::mend) by one thread.
pub(super) struct Growing {
    index: Index,
    metric: Metric,
    kind: MetricKind,
    added: Vec<i64>,
}

impl Growing {
    pub(super) fn new(config: &StoreConfig) -> Result<Self> {
        let options = options(config);
        let kind = options.metric;
        Ok(Self { index: Index::new(&options)?, metric: config.metric, kind, added: Vec::new() })
    }

    /// The graph of a file, to be added to; none if it cannot be read.
    pub(super) fn load(config: &StoreConfig, path: &Path, entries: usize) -> Option<Self> {
        let growing = Self::new(config).ok()?;
        growing.index.load(path.to_str()?).ok()?;
        (growing.len() == entries && growing.index.dimensions() == config.d_embed).then_some(growing)
    }

    pub(super) fn len(&self) -> usize {
        self.index.size()
    }

    pub(super) fn save(&self, path: &str) -> Result<()> {
        self.index.save(path)
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&self, more: usize) -> Result<()> {
        self.index.reserve_capacity_and_threads(self.len() + more, rayon::current_num_threads())?;
        self.index.change_expansion_add(EXPANSION_ADD);
        // as many as are asked for
        self.index.change_expansion_search(1);
        Ok(())
    }

    pub(super) fn add(&mut self, rows: &[i64], vectors: &[f32]) -> Result<()> {
        let vectors = vectors.par_chunks_exact(self.index.dimensions());
        rows.par_iter().zip(vectors).try_for_each(|(&row, vector)| match self.metric {
            Metric::Cosine => self.index.add(row as u64, &eight_bits(vector)),
            Metric::Dot | Metric::Euclidean => self.index.add(row as u64, vector),
        })?;
        self.added.extend(rows);
        Ok(())
    }

    /// Adds those anew that are not found by their own vectors, each once: some stay in the shadow of an entry that is near
    /// to all of their neighbours, as in every graph of this kind.
    pub(super) fn mend(&self) -> Result<()> {
        match self.metric {
            Metric::Cosine => self.mend_of::<i8>(),
            Metric::Dot | Metric::Euclidean => self.mend_of::<f32>(),
        }
    }

    fn mend_of<T: VectorType + Default + Clone + Send>(&self) -> Result<()> {
        let mut mended = HashSet::new();
        loop {
            // the greatest product can be that with another, the least distance cannot
            if self.metric == Metric::Dot {
                self.index.change_metric_kind(MetricKind::L2sq)?;
            }
            let mut suspects = self.suspects::<T>()?;
            suspects.retain(|row| !mended.contains(row));
            let lost = suspects.into_par_iter().filter_map(|row| self.unless_found::<T>(row).transpose());
            let lost: Vec<_> = lost.collect::<Result<_>>()?;
            self.index.change_metric_kind(self.kind)?;
            if lost.is_empty() {
                return Ok(());
            }
            for (row, vector) in lost {
                self.index.remove(row as u64)?;
                self.index.add(row as u64, &vector)?;
                mended.insert(row);
            }
        }
    }

    /// What has been added first, and what a walk from entry to entry comes upon never or seldom.
    fn suspects<T: VectorType + Default + Clone>(&self) -> Result<Vec<i64>> {
        let Some((&first, &last)) = self.added.first().zip(self.added.last()) else { return Ok(Vec::new()) };
        // a byte for each row that there ever was
        let met: Vec<_> = (0..=last).map(|_| AtomicU8::new(0)).collect();
        let meets = |times: &AtomicU8| times.fetch_update(Relaxed, Relaxed, |times| times.checked_add(1));
        let meets_first = |key: u64| met.get(key as usize).is_some_and(|times| meets(times) == Ok(0));
        let mut reached = self.index.search(&self.vector::<T>(first)?, EXPANSION_SEARCH)?.keys;
        reached.retain(|&key| meets_first(key));
        while !reached.is_empty() {
            let next = |key: u64| self.index.neighbors(key, 0).filter(|&key| meets_first(key));
            reached = reached.into_par_iter().flat_map_iter(next).collect();
        }
        let is_suspect = |&(at, &row): &(usize, &i64)| at < FIRST || met[row as usize].load(Relaxed) <= FEW_LEAD_TO;
        Ok(self.added.iter().enumerate().filter(is_suspect).map(|(_, &row)| row).collect())
    }

    fn unless_found<T: VectorType + Default + Clone>(&self, row: i64) -> Result<Option<(i64, Vec<T>)>> {
        let vector = self.vector::<T>(row)?;
        for among in [FIRST_LOOK, EXPANSION_SEARCH] {
            let found = self.index.search(&vector, among)?;
            // or so many equal ones that they hide it
            let hidden = found.keys.len() == among && found.distances.first() == found.distances.last();
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
