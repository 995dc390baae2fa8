use rayon::prelude::*;

use crate::{
    error::IndexError,
    matrix::{self, BLOCK},
    similarity::cosine,
};

/// Nearer to the threshold than this, single precision does not decide.
const DOUBT: f32 = 1e-4;

/// Groups of vectors that say nearly the same: each has in its group another whose cosine with it is `threshold` or
/// more. Groups of two or more, the greatest first, their positions in order; equal ones by their first position.
///
/// Every vector is compared with every other, in products of matrices on all threads: time O(n²·d), memory O(n·d).
/// Vectors of zeros are like none.
///
/// # Shapes
/// `vectors`: `[n, d_embed]`, row by row.
///
/// # Errors
/// If `d_embed` is 0, the numbers are no whole number of vectors, or the threshold is not in (0, 1].
///
/// ```
/// let groups = elman_index::near_duplicates(&[1.0, 0.0, 0.0, 1.0, 2.0, 0.1, -1.0, 0.0], 2, 0.99)?;
/// assert_eq!(groups, [[0, 2]]);
/// # Ok::<(), elman_index::IndexError>(())
/// ```
pub fn near_duplicates(vectors: &[f32], d_embed: usize, threshold: f32) -> Result<Vec<Vec<usize>>, IndexError> {
    let count = matrix::count(vectors, d_embed)?;
    if !(threshold > 0.0 && threshold <= 1.0) {
        return Err(IndexError::Threshold { found: threshold });
    }
    let unit = matrix::to_units(vectors, d_embed);
    let block = |n: usize| &unit[n * BLOCK * d_embed..unit.len().min((n + 1) * BLOCK * d_embed)];
    let blocks = count.div_ceil(BLOCK);
    let mut groups = Groups::new(count);
    for first in 0..blocks {
        let pairs: Vec<(usize, usize)> = (first..blocks)
            .into_par_iter()
            .flat_map_iter(|second| {
                let near = near(block(first), block(second), d_embed, threshold);
                near.into_iter().map(move |(a, b)| (first * BLOCK + a, second * BLOCK + b))
            })
            .collect();
        pairs.into_iter().filter(|(a, b)| a < b).for_each(|(a, b)| groups.join(a, b));
    }
    Ok(groups.sorted())
}

/// The pairs of rows of two matrices whose cosine reaches the threshold.
fn near(first: &[f32], second: &[f32], d_embed: usize, threshold: f32) -> Vec<(usize, usize)> {
    let products = matrix::of(first, d_embed).dot(&matrix::of(second, d_embed).t());
    let row = |rows: &'_ [f32], n: usize| rows[n * d_embed..(n + 1) * d_embed].to_vec();
    let reaches = |(a, b): (usize, usize), product: f32| match (product - threshold).abs() < DOUBT {
        true => cosine(&row(first, a), &row(second, b)) >= threshold,
        false => product > threshold,
    };
    products.indexed_iter().filter(|&(at, &product)| reaches(at, product)).map(|(at, _)| at).collect()
}

/// Sets that are joined: each member points towards the first of its set.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn first(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }

    fn sorted(mut self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.0.len()];
        for member in 0..self.0.len() {
            let first = self.first(member);
            members[first].push(member);
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

    /// Joins pairs until nothing changes.
    fn plainly(vectors: &[f32], d_embed: usize, threshold: f32) -> Vec<Vec<usize>> {
        let rows: Vec<&[f32]> = vectors.chunks_exact(d_embed).collect();
        let mut label: Vec<usize> = (0..rows.len()).collect();
        loop {
            let before = label.clone();
            for a in 0..rows.len() {
                for b in 0..rows.len() {
                    if a != b && cosine(rows[a], rows[b]) >= threshold {
                        label[a] = label[a].min(label[b]);
                    }
                }
            }
            if label == before {
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
        fn groups_are_those_of_all_pairs(
            numbers in proptest::collection::vec(-3i8..=3, 0..1500), threshold in proptest::sample::select(vec![0.5f32, 0.9, 0.97, 1.0]),
        ) {
            // more vectors than a block, many of them alike, some zero
            let vectors: Vec<f32> = numbers.iter().map(|&n| n.into()).take(numbers.len() / 3 * 3).collect();
            prop_assert_eq!(near_duplicates(&vectors, 3, threshold).unwrap(), plainly(&vectors, 3, threshold));
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert_eq!(near_duplicates(&[], 3, 0.5).unwrap(), Vec::<Vec<usize>>::new());
        assert!(matches!(near_duplicates(&[1.0], 2, 0.5), Err(IndexError::Ragged { expected: 2, found: 1 })));
        assert!(matches!(near_duplicates(&[], 0, 0.5), Err(IndexError::Dimension { found: 0, .. })));
        for threshold in [0.0, 1.5, f32::NAN, -1.0] {
            assert!(matches!(near_duplicates(&[1.0], 1, threshold), Err(IndexError::Threshold { .. })));
        }
    }
}
