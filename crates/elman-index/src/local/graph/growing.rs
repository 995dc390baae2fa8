//! A graph that is being made.

use std::path::Path;

use rayon::prelude::*;
use usearch::{Index, MetricKind};

use super::{EXPANSION_ADD, EXPANSION_SEARCH, eight_bits, options};
use crate::{config::StoreConfig, metric::Metric};

/// Candidates among which an entry is looked for first. Nearly all are found.
const FIRST_LOOK: usize = 16;

type Result<T> = std::result::Result<T, cxx::Exception>;

/// A graph that all of rayon's threads add to.
///
/// Threads that add at once lose entries, most of them while there are few: one that is joined on an upper level, and not
/// yet on the lowest, leads the others astray ([usearch #735](https://github.com/unum-cloud/USearch/issues/735)). So each
/// entry is [looked for](Self::lost) once all are there, and what is not found is added anew by one thread.
pub(super) struct Growing {
    index: Index,
    metric: Metric,
    kind: MetricKind,
}

impl Growing {
    /// The graph of a file, to be added to; none if it cannot be read.
    pub(super) fn load(config: &StoreConfig, path: &Path, entries: usize) -> Option<Self> {
        let growing = Self::new(config).ok()?;
        growing.index.load(path.to_str()?).ok()?;
        (growing.len() == entries && growing.index.dimensions() == config.d_embed).then_some(growing)
    }

    pub(super) fn new(config: &StoreConfig) -> Result<Self> {
        let options = options(config);
        let kind = options.metric;
        Ok(Self { index: Index::new(&options)?, metric: config.metric, kind })
    }

    pub(super) fn len(&self) -> usize {
        self.index.size()
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&self, more: usize) -> Result<()> {
        self.index.reserve_capacity_and_threads(self.len() + more, rayon::current_num_threads())?;
        self.index.change_expansion_add(EXPANSION_ADD);
        // as many as are asked for
        self.index.change_expansion_search(1);
        Ok(())
    }

    pub(super) fn add_all(&self, rows: &[i64], vectors: &[f32]) -> Result<()> {
        self.each(rows, vectors).try_for_each(|(row, vector)| self.add(row, vector))
    }

    /// The rows, of these, that a search does not find by their own vectors.
    pub(super) fn lost<'a>(&self, rows: &'a [i64], vectors: &'a [f32]) -> Result<Vec<(i64, &'a [f32])>> {
        // the greatest product can be that with another, the least distance cannot
        if self.metric == Metric::Dot {
            self.index.change_metric_kind(MetricKind::L2sq)?;
        }
        let lost = self.each(rows, vectors).filter_map(|(row, vector)| {
            let finds = |among| self.finds(row, vector, among);
            let found = finds(FIRST_LOOK).and_then(|found| Ok(found || finds(EXPANSION_SEARCH)?));
            found.map(|found| (!found).then_some((row, vector))).transpose()
        });
        let lost = lost.collect();
        self.index.change_metric_kind(self.kind)?;
        lost
    }

    pub(super) fn add_anew(&self, lost: &[(i64, &[f32])]) -> Result<()> {
        lost.iter().try_for_each(|&(row, vector)| {
            self.index.remove(row as u64)?;
            self.add(row, vector)
        })
    }

    pub(super) fn save(&self, path: &str) -> Result<()> {
        self.index.save(path)
    }

    fn add(&self, row: i64, vector: &[f32]) -> Result<()> {
        match self.metric {
            Metric::Cosine => self.index.add(row as u64, &eight_bits(vector)),
            Metric::Dot | Metric::Euclidean => self.index.add(row as u64, vector),
        }
    }

    fn finds(&self, row: i64, vector: &[f32], among: usize) -> Result<bool> {
        let found = match self.metric {
            Metric::Cosine => self.index.search(&eight_bits(vector), among),
            Metric::Dot | Metric::Euclidean => self.index.search(vector, among),
        }?;
        // or so many equal ones that they hide it
        let hidden = found.keys.len() == among && found.distances.first() == found.distances.last();
        Ok(hidden || found.keys.contains(&(row as u64)))
    }

    fn each<'a>(&self, rows: &'a [i64], vectors: &'a [f32]) -> impl ParallelIterator<Item = (i64, &'a [f32])> {
        rows.par_iter().copied().zip(vectors.par_chunks_exact(self.index.dimensions()))
    }
}
