use std::iter::zip;

use super::{Collection, check_finite, check_vector, nearest::nearest};
use crate::{
    entry::{check_d_embed, check_query},
    error::IndexError,
    memory::retain_rows,
    similarity::{cosine_to, sum_products},
};

/// The largest number that a vector is scaled to.
const LARGEST: f32 = 127.0;

/// Directions of vectors in 8 bits a number: xᵢ = round(127 · vᵢ / max|v|), ties to even.
///
/// The vector of length 1 that is kept is x / ‖x‖: there are no ranges to calibrate, to save or to outgrow, and a file of
/// `x` is all that is needed. Where v has length 1, the vector that is kept differs from it by at most √d · max|v| / 127,
/// and so does any cosine. A vector of zeros stays one; its cosines are 0.
///
/// Ranges of each dimension, taken from calibration vectors (sentence-transformers' way), were tried: they find fewer of
/// the true neighbours, because most numbers are far from the extremes of their dimension, and their integers are
/// coordinates of another space, in which dot products mean something else.
///
/// [`nearest`](Collection::nearest) takes the query in 8 bits too: the products of two vectors are summed in `i32`, which
/// holds those of [`MAX_DIM`](crate::MAX_DIM) dimensions, and the error above counts twice.
#[derive(Clone, Debug)]
pub struct Int8 {
    d_embed: usize,
    /// `[count, d_embed]`
    values: Vec<i8>,
    /// 1 / ‖x‖ of each vector, 0 for zeros.
    scales: Vec<f32>,
}

impl Int8 {
    /// No vectors yet.
    ///
    /// # Errors
    /// If `d_embed` is 0 or above [`MAX_DIM`](crate::MAX_DIM).
    pub fn new(d_embed: usize) -> Result<Self, IndexError> {
        Self::from_values(d_embed, Vec::new())
    }

    /// The vectors that [`quantize`](Self::quantize) made, one after another; any other numbers are directions as well.
    ///
    /// # Shapes
    /// `values`: `[count, d_embed]`.
    ///
    /// # Errors
    /// If `d_embed` is 0 or above [`MAX_DIM`](crate::MAX_DIM), or `values` are no whole number of vectors.
    pub fn from_values(d_embed: usize, values: Vec<i8>) -> Result<Self, IndexError> {
        check_d_embed(d_embed)?;
        if !values.len().is_multiple_of(d_embed) {
            return Err(IndexError::Ragged { expected: d_embed, found: values.len() });
        }
        let scales = values.chunks_exact(d_embed).map(scale).collect();
        Ok(Self { d_embed, values, scales })
    }

    /// A vector in 8 bits, `[d_embed]`.
    ///
    /// ```
    /// use elman_index::quantized::Int8;
    ///
    /// assert_eq!(Int8::quantize(&[0.6, -0.8, 0.0])?, [95, -127, 0]);
    /// # Ok::<(), elman_index::IndexError>(())
    /// ```
    ///
    /// # Errors
    /// If a value is not finite.
    pub fn quantize(vector: &[f32]) -> Result<Vec<i8>, IndexError> {
        check_finite(vector)?;
        let max = vector.iter().fold(0.0, |max: f32, value| max.max(value.abs()));
        if max == 0.0 {
            return Ok(vec![0; vector.len()]);
        }
        Ok(vector.iter().map(|value| (value / max * LARGEST).round_ties_even() as i8).collect())
    }

    /// Adds a vector at the end.
    ///
    /// # Errors
    /// If it has the wrong dimension or a value that is not finite.
    pub fn push(&mut self, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.d_embed)?;
        let values = Self::quantize(vector)?;
        self.scales.push(scale(&values));
        self.values.extend(values);
        Ok(())
    }

    /// Replaces the vector at `position`.
    pub(super) fn set(&mut self, position: usize, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.d_embed)?;
        let values = Self::quantize(vector)?;
        self.scales[position] = scale(&values);
        self.values[position * self.d_embed..][..self.d_embed].copy_from_slice(&values);
        Ok(())
    }

    pub(super) fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        retain_rows(&mut self.values, self.d_embed, &stays);
        retain_rows(&mut self.scales, 1, stays);
    }

    /// All numbers, `[count, d_embed]`: what a file holds.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// A vector as it is kept, of length 1, `[d_embed]`.
    ///
    /// # Panics
    /// If there is none at `position`.
    pub fn vector(&self, position: usize) -> Vec<f32> {
        let scale = self.scales[position];
        self.row(position).iter().map(|&value| f32::from(value) * scale).collect()
    }

    fn row(&self, position: usize) -> &[i8] {
        &self.values[position * self.d_embed..][..self.d_embed]
    }
}

/// 1 / ‖x‖, 0 for zeros.
fn scale(values: &[i8]) -> f32 {
    let squares = sum_products(values, values);
    if squares == 0.0 { 0.0 } else { squares.sqrt().recip() as f32 }
}

#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    zip(a, b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
}

impl Collection for Int8 {
    fn dim(&self) -> usize {
        self.d_embed
    }

    fn len(&self) -> usize {
        self.scales.len()
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        check_query(query, self.d_embed)?;
        let query = Self::quantize(query)?;
        let query_scale = scale(&query);
        let found = nearest(
            self.len(),
            count,
            #[inline(always)]
            |start: usize, scores: &mut [f32]| {
                let rows = self.values[start * self.d_embed..].chunks_exact(self.d_embed);
                for ((score, row), scale) in scores.iter_mut().zip(rows).zip(&self.scales[start..]) {
                    *score = (dot(&query, row) as f32 * query_scale * scale).clamp(-1.0, 1.0);
                }
            },
        );
        Ok(found)
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        check_query(query, self.d_embed)?;
        let squared = sum_products(query, query);
        Ok(positions.iter().map(|&position| cosine_to(query, squared, self.row(position))).collect())
    }
}
