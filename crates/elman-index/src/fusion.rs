use indexmap::IndexMap;

use crate::entry::Hit;

/// `k` of the paper: the greater, the less the first ranks dominate.
const RANK_CONSTANT: f32 = 60.0;

/// Merges ranked lists: the score of an entry is the sum of 1 / (60 + rank) over the lists that contain it, ranks from
/// 1.
///
/// The scores of the lists need not be comparable, so results of vector search and full-text search can be fused. Ties
/// keep the order of the first list that contains them.
///
/// # Reference
/// Cormack, Clarke and Büttcher 2009, *Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
/// Methods*.
///
/// ```
/// use elman_index::{Hit, reciprocal_rank_fusion};
///
/// let hit = |id: &str| Hit { id: id.into(), score: 0.0, text: String::new(), metadata: None };
/// let fused = reciprocal_rank_fusion(vec![vec![hit("a"), hit("b")], vec![hit("b"), hit("c")]], 2);
/// assert_eq!(fused.iter().map(|hit| &*hit.id).collect::<Vec<_>>(), ["b", "a"]);
/// assert_eq!(fused[0].score, 1.0 / 62.0 + 1.0 / 61.0);
/// ```
pub fn reciprocal_rank_fusion(lists: Vec<Vec<Hit>>, count: usize) -> Vec<Hit> {
    let mut fused: IndexMap<String, Hit> = IndexMap::new();
    for list in lists {
        for (n, hit) in list.into_iter().enumerate() {
            let score = 1.0 / (RANK_CONSTANT + (n + 1) as f32);
            fused.entry(hit.id.clone()).or_insert(Hit { score: 0.0, ..hit }).score += score;
        }
    }
    let mut fused: Vec<Hit> = fused.into_values().collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused.truncate(count);
    fused
}

/// Number of hits to take from each list for `count` fused ones.
pub(crate) fn candidates(count: usize) -> usize {
    count.saturating_mul(4).max(100)
}
