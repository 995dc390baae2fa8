//! Sums over the rows of a matrix.

use rayon::prelude::*;

/// Columns whose sum is taken by one thread.
const COLUMNS: usize = 1 << 8;

/// The sum over the rows, each element times that of `by` where it is given; added to `into` if `add` is set.
pub(crate) fn sum_of_rows(rows: &[f32], by: Option<&[f32]>, into: &mut [f32], add: bool) {
    let width = into.len();
    into.par_chunks_mut(COLUMNS).enumerate().for_each(|(n, into)| {
        let start = n * COLUMNS;
        if !add {
            into.fill(0.0);
        }
        for (number, row) in rows.chunks_exact(width).enumerate() {
            match by {
                None => {
                    for (sum, value) in into.iter_mut().zip(&row[start..]) {
                        *sum += value;
                    }
                }
                Some(by) => {
                    for ((sum, value), by) in into.iter_mut().zip(&row[start..]).zip(&by[number * width + start..]) {
                        *sum += value * by;
                    }
                }
            }
        }
    });
}
