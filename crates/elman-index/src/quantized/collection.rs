use crate::error::IndexError;

/// Vectors that a query is compared with by the cosine, in whatever they are kept.
///
/// Positions count from 0, in the order in which the vectors came. Where scores are equal the lower position comes first,
/// whatever the number of threads.
pub trait Collection: Sync {
    /// The length of every vector.
    fn dim(&self) -> usize;

    /// How many vectors there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `count` vectors nearest to `query` by the comparison that the collection is quickest at, best first, each with
    /// its position and the cosine as far as that comparison knows it. All of them where `count` is more than there are.
    ///
    /// Every vector is looked at, on all threads. Memory O(count) for each.
    ///
    /// # Shapes
    /// `query`: `[d_embed]`, of any length but 0, whose cosines are 0.
    ///
    /// # Errors
    /// If the query has the wrong dimension or a value that is not finite.
    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError>;

    /// The cosines of `query`, in full precision, with the vectors at `positions`, as they are kept.
    ///
    /// # Shapes
    /// `query`: `[d_embed]`.
    ///
    /// # Errors
    /// If the query has the wrong dimension or a value that is not finite.
    ///
    /// # Panics
    /// If there is no vector at one of the positions.
    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError>;
}
