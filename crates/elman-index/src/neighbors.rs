use rayon::prelude::*;

use crate::{
    error::IndexError,
    matrix::{self, BLOCK},
    rank::top_k,
};

/// For each vector, the position and cosine of the `count` other vectors with the greatest cosine, best first, or all
/// others if there are fewer. Ties keep the order of positions.
///
/// Compares all pairs by matrix products on all threads: time O(n²·dim), memory O(n·(dim + count)) and 256·n values per
/// thread.
///
/// # Shapes
/// `vectors`: `[n, dim]`, row by row.
///
/// # Errors
/// If `dim` is 0 or too large, the length of `vectors` is not a multiple of `dim`, or a vector is zero or has a value
/// that is not finite.
///
/// ```
/// let nearest = elman_index::nearest_neighbors(&[1.0, 0.0, 0.0, 1.0, 2.0, 0.1], 2, 1)?;
/// assert_eq!((nearest[0][0].0, nearest[1][0].0, nearest[2][0].0), (2, 2, 0));
/// # Ok::<(), elman_index::IndexError>(())
/// ```
pub fn nearest_neighbors(vectors: &[f32], dim: usize, count: usize) -> Result<Vec<Vec<(usize, f32)>>, IndexError> {
    matrix::count_nonzero(vectors, dim)?;
    let unit = matrix::normalized_rows(vectors, dim);
    let in_block = |(block, rows): (usize, &[f32])| {
        let cosines = matrix::view(rows, dim).dot(&matrix::view(&unit, dim).t());
        let in_row = |(row, cosines): (usize, ndarray::ArrayView1<'_, f32>)| {
            let itself = block * BLOCK + row;
            // one more, because a vector is among its own nearest; its rank among ties is not known
            let mut best = top_k(cosines.iter().copied(), count.saturating_add(1));
            best.retain(|&(other, _)| other != itself);
            best.truncate(count);
            best
        };
        cosines.outer_iter().enumerate().map(in_row).collect::<Vec<_>>()
    };
    Ok(unit.par_chunks(BLOCK * dim).enumerate().flat_map_iter(in_block).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::similarity::cosine;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn no_other_vector_is_nearer(values in proptest::collection::vec(-3i8..=3, 0..1500), count in 0usize..9) {
            // more vectors than a block, with many duplicates
            let vectors: Vec<f32> =
                values.chunks_exact(2).flat_map(|pair| [1.0, pair[0].into(), pair[1].into()]).collect();
            let rows: Vec<&[f32]> = vectors.chunks_exact(3).collect();
            let found = nearest_neighbors(&vectors, 3, count).unwrap();
            prop_assert_eq!(found.len(), rows.len());
            for (row, neighbors) in found.iter().enumerate() {
                prop_assert_eq!(neighbors.len(), count.min(rows.len() - 1));
                prop_assert!(neighbors.is_sorted_by(|a, b| a.1 >= b.1));
                for other in (0..rows.len()).filter(|&other| other != row) {
                    let expected = cosine(rows[row], rows[other]);
                    match neighbors.iter().find(|neighbor| neighbor.0 == other) {
                        Some(neighbor) => prop_assert!((neighbor.1 - expected).abs() < 1e-5),
                        None => prop_assert!(neighbors.iter().all(|neighbor| neighbor.1 > expected - 1e-5)),
                    }
                }
                prop_assert!(neighbors.iter().all(|neighbor| neighbor.0 != row));
            }
        }
    }

    #[test]
    fn invalid_input_is_an_error() {
        assert_eq!(nearest_neighbors(&[], 3, 2).unwrap(), Vec::<Vec<_>>::new());
        assert_eq!(nearest_neighbors(&[1.0], 1, usize::MAX).unwrap(), [[]]);
        assert!(matches!(nearest_neighbors(&[1.0], 2, 1), Err(IndexError::Ragged { expected: 2, found: 1 })));
        for value in [0.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(nearest_neighbors(&[1.0, value], 1, 1), Err(IndexError::NoDirection { row: 1 })));
        }
    }
}
