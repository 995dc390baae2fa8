//! Input of all contestants, as files in a directory.

use std::{fs, path::Path};

use elman::index::top_k;
use rayon::prelude::*;

use super::results::K;
use crate::error::BenchError;

/// Queries and their true neighbors.
pub(super) struct Data {
    pub dim: usize,
    /// `[queries, dim]`
    queries: Vec<f32>,
    pub exact: Vec<[i32; K]>,
}

impl Data {
    /// Finds the true neighbors of the queries among vectors of length 1, and writes vectors, queries and neighbors to
    /// a directory as little-endian f32 and i32.
    pub(super) fn write(dir: &Path, dim: usize, vectors: &[f32], queries: &[f32]) -> Result<Self, BenchError> {
        let exact = queries.par_chunks_exact(dim).map(|query| nearest(query, vectors)).collect();
        let data = Self { dim, queries: queries.to_vec(), exact };
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let rows = data.exact.iter().flatten().flat_map(|row| row.to_le_bytes()).collect();
        for (name, bytes) in [("vectors", floats(vectors)), ("queries", floats(queries)), ("exact", rows)] {
            let path = dir.join(name);
            fs::write(&path, bytes).map_err(|source| BenchError::Write { path, source })?;
        }
        Ok(data)
    }

    /// Reads queries and neighbors back.
    pub(super) fn read(dir: &Path) -> Result<Self, BenchError> {
        let words = |name: &str| -> Result<Vec<[u8; 4]>, BenchError> {
            let path = dir.join(name);
            let bytes = fs::read(&path).map_err(|source| BenchError::Read { path, source })?;
            Ok(bytes.as_chunks().0.to_vec())
        };
        let queries: Vec<f32> = words("queries")?.into_iter().map(f32::from_le_bytes).collect();
        let rows: Vec<i32> = words("exact")?.into_iter().map(i32::from_le_bytes).collect();
        let exact = rows.as_chunks().0.to_vec();
        Ok(Self { dim: queries.len() / exact.len().max(1), queries, exact })
    }

    pub(super) fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.queries.chunks_exact(self.dim)
    }
}

/// The rows nearest to a query: for vectors of length 1, those with the greatest dot product.
fn nearest(query: &[f32], vectors: &[f32]) -> [i32; K] {
    let products = vectors.chunks_exact(query.len()).map(|vector| elman::index::dot(query, vector));
    let mut rows = [-1; K];
    for (row, (position, _)) in rows.iter_mut().zip(top_k(products, K)) {
        *row = position as i32;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let vectors: Vec<f32> = (0..24).flat_map(|n| [(n as f32 * 0.1).cos(), (n as f32 * 0.1).sin()]).collect();
        Data::write(dir.path(), 2, &vectors, &[1.0, 0.0, 0.0, 1.0]).unwrap();
        let data = Data::read(dir.path()).unwrap();
        assert_eq!((data.dim, data.queries().last().unwrap()), (2, [0.0, 1.0].as_slice()));
        assert_eq!((data.exact[0], data.exact[1][0]), ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 16));
    }
}
