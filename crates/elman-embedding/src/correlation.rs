/// Spearman's ρ: the correlation of ranks, where ties get their mean rank. NaN if all values of either list are equal.
///
/// Between cosines and human similarity ratings of the same pairs, it is the metric of the STS benchmarks (Cer et al.
/// 2017).
///
/// # Panics
/// If the lengths differ.
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "spearman: lengths of a and b");
    let (a, b) = (ranks(a), ranks(b));
    // the mean of 0, 1, … n − 1
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
}

/// The ranks of values, from 0.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (ties.len() as f64 - 1.0) / 2.0;
        ties.iter().for_each(|&n| ranks[n] = rank);
        start += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_get_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [3.0, 0.0, 3.0, 1.0, 3.0]);
    }

    #[test]
    fn the_correlation_matches_scipy() {
        // scipy.stats.spearmanr([1, 2, 3, 4, 5, 2], [5, 6, 7, 8, 7, 5])
        let found = spearman(&[1.0, 2.0, 3.0, 4.0, 5.0, 2.0], &[5.0, 6.0, 7.0, 8.0, 7.0, 5.0]);
        assert!((found - SCIPY).abs() < 1e-12, "{found}");
        assert_eq!(spearman(&[1.0, 2.0], &[2.0, 1.0]), -1.0);
        assert!(spearman(&[1.0, 1.0], &[2.0, 1.0]).is_nan());
    }

    const SCIPY: f64 = 0.8508410434878082;
}
