//! Column sums of a matrix.

use rayon::prelude::*;

/// Columns that one thread sums.
const COLUMNS: usize = 1 << 8;

/// The sum over the rows of `rows ⊙ factor`, or of `rows` without a factor. Added to `into` if `add` is set.
pub(crate) fn sum_of_rows(rows: &[f32], factor: Option<&[f32]>, into: &mut [f32], add: bool) {
    let width = into.len();
    into.par_chunks_mut(COLUMNS).enumerate().for_each(|(n, into)| {
        let start = n * COLUMNS;
        if !add {
            into.fill(0.0);
        }
        for (index, row) in rows.chunks_exact(width).enumerate() {
            match factor {
                None => {
                    for (sum, value) in into.iter_mut().zip(&row[start..]) {
                        *sum += value;
                    }
                }
                Some(factor) => {
                    let factors = &factor[index * width + start..];
                    for ((sum, value), factor) in into.iter_mut().zip(&row[start..]).zip(factors) {
                        *sum += value * factor;
                    }
                }
            }
        }
    });
}
