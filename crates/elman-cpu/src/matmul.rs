//! General matrix products, by the `gemm` crate.

use std::ops::Range;

use gemm::Parallelism;

use crate::team::threads;

/// A matrix of float32 in memory that it does not own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// `rows × columns` in row-major order.
    ///
    /// # Panics
    /// If there are not as many values.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "matrix: [{rows}, {columns}]");
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// # Panics
    /// If the last element is not one of the values.
    fn check(self) {
        let last = (self.rows.max(1) - 1) * self.row_step + (self.columns.max(1) - 1) * self.column_step;
        let is_empty = self.rows == 0 || self.columns == 0;
        assert!(is_empty || last < self.values.len(), "matrix: [{}, {}] is beyond its values", self.rows, self.columns);
    }

    /// Rows and columns.
    pub fn size(self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Some of the rows.
    pub fn rows_of(self, rows: Range<usize>) -> Self {
        let values = &self.values[self.values.len().min(rows.start * self.row_step)..];
        Self { values, rows: rows.len(), ..self }
    }

    /// Some of the columns.
    pub fn columns_of(self, columns: Range<usize>) -> Self {
        let values = &self.values[self.values.len().min(columns.start * self.column_step)..];
        Self { values, columns: columns.len(), ..self }
    }

    /// The same memory, read the other way round.
    #[must_use]
    pub fn transposed(self) -> Self {
        let Self { values, rows, columns, row_step, column_step } = self;
        Self { values, rows: columns, columns: rows, row_step: column_step, column_step: row_step }
    }
}

/// Fewer multiplications than this stay on one thread.
const WORTH_THREADS: usize = 1 << 20;

/// `into = left · right`, or `into += left · right` if `add` is set. `into` is in row-major order.
///
/// # Panics
/// If the sizes do not fit each other.
pub(crate) fn matmul(left: Matrix<'_>, right: Matrix<'_>, into: &mut [f32], add: bool) {
    let (rows, depth, columns) = (left.rows, left.columns, right.columns);
    assert_eq!(depth, right.rows, "matrix product: inner sizes");
    assert_eq!(into.len(), rows * columns, "matrix product: [{rows}, {columns}]");
    left.check();
    right.check();
    let work = rows.saturating_mul(depth).saturating_mul(columns);
    let parallelism =
        if work < WORTH_THREADS || threads() == 1 { Parallelism::None } else { Parallelism::Rayon(threads()) };
    let step = |step: usize| isize::try_from(step).expect("a slice is shorter than isize::MAX");
    // SAFETY: the sizes were checked, and a matrix's steps stay within its values.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            into.as_mut_ptr(),
            1,
            step(columns),
            add,
            left.values.as_ptr(),
            step(left.column_step),
            step(left.row_step),
            right.values.as_ptr(),
            step(right.column_step),
            step(right.row_step),
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_every_orientation_equal_plain_sums() {
        let (rows, depth, columns) = (3, 5, 4);
        let values = |n: usize| (0..n).map(|i| (i * 7 % 11) as f32 - 5.0).collect::<Vec<f32>>();
        let (left, right) = (values(rows * depth), values(depth * columns));
        for (left_turned, right_turned) in [(false, false), (false, true), (true, false), (true, true)] {
            let at = |m: &[f32], turned: bool, row: usize, column: usize, rows: usize, columns: usize| {
                if turned { m[column * rows + row] } else { m[row * columns + column] }
            };
            let turn = |m, turned, rows, columns| {
                if turned { Matrix::new(m, columns, rows).transposed() } else { Matrix::new(m, rows, columns) }
            };
            let mut out = vec![1.0; rows * columns];
            let (l, r) = (turn(&left, left_turned, rows, depth), turn(&right, right_turned, depth, columns));
            matmul(l, r, &mut out, true);
            for row in 0..rows {
                for column in 0..columns {
                    let sum: f32 = (0..depth)
                        .map(|k| {
                            at(&left, left_turned, row, k, rows, depth)
                                * at(&right, right_turned, k, column, depth, columns)
                        })
                        .sum();
                    assert_eq!(out[row * columns + column], 1.0 + sum, "{left_turned} {right_turned} {row} {column}");
                }
            }
        }
    }
}
