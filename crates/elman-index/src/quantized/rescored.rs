use super::Collection;
use crate::{error::IndexError, rank::top_k};

/// Two-stage search: positions of the `count` vectors nearest to `query` and their cosines in `second`, best first.
///
/// [`nearest`](Collection::nearest) of `first` finds count·oversampling candidates, and
/// [`cosines`](Collection::cosines) of `second` ranks them. `second` may be `first` itself: the query is then compared
/// quantized in the first stage, and as `f32` in the second. If all vectors are candidates, the result equals that of
/// comparing `query` with every vector in `second`. Ties are in the order of positions.
///
/// # Shapes
/// `query`: `[dim]`.
///
/// # Errors
/// If the collections differ in their number of vectors or dimensions, `oversampling` is 0, or the query has the wrong
/// dimension or a value that is not finite.
pub fn nearest_rescored(
    first: &dyn Collection,
    second: &dyn Collection,
    query: &[f32],
    count: usize,
    oversampling: usize,
) -> Result<Vec<(usize, f32)>, IndexError> {
    let [expected, found] = [first, second].map(|collection| [collection.len(), collection.dim()]);
    if expected != found {
        return Err(IndexError::Collections { expected, found });
    }
    if oversampling == 0 {
        return Err(IndexError::Oversampling { found: oversampling });
    }
    let candidates = first.nearest(query, count.saturating_mul(oversampling))?;
    let mut positions: Vec<usize> = candidates.into_iter().map(|(position, _)| position).collect();
    // ties keep this order, and memory is read sequentially
    positions.sort_unstable();
    let best = top_k(second.cosines(query, &positions)?, count);
    Ok(best.into_iter().map(|(candidate, score)| (positions[candidate], score)).collect())
}
