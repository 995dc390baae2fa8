use crate::error::IndexError;

/// A collection of vectors, in any dtype, that a query is compared with by the cosine.
///
/// Positions start at 0, in the order of insertion. Ties are in the order of positions, independent of the number of
/// threads.
pub trait Collection: Sync {
    /// Dimension of the vectors.
    fn dim(&self) -> usize;

    /// Number of vectors.
    fn len(&self) -> usize;

    /// Whether the collection is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Positions and approximate cosines of the `count` vectors nearest to `query` by the collection's fastest
    /// comparison, best first. All vectors if there are fewer.
    ///
    /// Compares all vectors, on all threads. Memory O(count) per thread.
    ///
    /// # Shapes
    /// `query`: `[dim]`, of any norm. The cosines of a zero query are 0.
    ///
    /// # Errors
    /// If the query has the wrong dimension or a value that is not finite.
    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError>;

    /// The cosines of the `f32` query with the stored vectors at `positions`.
    ///
    /// # Shapes
    /// `query`: `[dim]`.
    ///
    /// # Errors
    /// If the query has the wrong dimension or a value that is not finite.
    ///
    /// # Panics
    /// If a position is out of range.
    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError>;
}
