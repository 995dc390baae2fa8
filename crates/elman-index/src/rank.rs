use std::cmp::Ordering;

/// The `count` greatest scores with their positions, greatest first.
///
/// Ties keep their order, and NaN sorts after all other values. Returns all scores if there are fewer than `count`. For
/// the smallest distances, negate them. Time O(n + k log k), memory O(n).
///
/// ```
/// use elman_index::{cosine, top_k};
///
/// let vectors = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
/// let nearest = top_k(vectors.iter().map(|vector| cosine(&[2.0, 0.1], vector)), 2);
/// assert_eq!(nearest.iter().map(|&(position, _)| position).collect::<Vec<_>>(), [0, 2]);
/// ```
pub fn top_k(scores: impl IntoIterator<Item = f32>, count: usize) -> Vec<(usize, f32)> {
    let mut ranked: Vec<_> = scores.into_iter().enumerate().collect();
    if count < ranked.len() {
        ranked.select_nth_unstable_by(count, best_first);
        ranked.truncate(count);
        ranked.shrink_to_fit();
    }
    ranked.sort_unstable_by(best_first);
    ranked
}

/// A total order: positions are distinct, so the result of an unstable sort is deterministic.
pub(crate) fn best_first(a: &(usize, f32), b: &(usize, f32)) -> Ordering {
    let by_score = b.1.partial_cmp(&a.1).unwrap_or_else(|| a.1.is_nan().cmp(&b.1.is_nan()));
    by_score.then(a.0.cmp(&b.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(scores: &[f32], count: usize) -> Vec<usize> {
        top_k(scores.iter().copied(), count).into_iter().map(|(position, _)| position).collect()
    }

    #[test]
    fn scores_are_greatest_first_and_ties_in_order() {
        assert_eq!(positions(&[1.0, 3.0, 2.0, 3.0], 3), [1, 3, 2]);
        assert_eq!(positions(&[0.0, -0.0, 0.0, 1.0], 3), [3, 0, 1]);
    }

    #[test]
    fn any_count_is_valid() {
        assert_eq!(positions(&[1.0, 2.0], 0), [0; 0]);
        assert_eq!(positions(&[1.0, 2.0], 2), [1, 0]);
        assert_eq!(positions(&[1.0, 2.0], usize::MAX), [1, 0]);
        assert_eq!(positions(&[], 5), [0; 0]);
    }

    #[test]
    fn nan_comes_last() {
        let scores = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, -f32::NAN, 0.0];
        assert_eq!(positions(&scores, 5), [2, 4, 1, 0, 3]);
        assert_eq!(positions(&scores, 3), [2, 4, 1]);
    }
}
