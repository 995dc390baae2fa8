use super::{Collection, check_finite, nearest::nearest};
use crate::{
    entry::{check_dim, check_query},
    error::IndexError,
    similarity::{cosine_to, sum_products},
};

/// A view of `f32` vectors, `[count, dim]`, for rescoring or as a reference.
///
/// Both methods of [`Collection`] compute [`cosine`](crate::cosine).
#[derive(Clone, Copy, Debug)]
pub struct Float32<'a> {
    dim: usize,
    values: &'a [f32],
}

impl<'a> Float32<'a> {
    /// A view of `values`, `[count, dim]`.
    ///
    /// # Errors
    /// If `dim` is 0 or above [`MAX_DIM`](crate::MAX_DIM), the length of `values` is not a multiple of
    /// `dim`, or a value is not finite.
    pub fn new(dim: usize, values: &'a [f32]) -> Result<Self, IndexError> {
        check_dim(dim)?;
        if !values.len().is_multiple_of(dim) {
            return Err(IndexError::Ragged { expected: dim, found: values.len() });
        }
        values.chunks_exact(dim).try_for_each(check_finite)?;
        Ok(Self { dim, values })
    }

    /// A view of values that have been checked.
    pub(super) fn from_checked(dim: usize, values: &'a [f32]) -> Self {
        Self { dim, values }
    }

    /// A vector, `[dim]`.
    ///
    /// # Panics
    /// If `position` is out of range.
    pub fn vector(&self, position: usize) -> &'a [f32] {
        &self.values[position * self.dim..][..self.dim]
    }
}

impl Collection for Float32<'_> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        check_query(query, self.dim)?;
        let squared = sum_products(query, query);
        let found = nearest(
            self.len(),
            count,
            #[inline(always)]
            |start: usize, scores: &mut [f32]| {
                let rows = self.values[start * self.dim..].chunks_exact(self.dim);
                // a loop, because the closure of for_each is not inlined
                for (score, row) in scores.iter_mut().zip(rows) {
                    *score = cosine_to(query, squared, row);
                }
            },
        );
        Ok(found)
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        check_query(query, self.dim)?;
        let squared = sum_products(query, query);
        Ok(positions.iter().map(|&position| cosine_to(query, squared, self.vector(position))).collect())
    }
}
