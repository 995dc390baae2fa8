//! The entries of a store in groups: what 'clusters' and 'map' share.

use std::num::NonZeroUsize;

use clap::Args;
use elman::index::{Cluster, Filter, Location, clusters};

use crate::{error::CliError, output, words};

/// Clusters that are made unless told otherwise, at most: more are not looked at.
const MOST: usize = 30;
/// Words that are found for each cluster.
const WORDS: usize = 6;

/// Which entries, and how many groups.
#[derive(Args, Debug)]
pub struct Grouping {
    /// Clusters to make [default: the root of half the number of entries, at most 30]
    #[arg(short, value_name = "N")]
    k: Option<NonZeroUsize>,

    /// Only entries whose metadata meet a condition
    #[arg(long, value_name = "CONDITION")]
    filter: Option<Filter>,

    /// Seed of all draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Entries in groups.
pub struct Grouped {
    /// Id and text of each.
    pub named: Vec<(String, String)>,
    /// `[n, d_embed]`.
    pub vectors: Vec<f32>,
    pub d_embed: usize,
    /// The greatest first.
    pub clusters: Vec<Cluster>,
    /// The words that tell each cluster from the others, best first.
    pub words: Vec<Vec<String>>,
}

impl Grouping {
    /// Reads the entries of a store and groups them.
    pub fn read(&self, location: &Location) -> Result<Grouped, CliError> {
        let store = location.open_read_only()?;
        let (mut vectors, mut named) = (Vec::new(), Vec::new());
        if self.filter.is_none() {
            // in one piece, rather than doubling; that there is too little room is found out soon enough
            let _ = vectors.try_reserve_exact(store.count()?.saturating_mul(store.dim()));
        }
        store.visit(self.filter.as_ref(), &mut |entry| {
            vectors.extend(entry.vector);
            named.push((entry.id, entry.text));
        })?;
        match (named.is_empty(), &self.filter) {
            (true, None) => return Err(CliError::EmptyStore { store: location.to_string() }),
            (true, Some(_)) => return Err(CliError::NoneAdmitted { store: location.to_string() }),
            _ => (),
        }
        let count = self.k.map_or_else(|| usual(named.len()), NonZeroUsize::get);
        let clusters = clusters(&vectors, store.dim(), count, self.seed)?;
        let texts = |cluster: &Cluster| {
            let positions: Vec<usize> = cluster.members.iter().map(|&(position, _)| position).collect();
            positions.into_iter().map(|position| named[position].1.as_str())
        };
        let words = words::telling(clusters.iter().map(texts), WORDS);
        Ok(Grouped { named, vectors, d_embed: store.dim(), clusters, words })
    }

    /// A note on standard error: how many there are, and how to have others.
    pub fn tell(&self, grouped: &Grouped) {
        let count = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        let clusters = count(grouped.clusters.len(), "cluster", "clusters");
        let entries = count(grouped.named.len(), "entry", "entries");
        let note = match self.k.map(NonZeroUsize::get) {
            None => "; another number with -k",
            Some(k) if k > grouped.clusters.len() => ": no more of their vectors differ",
            Some(_) => "",
        };
        output::notice(format_args!("{clusters} of {entries}{note}"));
    }
}

/// `√(n / 2)`, within bounds.
fn usual(entries: usize) -> usize {
    ((entries as f64 / 2.0).sqrt().round() as usize).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_number_is_between_one_and_all() {
        for (entries, clusters) in [(1, 1), (2, 1), (3, 1), (5, 2), (200, 10), (1800, 30), (1_000_000, 30)] {
            assert_eq!(usual(entries), clusters);
        }
    }
}
