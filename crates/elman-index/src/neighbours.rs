use rayon::prelude::*;

use crate::{
    error::IndexError,
    matrix::{self, BLOCK},
    rank::top_k,
};

/// For each vector the `count` others whose cosine with it is the greatest, best first, each as its position and the
/// cosine; all others where there are fewer. Equal ones come in their order.
///
/// Every vector is compared with every other, in products of matrices on all threads: time O(n²·d), memory O(n·(d + count)) and 256·n numbers
/// a thread.
///
/// # Shapes
/// `vectors`: `[n, d_embed]`, row by row.
///
/// # Errors
/// If `d_embed` is 0 or too great, the numbers are no whole number of vectors, or a vector is zero or has a value that is
/// not finite.
///
/// ```
/// let nearest = elman_index::nearest_neighbours(&[1.0, 0.0, 0.0, 1.0, 2.0, 0.1], 2, 1)?;
/// assert_eq!((nearest[0][0].0, nearest[1][0].0, nearest[2][0].0), (2, 2, 0));
/// # Ok::<(), elman_index::IndexError>(())
/// ```
pub fn nearest_neighbours(vectors: &[f32], d_embed: usize, count: usize) -> Result<Vec<Vec<(usize, f32)>>, IndexError> {
    matrix::count_directed(vectors, d_embed)?;
    let unit = matrix::to_units(vectors, d_embed);
    let of_block = |(block, rows): (usize, &[f32])| {
        let cosines = matrix::of(rows, d_embed).dot(&matrix::of(&unit, d_embed).t());
        let of_row = |(row, cosines): (usize, ndarray::ArrayView1<'_, f32>)| {
            let itself = block * BLOCK + row;
            // a vector is among the best for itself, wherever it stands among equal ones
            let mut best = top_k(cosines.iter().copied(), count.saturating_add(1));
            best.retain(|&(other, _)| other != itself);
            best.truncate(count);
            best
        };
        cosines.outer_iter().enumerate().map(of_row).collect::<Vec<_>>()
    };
    Ok(unit.par_chunks(BLOCK * d_embed).enumerate().flat_map_iter(of_block).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::similarity::cosine;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn none_that_is_left_out_is_nearer(numbers in proptest::collection::vec(-3i8..=3, 0..1500), count in 0usize..9) {
            // more vectors than a block, many of them alike
            let vectors: Vec<f32> = numbers.chunks_exact(2).flat_map(|pair| [1.0, pair[0].into(), pair[1].into()]).collect();
            let rows: Vec<&[f32]> = vectors.chunks_exact(3).collect();
            let found = nearest_neighbours(&vectors, 3, count).unwrap();
            prop_assert_eq!(found.len(), rows.len());
            for (row, neighbours) in found.iter().enumerate() {
                prop_assert_eq!(neighbours.len(), count.min(rows.len() - 1));
                prop_assert!(neighbours.is_sorted_by(|a, b| a.1 >= b.1));
                for other in (0..rows.len()).filter(|&other| other != row) {
                    let expected = cosine(rows[row], rows[other]);
                    match neighbours.iter().find(|neighbour| neighbour.0 == other) {
                        Some(neighbour) => prop_assert!((neighbour.1 - expected).abs() < 1e-5),
                        None => prop_assert!(neighbours.iter().all(|neighbour| neighbour.1 > expected - 1e-5)),
                    }
                }
                prop_assert!(neighbours.iter().all(|neighbour| neighbour.0 != row));
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert_eq!(nearest_neighbours(&[], 3, 2).unwrap(), Vec::<Vec<_>>::new());
        assert_eq!(nearest_neighbours(&[1.0], 1, usize::MAX).unwrap(), [[]]);
        assert!(matches!(nearest_neighbours(&[1.0], 2, 1), Err(IndexError::Ragged { expected: 2, found: 1 })));
        for value in [0.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(nearest_neighbours(&[1.0, value], 1, 1), Err(IndexError::NoDirection { row: 1 })));
        }
    }
}
