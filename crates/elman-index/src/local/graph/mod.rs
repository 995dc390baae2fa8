//! A graph of neighbours beside the database, which makes searches among many entries fast.
//!
//! It is a cache: every answer is checked against the database, and without it searches read all vectors.

mod build;
mod find;
mod growing;
mod rows;
mod stamp;
mod turns;

use std::{fmt, path::Path, thread::available_parallelism};

pub use build::GraphInfo;
pub(super) use find::Kept;
use stamp::Stamp;
use turns::Turns;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::{config::StoreConfig, metric::Metric, quantized::Int8};

/// Neighbours that each entry is joined with; twice as many on the lowest level. M in the paper.
const CONNECTIVITY: usize = 16;
/// Candidates that are looked at when an entry is added. efConstruction in the paper.
const EXPANSION_ADD: usize = 128;
/// Candidates that are looked at in a search unless chosen otherwise. ef in the paper.
pub(super) const EXPANSION_SEARCH: usize = 144;

/// A hierarchical navigable small world over the rows of a store.
///
/// # Reference
/// Malkov and Yashunin 2016, *Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
/// World graphs*, by [usearch](https://github.com/unum-cloud/usearch).
pub(super) struct Graph {
    index: Index,
    /// The cosine is that of 8 bits; other metrics need the length of a vector, which those lose.
    is_cosine: bool,
    stamp: Stamp,
    turns: Turns,
}

impl Graph {
    /// Opens the graph that the database calls `generation`: none if it is not there, damaged, or of another store.
    fn open(folder: &Path, generation: &str, config: &StoreConfig, expansion: usize) -> Option<Self> {
        let stamp = Stamp::read(folder).filter(|stamp| stamp.generation == generation)?;
        let path = stamp.checked_file(folder)?;
        let index = Index::new(&options(config)).ok()?;
        index.view(path.to_str()?).ok()?;
        index.change_expansion_search(expansion);
        let fits = index.size() == stamp.entries && index.dimensions() == config.d_embed;
        let turns = Turns::new(available_parallelism().map_or(1, usize::from));
        fits.then(|| Self { index, is_cosine: config.metric == Metric::Cosine, stamp, turns })
    }

    /// The `count` rows nearest to a query, as far as the graph knows, or of those that a predicate admits. None where the
    /// graph fails.
    fn nearest(&self, query: &[f32], count: usize, admits: Option<&dyn Fn(i64) -> bool>) -> Option<Vec<i64>> {
        let _turn = self.turns.take();
        let admits = admits.map(|admits| move |key: u64| admits(key as i64));
        let found = match (self.is_cosine, admits) {
            (true, None) => self.index.search(&eight_bits(query), count),
            (true, Some(admits)) => self.index.filtered_search(&eight_bits(query), count, admits),
            (false, None) => self.index.search(query, count),
            (false, Some(admits)) => self.index.filtered_search(query, count, admits),
        };
        found.ok().map(|found| found.keys.into_iter().map(|key| key as i64).collect())
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

fn options(config: &StoreConfig) -> IndexOptions {
    let (metric, quantization) = match config.metric {
        Metric::Cosine => (MetricKind::Cos, ScalarKind::I8),
        Metric::Dot => (MetricKind::IP, ScalarKind::BF16),
        Metric::Euclidean => (MetricKind::L2sq, ScalarKind::BF16),
    };
    IndexOptions {
        dimensions: config.d_embed,
        metric,
        quantization,
        connectivity: CONNECTIVITY,
        expansion_add: EXPANSION_ADD,
        expansion_search: EXPANSION_SEARCH,
        multi: false,
    }
}

/// The direction of a vector, as near as 8 bits come: usearch's own scales by the length, which leaves most of them unused.
fn eight_bits(vector: &[f32]) -> Vec<i8> {
    Int8::quantize(vector).expect("vectors of a store and queries are finite")
}
