use super::{Collection, check_finite, nearest::nearest};
use crate::{
    entry::{check_d_embed, check_query},
    error::IndexError,
    similarity::{cosine_to, sum_products},
};

/// A view of vectors in full precision, `[count, d_embed]`, wherever they are: to rescore with, or to compare with.
///
/// Both comparisons are [`cosine`](crate::cosine).
#[derive(Clone, Copy, Debug)]
pub struct Float32<'a> {
    d_embed: usize,
    values: &'a [f32],
}

impl<'a> Float32<'a> {
    /// The vectors of length `d_embed` that stand one after another in `values`.
    ///
    /// # Errors
    /// If `d_embed` is 0 or above [`MAX_DIM`](crate::MAX_DIM), `values` are no whole number of vectors, or one of
    /// them is not finite.
    pub fn new(d_embed: usize, values: &'a [f32]) -> Result<Self, IndexError> {
        check_d_embed(d_embed)?;
        if !values.len().is_multiple_of(d_embed) {
            return Err(IndexError::Ragged { expected: d_embed, found: values.len() });
        }
        values.chunks_exact(d_embed).try_for_each(check_finite)?;
        Ok(Self { d_embed, values })
    }

    /// Of vectors that have been checked.
    pub(super) fn of_checked(d_embed: usize, values: &'a [f32]) -> Self {
        Self { d_embed, values }
    }

    /// A vector, `[d_embed]`.
    ///
    /// # Panics
    /// If there is none at `position`.
    pub fn vector(&self, position: usize) -> &'a [f32] {
        &self.values[position * self.d_embed..][..self.d_embed]
    }
}

impl Collection for Float32<'_> {
    fn dim(&self) -> usize {
        self.d_embed
    }

    fn len(&self) -> usize {
        self.values.len() / self.d_embed
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        check_query(query, self.d_embed)?;
        let squared = sum_products(query, query);
        let found = nearest(
            self.len(),
            count,
            #[inline(always)]
            |start: usize, scores: &mut [f32]| {
                let rows = self.values[start * self.d_embed..].chunks_exact(self.d_embed);
                // a loop: for_each is a function of its own, which is not inlined
                for (score, row) in scores.iter_mut().zip(rows) {
                    *score = cosine_to(query, squared, row);
                }
            },
        );
        Ok(found)
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        check_query(query, self.d_embed)?;
        let squared = sum_products(query, query);
        Ok(positions.iter().map(|&position| cosine_to(query, squared, self.vector(position))).collect())
    }
}
