//! Clustering of a store's entries, for `clusters` and `map`.

use std::num::NonZeroUsize;

use clap::Args;
use elman::index::{Cluster, Filter, Location, clusters};

use crate::{error::CliError, keywords, output};

/// Maximum default number of clusters: more are hard to survey.
const MAX_CLUSTERS: usize = 30;
/// Keywords per cluster.
const KEYWORDS: usize = 6;

/// The clustering options.
#[derive(Args, Debug)]
pub struct Grouping {
    /// Number of clusters [default: sqrt(entries / 2), at most 30]
    #[arg(short, value_name = "N")]
    k: Option<NonZeroUsize>,

    /// Only use entries whose metadata match a filter
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,

    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Clustered entries.
pub struct Grouped {
    /// Id and text of each entry.
    pub entries: Vec<(String, String)>,
    /// `[n, dim]`.
    pub vectors: Vec<f32>,
    pub dim: usize,
    /// Largest first.
    pub clusters: Vec<Cluster>,
    /// The keywords of each cluster, best first.
    pub words: Vec<Vec<String>>,
}

impl Grouping {
    /// Reads the entries of a store and clusters them.
    pub fn read(&self, location: &Location) -> Result<Grouped, CliError> {
        let store = location.open_read_only()?;
        let (mut vectors, mut entries) = (Vec::new(), Vec::new());
        if self.filter.is_none() {
            // allocates once instead of doubling; without enough memory, a later allocation fails
            let _ = vectors.try_reserve_exact(store.count()?.saturating_mul(store.dim()));
        }
        store.visit(self.filter.as_ref(), &mut |entry| {
            vectors.extend(entry.vector);
            entries.push((entry.id, entry.text));
        })?;
        match (entries.is_empty(), &self.filter) {
            (true, None) => return Err(CliError::EmptyStore { store: location.to_string() }),
            (true, Some(_)) => return Err(CliError::NoMatch { store: location.to_string() }),
            _ => (),
        }
        let count = self.k.map_or_else(|| default_clusters(entries.len()), NonZeroUsize::get);
        let clusters = clusters(&vectors, store.dim(), count, self.seed)?;
        let texts = |cluster: &Cluster| {
            let positions: Vec<usize> = cluster.members.iter().map(|&(position, _)| position).collect();
            positions.into_iter().map(|position| entries[position].1.as_str())
        };
        let words = keywords::extract(clusters.iter().map(texts), KEYWORDS);
        Ok(Grouped { entries, vectors, dim: store.dim(), clusters, words })
    }

    /// Prints the number of clusters on standard error, with a hint.
    pub fn report(&self, grouped: &Grouped) {
        let count = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        let clusters = count(grouped.clusters.len(), "cluster", "clusters");
        let entries = count(grouped.entries.len(), "entry", "entries");
        let note = match self.k.map(NonZeroUsize::get) {
            None => "; use -k to change the number",
            Some(k) if k > grouped.clusters.len() => ": there are no more distinct vectors",
            Some(_) => "",
        };
        output::notice(format_args!("{clusters} of {entries}{note}"));
    }
}

/// The default number of clusters: `√(n / 2)`, from 1 to [`MAX_CLUSTERS`].
fn default_clusters(entries: usize) -> usize {
    ((entries as f64 / 2.0).sqrt().round() as usize).clamp(1, MAX_CLUSTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_number_of_clusters_is_bounded() {
        for (entries, clusters) in [(1, 1), (2, 1), (3, 1), (5, 2), (200, 10), (1800, 30), (1_000_000, 30)] {
            assert_eq!(default_clusters(entries), clusters);
        }
    }
}
