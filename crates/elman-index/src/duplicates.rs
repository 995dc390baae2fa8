use rayon::prelude::*;

use crate::{
    error::IndexError,
    matrix::{self, BLOCK},
    similarity::cosine,
};

/// Products this close to the threshold are recomputed in double precision.
const RECHECK_MARGIN: f32 = 1e-4;

/// Groups near-duplicate vectors: the connected components of the graph that joins two vectors if their cosine is at
/// least `threshold`. Returns the positions of each group with at least two vectors in ascending order, largest group
/// first and equally large ones by their first position.
///
/// Compares all pairs by matrix products on all threads: time O(n²·dim), memory O(n·dim). The cosine with a zero vector
/// is 0.
///
/// # Shapes
/// `vectors`: `[n, dim]`, row by row.
///
/// # Errors
/// If `dim` is 0 or too large, the length of `vectors` is not a multiple of `dim`, or the threshold is not in (0, 1].
///
/// ```
/// let groups = elman_index::near_duplicates(&[1.0, 0.0, 0.0, 1.0, 2.0, 0.1, -1.0, 0.0], 2, 0.99)?;
/// assert_eq!(groups, [[0, 2]]);
/// # Ok::<(), elman_index::IndexError>(())
/// ```
pub fn near_duplicates(vectors: &[f32], dim: usize, threshold: f32) -> Result<Vec<Vec<usize>>, IndexError> {
    let count = matrix::count(vectors, dim)?;
    if !(threshold > 0.0 && threshold <= 1.0) {
        return Err(IndexError::Threshold { found: threshold });
    }
    let unit = matrix::normalized_rows(vectors, dim);
    let block = |n: usize| &unit[n * BLOCK * dim..unit.len().min((n + 1) * BLOCK * dim)];
    let blocks = count.div_ceil(BLOCK);
    let mut groups = DisjointSets::new(count);
    for first in 0..blocks {
        let pairs: Vec<(usize, usize)> = (first..blocks)
            .into_par_iter()
            .flat_map_iter(|second| {
                let pairs = similar_pairs(block(first), block(second), dim, threshold);
                pairs.into_iter().map(move |(a, b)| (first * BLOCK + a, second * BLOCK + b))
            })
            .collect();
        pairs.into_iter().filter(|(a, b)| a < b).for_each(|(a, b)| groups.union(a, b));
    }
    Ok(groups.into_sorted())
}

/// Pairs of rows of two matrices whose cosine is at least the threshold.
fn similar_pairs(first: &[f32], second: &[f32], dim: usize, threshold: f32) -> Vec<(usize, usize)> {
    let products = matrix::view(first, dim).dot(&matrix::view(second, dim).t());
    let row = |rows: &'_ [f32], n: usize| rows[n * dim..(n + 1) * dim].to_vec();
    let reaches = |(a, b): (usize, usize), product: f32| match (product - threshold).abs() < RECHECK_MARGIN {
        true => cosine(&row(first, a), &row(second, b)) >= threshold,
        false => product > threshold,
    };
    products.indexed_iter().filter(|&(pair, &product)| reaches(pair, product)).map(|(pair, _)| pair).collect()
}

/// Union-find: each member points towards the root of its set, which is its first member.
struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }

    fn into_sorted(mut self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.0.len()];
        for member in 0..self.0.len() {
            let root = self.root(member);
            members[root].push(member);
        }
        members.retain(|group| group.len() > 1);
        members.sort_by_key(|group| std::cmp::Reverse(group.len()));
        members
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Propagates labels over all pairs until nothing changes.
    fn reference(vectors: &[f32], dim: usize, threshold: f32) -> Vec<Vec<usize>> {
        let rows: Vec<&[f32]> = vectors.chunks_exact(dim).collect();
        let mut label: Vec<usize> = (0..rows.len()).collect();
        loop {
            let previous = label.clone();
            for a in 0..rows.len() {
                for b in 0..rows.len() {
                    if a != b && cosine(rows[a], rows[b]) >= threshold {
                        label[a] = label[a].min(label[b]);
                    }
                }
            }
            if label == previous {
                break;
            }
        }
        let mut groups: Vec<Vec<usize>> =
            (0..rows.len()).map(|l| (0..rows.len()).filter(|&n| label[n] == l).collect()).collect();
        groups.retain(|group| group.len() > 1);
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        groups
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn groups_match_the_reference(
            values in proptest::collection::vec(-3i8..=3, 0..1500),
            threshold in proptest::sample::select(vec![0.5f32, 0.9, 0.97, 1.0]),
        ) {
            // more vectors than a block, with many duplicates and some zeros
            let vectors: Vec<f32> = values.iter().map(|&n| n.into()).take(values.len() / 3 * 3).collect();
            prop_assert_eq!(near_duplicates(&vectors, 3, threshold).unwrap(), reference(&vectors, 3, threshold));
        }
    }

    #[test]
    fn invalid_input_is_an_error() {
        assert_eq!(near_duplicates(&[], 3, 0.5).unwrap(), Vec::<Vec<usize>>::new());
        assert!(matches!(near_duplicates(&[1.0], 2, 0.5), Err(IndexError::Ragged { expected: 2, found: 1 })));
        assert!(matches!(near_duplicates(&[], 0, 0.5), Err(IndexError::Dimension { found: 0, .. })));
        for threshold in [0.0, 1.5, f32::NAN, -1.0] {
            assert!(matches!(near_duplicates(&[1.0], 1, threshold), Err(IndexError::Threshold { .. })));
        }
    }
}
