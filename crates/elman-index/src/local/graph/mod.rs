//! HNSW graph of a local store, for fast approximate search among many entries.
//!
//! It is a cache: results are checked against the database, and without a graph searches read all vectors.

mod build;
mod builder;
mod manifest;
mod rows;
mod search;
mod semaphore;

use std::{fmt, path::Path, thread::available_parallelism};

pub use build::GraphInfo;
use manifest::GraphManifest;
pub(super) use search::CachedGraph;
use semaphore::Semaphore;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::{config::StoreConfig, metric::Metric, quantized::Int8};

/// `M` of the paper: neighbors of each entry per level; twice as many on the lowest level.
const CONNECTIVITY: usize = 16;
/// `efConstruction` of the paper: candidates considered when an entry is added.
const EXPANSION_ADD: usize = 128;
/// `ef` of the paper: candidates considered in a search. Default of `with_expansion`.
pub(super) const EXPANSION_SEARCH: usize = 144;

/// A hierarchical navigable small world (HNSW) graph of the rows of a store.
///
/// # Reference
/// Malkov and Yashunin 2016, *Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
/// Small World graphs*, by [usearch](https://github.com/unum-cloud/usearch).
pub(super) struct Graph {
    index: Index,
    /// With cosine, vectors are int8; other metrics need their lengths, which int8 vectors lose.
    is_cosine: bool,
    manifest: GraphManifest,
    semaphore: Semaphore,
}

impl Graph {
    /// Opens the graph with the id `graph_id`. `None` if it is missing, damaged, or belongs to another store.
    fn open(folder: &Path, graph_id: &str, config: &StoreConfig, expansion: usize) -> Option<Self> {
        let manifest = GraphManifest::read(folder).filter(|manifest| manifest.graph_id == graph_id)?;
        let path = manifest.verified_path(folder)?;
        let index = Index::new(&options(config)).ok()?;
        index.view(path.to_str()?).ok()?;
        index.change_expansion_search(expansion);
        let matches = index.size() == manifest.entries && index.dimensions() == config.dim;
        let semaphore = Semaphore::new(available_parallelism().map_or(1, usize::from));
        matches.then(|| Self { index, is_cosine: config.metric == Metric::Cosine, manifest, semaphore })
    }

    /// The approximately nearest `count` rows, optionally among those that match a predicate. `None` if usearch fails.
    fn nearest(&self, query: &[f32], count: usize, predicate: Option<&dyn Fn(i64) -> bool>) -> Option<Vec<i64>> {
        let _permit = self.semaphore.acquire();
        let predicate = predicate.map(|predicate| move |key: u64| predicate(key as i64));
        let found = match (self.is_cosine, predicate) {
            (true, None) => self.index.search(&to_int8(query), count),
            (true, Some(predicate)) => self.index.filtered_search(&to_int8(query), count, predicate),
            (false, None) => self.index.search(query, count),
            (false, Some(predicate)) => self.index.filtered_search(query, count, predicate),
        };
        found.ok().map(|found| found.keys.into_iter().map(|key| key as i64).collect())
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

fn options(config: &StoreConfig) -> IndexOptions {
    let (metric, quantization) = match config.metric {
        Metric::Cosine => (MetricKind::Cos, ScalarKind::I8),
        Metric::Dot => (MetricKind::IP, ScalarKind::BF16),
        Metric::Euclidean => (MetricKind::L2sq, ScalarKind::BF16),
    };
    IndexOptions {
        dimensions: config.dim,
        metric,
        quantization,
        connectivity: CONNECTIVITY,
        expansion_add: EXPANSION_ADD,
        expansion_search: EXPANSION_SEARCH,
        multi: false,
    }
}

/// Quantizes the direction of a vector, scaled by its maximum. usearch scales by the norm, which leaves most of the
/// range unused.
fn to_int8(vector: &[f32]) -> Vec<i8> {
    Int8::quantize(vector).expect("stored vectors and queries are finite")
}
