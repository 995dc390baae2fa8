//! Vectors as the rows of a matrix, compared by matrix products.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::{entry::check_dim, error::IndexError};

/// Rows per block: the products of a block fit in the cache.
pub(crate) const BLOCK: usize = 256;

/// Number of rows.
pub(crate) fn count(vectors: &[f32], dim: usize) -> Result<usize, IndexError> {
    check_dim(dim)?;
    match vectors.len().is_multiple_of(dim) {
        true => Ok(vectors.len() / dim),
        false => Err(IndexError::Ragged { expected: dim, found: vectors.len() }),
    }
}

/// [`count`] that also checks that each row has a finite norm above 0.
pub(crate) fn count_nonzero(vectors: &[f32], dim: usize) -> Result<usize, IndexError> {
    let count = count(vectors, dim)?;
    let has_no_direction = |vector: &[f32]| !(norm(vector) > 0.0 && norm(vector).is_finite());
    match vectors.par_chunks_exact(dim).position_first(has_no_direction) {
        Some(row) => Err(IndexError::NoDirection { row }),
        None => Ok(count),
    }
}

pub(crate) fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// The vector scaled to length 1; zeros stay zeros.
pub(crate) fn normalized(vector: &[f32]) -> impl Iterator<Item = f32> {
    let norm = norm(vector);
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    vector.iter().map(move |&value| (f64::from(value) * scale) as f32)
}

/// All rows scaled to length 1; zeros stay zeros.
pub(crate) fn normalized_rows(vectors: &[f32], dim: usize) -> Vec<f32> {
    vectors.par_chunks_exact(dim).flat_map_iter(normalized).collect()
}

/// A view `[n, dim]`.
pub(crate) fn view(rows: &[f32], dim: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows.len() / dim, dim), rows).expect("the length is a multiple of dim")
}
