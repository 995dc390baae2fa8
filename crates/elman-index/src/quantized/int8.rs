use std::iter::zip;

use super::{Collection, check_finite, check_vector, nearest::nearest};
use crate::{
    entry::{check_dim, check_query},
    error::IndexError,
    memory::retain_rows,
    similarity::{cosine_to, sum_products},
};

/// The absolute maximum that vectors are scaled to.
const MAX_VALUE: f32 = 127.0;

/// Directions of vectors as int8: xᵢ = round(127 · vᵢ / max|v|), ties to even.
///
/// A stored vector represents the unit vector x / ‖x‖. There are no ranges to calibrate or store, and a file of `x` is
/// complete. For a unit vector v, the quantization error of the vector and of any cosine is at most √dim · max|v| /
/// 127. A zero vector stays zero; its cosines are 0.
///
/// Ranges per dimension from calibration vectors, as in sentence-transformers, were tried and have lower recall: most
/// values are far from the extremes of their dimension, and dot products of the integers are not those of the vectors.
///
/// [`nearest`](Collection::nearest) also quantizes the query, which doubles the error above. Dot products are summed in
/// `i32`, which cannot overflow up to [`MAX_DIM`](crate::MAX_DIM) dimensions.
#[derive(Clone, Debug)]
pub struct Int8 {
    dim: usize,
    /// `[count, dim]`
    values: Vec<i8>,
    /// 1 / ‖x‖ of each vector, 0 for zeros.
    scales: Vec<f32>,
}

impl Int8 {
    /// An empty collection.
    ///
    /// # Errors
    /// If `dim` is 0 or above [`MAX_DIM`](crate::MAX_DIM).
    pub fn new(dim: usize) -> Result<Self, IndexError> {
        Self::from_values(dim, Vec::new())
    }

    /// A collection of vectors from [`quantize`](Self::quantize). Other values are valid directions, too.
    ///
    /// # Shapes
    /// `values`: `[count, dim]`.
    ///
    /// # Errors
    /// If `dim` is 0 or above [`MAX_DIM`](crate::MAX_DIM), or the length of `values` is not a multiple of `dim`.
    pub fn from_values(dim: usize, values: Vec<i8>) -> Result<Self, IndexError> {
        check_dim(dim)?;
        if !values.len().is_multiple_of(dim) {
            return Err(IndexError::Ragged { expected: dim, found: values.len() });
        }
        let scales = values.chunks_exact(dim).map(scale).collect();
        Ok(Self { dim, values, scales })
    }

    /// Quantizes a vector, `[dim]`.
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
        Ok(vector.iter().map(|value| (value / max * MAX_VALUE).round_ties_even() as i8).collect())
    }

    /// Appends a vector.
    ///
    /// # Errors
    /// If it has the wrong dimension or a value that is not finite.
    pub fn push(&mut self, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.dim)?;
        let values = Self::quantize(vector)?;
        self.scales.push(scale(&values));
        self.values.extend(values);
        Ok(())
    }

    /// Replaces the vector at `position`.
    pub(super) fn set(&mut self, position: usize, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.dim)?;
        let values = Self::quantize(vector)?;
        self.scales[position] = scale(&values);
        self.values[position * self.dim..][..self.dim].copy_from_slice(&values);
        Ok(())
    }

    pub(super) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        retain_rows(&mut self.values, self.dim, &keep);
        retain_rows(&mut self.scales, 1, keep);
    }

    /// All values, `[count, dim]`, as in a file.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// A vector, dequantized to length 1, `[dim]`.
    ///
    /// # Panics
    /// If `position` is out of range.
    pub fn vector(&self, position: usize) -> Vec<f32> {
        let scale = self.scales[position];
        self.row(position).iter().map(|&value| f32::from(value) * scale).collect()
    }

    fn row(&self, position: usize) -> &[i8] {
        &self.values[position * self.dim..][..self.dim]
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
        self.dim
    }

    fn len(&self) -> usize {
        self.scales.len()
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        check_query(query, self.dim)?;
        let query = Self::quantize(query)?;
        let query_scale = scale(&query);
        let found = nearest(
            self.len(),
            count,
            #[inline(always)]
            |start: usize, scores: &mut [f32]| {
                let rows = self.values[start * self.dim..].chunks_exact(self.dim);
                for ((score, row), scale) in scores.iter_mut().zip(rows).zip(&self.scales[start..]) {
                    *score = (dot(&query, row) as f32 * query_scale * scale).clamp(-1.0, 1.0);
                }
            },
        );
        Ok(found)
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        check_query(query, self.dim)?;
        let squared = sum_products(query, query);
        Ok(positions.iter().map(|&position| cosine_to(query, squared, self.row(position))).collect())
    }
}
