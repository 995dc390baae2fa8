//! What all contestants are given, in files of a folder.

use std::{fs, path::Path};

use elman::index::top_k;
use rayon::prelude::*;

use super::figures::K;
use crate::error::BenchError;

/// Queries and their true neighbours.
pub(super) struct Data {
    pub width: usize,
    /// `[queries, width]`
    queries: Vec<f32>,
    pub exact: Vec<[i32; K]>,
}

impl Data {
    /// Finds the true neighbours of the queries among vectors of length 1, and writes all of it into a folder: numbers of
    /// 32 bits, little-endian.
    pub(super) fn write(folder: &Path, width: usize, vectors: &[f32], queries: &[f32]) -> Result<Self, BenchError> {
        let exact = queries.par_chunks_exact(width).map(|query| nearest(query, vectors)).collect();
        let data = Self { width, queries: queries.to_vec(), exact };
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let rows = data.exact.iter().flatten().flat_map(|row| row.to_le_bytes()).collect();
        for (name, bytes) in [("vectors", floats(vectors)), ("queries", floats(queries)), ("exact", rows)] {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(|source| BenchError::Write { path, source })?;
        }
        Ok(data)
    }

    /// Reads queries and neighbours back.
    pub(super) fn read(folder: &Path) -> Result<Self, BenchError> {
        let numbers = |name: &str| -> Result<Vec<[u8; 4]>, BenchError> {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(|source| BenchError::Read { path, source })?;
            Ok(bytes.as_chunks().0.to_vec())
        };
        let queries: Vec<f32> = numbers("queries")?.into_iter().map(f32::from_le_bytes).collect();
        let rows: Vec<i32> = numbers("exact")?.into_iter().map(i32::from_le_bytes).collect();
        let exact = rows.as_chunks().0.to_vec();
        Ok(Self { width: queries.len() / exact.len().max(1), queries, exact })
    }

    pub(super) fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.queries.chunks_exact(self.width)
    }
}

/// The rows nearest to a query. Vectors are of length 1, where the nearest has the greatest product.
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
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let vectors: Vec<f32> = (0..24).flat_map(|n| [(n as f32 * 0.1).cos(), (n as f32 * 0.1).sin()]).collect();
        Data::write(folder.path(), 2, &vectors, &[1.0, 0.0, 0.0, 1.0]).unwrap();
        let data = Data::read(folder.path()).unwrap();
        assert_eq!((data.width, data.queries().last().unwrap()), (2, [0.0, 1.0].as_slice()));
        assert_eq!((data.exact[0], data.exact[1][0]), ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 16));
    }
}
