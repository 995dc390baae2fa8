use elman::index::{
    cosine,
    quantized::{Collection, Precision, hamming},
};

use super::{kept::Kept, vectors::Vectors};
use crate::error::BenchError;

/// Prints Spearman's ρ between the pairs' scores and the cosines of their vectors in each precision.
pub(super) fn print(vectors: &Vectors, scores: &[f64]) -> Result<(), BenchError> {
    let (pairs, width) = (scores.len(), vectors.width);
    if vectors.count() != 2 * pairs {
        return Err(BenchError::Pairs { pairs, expected: 2 * pairs, found: vectors.count() });
    }
    let rows: Vec<&[f32]> = vectors.rows().collect();
    let Kept { float32, int8, binary } = Kept::new(width, &vectors.values)?;
    println!("{pairs} pairs of vectors of {width} numbers\n");
    println!("| first | second | Spearman's ρ · 100 |\n|---|---|--:|");
    let row = |first: Precision, second: Precision, similarity: &dyn Fn(usize) -> Result<f32, BenchError>| {
        let similarities: Vec<f64> = (0..pairs).map(|n| similarity(n).map(f64::from)).collect::<Result<_, _>>()?;
        println!("| {first} | {second} | {:.2} |", 100.0 * spearman(&similarities, scores));
        Ok::<_, BenchError>(())
    };
    let with = |kept: &dyn Collection, n: usize| Ok(kept.cosines(rows[n], &[n + pairs])?[0]);
    use Precision::{Binary, Float32, Int8};
    row(Float32, Float32, &|n| with(&float32, n))?;
    row(Float32, Int8, &|n| with(&int8, n))?;
    row(Int8, Int8, &|n| Ok(cosine(&int8.vector(n), &int8.vector(n + pairs))))?;
    row(Float32, Binary, &|n| with(&binary, n))?;
    row(Binary, Binary, &|n| Ok(-(hamming(binary.words(n), binary.words(n + pairs)) as f32)))
}

/// Spearman's ρ: the correlation of ranks, equal values having the mean of theirs. NaN if either list is all equal.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    // the mean of 0, 1, … n − 1
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
}

/// The ranks of values, counted from 0.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (equal.len() as f64 - 1.0) / 2.0;
        equal.iter().for_each(|&n| ranks[n] = rank);
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [3.0, 0.0, 3.0, 1.0, 3.0]);
    }

    #[test]
    fn the_correlation_is_that_of_scipy() {
        // scipy.stats.spearmanr([1, 2, 3, 4, 5, 2], [5, 6, 7, 8, 7, 5])
        let found = spearman(&[1.0, 2.0, 3.0, 4.0, 5.0, 2.0], &[5.0, 6.0, 7.0, 8.0, 7.0, 5.0]);
        assert!((found - SCIPY).abs() < 1e-12, "{found}");
        assert_eq!(spearman(&[1.0, 2.0], &[2.0, 1.0]), -1.0);
        assert!(spearman(&[1.0, 1.0], &[2.0, 1.0]).is_nan());
    }

    const SCIPY: f64 = 0.8508410434878082;

    #[test]
    fn the_vectors_must_be_those_of_the_pairs() {
        let vectors = Vectors { width: 2, values: vec![1.0; 6] };
        let error = print(&vectors, &[1.0]).unwrap_err().to_string();
        assert_eq!(error, "1 pairs need 2 vectors, the first texts' and then the second texts', and there are 3");
    }
}
