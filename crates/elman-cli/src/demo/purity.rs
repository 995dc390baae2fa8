//! Cluster purity, and the purity expected by chance.

use rand::{Rng, seq::SliceRandom};
use serde::Serialize;

/// The purity of two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Purity {
    /// The share of points with the majority label of their cluster.
    pub purity: f64,
    /// The mean purity with shuffled labels: what clusters of these sizes reach by chance.
    pub shuffled: f64,
}

/// The number of shuffles.
const SHUFFLES: usize = 1_000;

impl Purity {
    /// Measures the purity of `clusters` with respect to `labels`, and with shuffled labels.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn measure(clusters: &[bool], labels: &[bool], rng: &mut impl Rng) -> Self {
        let mut shuffled = labels.to_vec();
        let mut sum = 0.0;
        for _ in 0..SHUFFLES {
            shuffled.shuffle(rng);
            sum += purity(clusters, &shuffled);
        }
        Self { purity: purity(clusters, labels), shuffled: sum / SHUFFLES as f64 }
    }
}

/// `(1/n) Σ_cluster max_label |cluster ∩ label|`
fn purity(clusters: &[bool], labels: &[bool]) -> f64 {
    assert_eq!(clusters.len(), labels.len(), "every point has a cluster and a label");
    let both = |cluster, label| clusters.iter().zip(labels).filter(|pair| *pair == (&cluster, &label)).count();
    let majority = |cluster| both(cluster, true).max(both(cluster, false));
    (majority(true) + majority(false)) as f64 / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha12Rng};

    use super::*;

    const T: bool = true;
    const F: bool = false;

    #[test]
    fn purity_counts_the_majority_of_each_cluster() {
        assert_eq!(purity(&[T, T, F, F], &[F, F, T, T]), 1.0);
        assert_eq!(purity(&[T, T, F, F], &[T, F, T, F]), 0.5);
        assert_eq!(purity(&[T, T, T, T, F], &[T, T, F, F, F]), 0.6);
        assert_eq!(purity(&[T, T, T, F], &[T, T, F, F]), 0.75);
    }

    #[test]
    fn shuffled_labels_give_the_purity_of_chance() {
        // of the six ways to label four points two and two, two have purity 1 and four ½: a mean of 2/3
        let found = Purity::measure(&[T, T, F, F], &[T, T, F, F], &mut ChaCha12Rng::seed_from_u64(1));
        assert_eq!(found.purity, 1.0);
        assert!((found.shuffled - 2.0 / 3.0).abs() < 0.03, "{found:?}");
        // shuffling does not change equal labels
        let found = Purity::measure(&[T, F, F], &[T, T, T], &mut ChaCha12Rng::seed_from_u64(1));
        assert_eq!(found, Purity { purity: 1.0, shuffled: 1.0 });
    }
}
