use elman::{
    embedding::spearman,
    index::{
        cosine,
        quantized::{Collection, VectorDtype, hamming},
    },
};

use super::stored::QuantizedVectors;
use crate::{error::BenchError, vectors::Vectors};

/// Prints Spearman's ρ between the pairs' scores and the cosine similarities of their vectors in each dtype.
pub(super) fn print(vectors: &Vectors, scores: &[f64]) -> Result<(), BenchError> {
    let (pairs, dim) = (scores.len(), vectors.dim);
    if vectors.count() != 2 * pairs {
        return Err(BenchError::Pairs { pairs, expected: 2 * pairs, found: vectors.count() });
    }
    let rows: Vec<&[f32]> = vectors.rows().collect();
    let QuantizedVectors { float32, int8, binary } = QuantizedVectors::new(dim, &vectors.values)?;
    println!("{pairs} pairs of vectors of dimension {dim}\n");
    println!("| first | second | Spearman's ρ · 100 |\n|---|---|--:|");
    let row = |first: VectorDtype, second: VectorDtype, similarity: &dyn Fn(usize) -> Result<f32, BenchError>| {
        let similarities: Vec<f64> = (0..pairs).map(|n| similarity(n).map(f64::from)).collect::<Result<_, _>>()?;
        println!("| {first} | {second} | {:.2} |", 100.0 * spearman(&similarities, scores));
        Ok::<_, BenchError>(())
    };
    let asymmetric = |stored: &dyn Collection, n: usize| Ok(stored.cosines(rows[n], &[n + pairs])?[0]);
    use VectorDtype::{Binary, F32, Int8};
    row(F32, F32, &|n| asymmetric(&float32, n))?;
    row(F32, Int8, &|n| asymmetric(&int8, n))?;
    row(Int8, Int8, &|n| Ok(cosine(&int8.vector(n), &int8.vector(n + pairs))))?;
    row(F32, Binary, &|n| asymmetric(&binary, n))?;
    row(Binary, Binary, &|n| Ok(-(hamming(binary.words(n), binary.words(n + pairs)) as f32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_count_must_match_the_pairs() {
        let vectors = Vectors { dim: 2, values: vec![1.0; 6] };
        let error = print(&vectors, &[1.0]).unwrap_err().to_string();
        assert_eq!(error, "1 pairs need 2 vectors (all first texts, then all second texts), found 3");
    }
}
