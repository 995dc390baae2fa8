//! Vectors one after another in one slice, compared by products of matrices.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::{entry::check_d_embed, error::IndexError};

/// Vectors that are compared at a time: their products fit the cache.
pub(crate) const BLOCK: usize = 256;

/// How many vectors these numbers are.
pub(crate) fn count(vectors: &[f32], d_embed: usize) -> Result<usize, IndexError> {
    check_d_embed(d_embed)?;
    match vectors.len().is_multiple_of(d_embed) {
        true => Ok(vectors.len() / d_embed),
        false => Err(IndexError::Ragged { expected: d_embed, found: vectors.len() }),
    }
}

/// [`count`], where each vector must have a direction.
pub(crate) fn count_directed(vectors: &[f32], d_embed: usize) -> Result<usize, IndexError> {
    let count = count(vectors, d_embed)?;
    let lost = |vector: &[f32]| !(length(vector) > 0.0 && length(vector).is_finite());
    match vectors.par_chunks_exact(d_embed).position_first(lost) {
        Some(row) => Err(IndexError::NoDirection { row }),
        None => Ok(count),
    }
}

pub(crate) fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// A vector scaled to length 1, or zero.
pub(crate) fn to_unit(vector: &[f32]) -> impl Iterator<Item = f32> {
    let length = length(vector);
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(move |&value| (f64::from(value) * scale) as f32)
}

/// Every vector scaled to length 1, or zero.
pub(crate) fn to_units(vectors: &[f32], d_embed: usize) -> Vec<f32> {
    vectors.par_chunks_exact(d_embed).flat_map_iter(to_unit).collect()
}

/// `[n, d_embed]`.
pub(crate) fn of(rows: &[f32], d_embed: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows.len() / d_embed, d_embed), rows).expect("whole vectors")
}
