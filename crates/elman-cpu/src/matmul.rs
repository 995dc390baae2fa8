//! General matrix products, with the `gemm` crate.

use std::ops::Range;

use gemm::Parallelism;

use crate::threading::threads;

/// A borrowed f32 matrix with strides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix `[rows, columns]` in row-major order.
    ///
    /// # Panics
    /// If the number of values is not `rows · columns`.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "matrix: [{rows}, {columns}]");
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// # Panics
    /// If the last element is out of bounds.
    fn check(self) {
        let last = (self.rows.max(1) - 1) * self.row_stride + (self.columns.max(1) - 1) * self.column_stride;
        let is_empty = self.rows == 0 || self.columns == 0;
        assert!(is_empty || last < self.values.len(), "matrix: [{}, {}] exceeds its values", self.rows, self.columns);
    }

    /// Rows and columns.
    pub fn size(self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// A range of the rows.
    pub fn rows_of(self, rows: Range<usize>) -> Self {
        let values = &self.values[self.values.len().min(rows.start * self.row_stride)..];
        Self { values, rows: rows.len(), ..self }
    }

    /// A range of the columns.
    pub fn columns_of(self, columns: Range<usize>) -> Self {
        let values = &self.values[self.values.len().min(columns.start * self.column_stride)..];
        Self { values, columns: columns.len(), ..self }
    }

    /// The transpose, a view of the same memory.
    #[must_use]
    pub fn transposed(self) -> Self {
        let Self { values, rows, columns, row_stride, column_stride } = self;
        Self { values, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }
}

/// Products with fewer multiplications run on one thread.
const MIN_PARALLEL_MULTIPLIES: usize = 1 << 20;

/// `into = left · right`, or `into += left · right` if `add` is set. `into` is in row-major order.
///
/// # Panics
/// If the sizes do not match.
pub(crate) fn matmul(left: Matrix<'_>, right: Matrix<'_>, into: &mut [f32], add: bool) {
    let (rows, depth, columns) = (left.rows, left.columns, right.columns);
    assert_eq!(depth, right.rows, "matrix product: inner sizes");
    assert_eq!(into.len(), rows * columns, "matrix product: [{rows}, {columns}]");
    left.check();
    right.check();
    let work = rows.saturating_mul(depth).saturating_mul(columns);
    let parallelism = if work < MIN_PARALLEL_MULTIPLIES || threads() == 1 {
        Parallelism::None
    } else {
        Parallelism::Rayon(threads())
    };
    let stride = |stride: usize| isize::try_from(stride).expect("a slice is shorter than isize::MAX");
    // SAFETY: the sizes were checked, and a matrix's strides stay within its values.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            into.as_mut_ptr(),
            1,
            stride(columns),
            add,
            left.values.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.values.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
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
        for (left_transposed, right_transposed) in [(false, false), (false, true), (true, false), (true, true)] {
            let at = |m: &[f32], transposed: bool, row: usize, column: usize, rows: usize, columns: usize| {
                if transposed { m[column * rows + row] } else { m[row * columns + column] }
            };
            let matrix = |m, transposed, rows, columns| {
                if transposed { Matrix::new(m, columns, rows).transposed() } else { Matrix::new(m, rows, columns) }
            };
            let mut out = vec![1.0; rows * columns];
            let (l, r) =
                (matrix(&left, left_transposed, rows, depth), matrix(&right, right_transposed, depth, columns));
            matmul(l, r, &mut out, true);
            for row in 0..rows {
                for column in 0..columns {
                    let sum: f32 = (0..depth)
                        .map(|k| {
                            at(&left, left_transposed, row, k, rows, depth)
                                * at(&right, right_transposed, k, column, depth, columns)
                        })
                        .sum();
                    let what = format!("{left_transposed} {right_transposed} {row} {column}");
                    assert_eq!(out[row * columns + column], 1.0 + sum, "{what}");
                }
            }
        }
    }
}
