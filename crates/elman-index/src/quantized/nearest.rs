//! Parallel top-k of scores, in O(k) memory per thread.

use std::{cmp::Ordering, collections::BinaryHeap};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::rank::best_first;

/// Rows per block: enough to amortize SIMD dispatch and the overhead of threads.
const BLOCK: usize = 1024;

/// The `count` best of `rows` scores, none of which may be NaN, as by [`top_k`](crate::top_k).
///
/// `score(start, scores)` computes the scores of the rows from `start` on. If it is `#[inline(always)]`, it is compiled
/// for each instruction set.
pub(crate) fn nearest(rows: usize, count: usize, score: impl Fn(usize, &mut [f32]) + Sync) -> Vec<(usize, f32)> {
    let arch = Arch::new();
    let block = |mut top: TopK, block: usize| {
        let start = block * BLOCK;
        let mut scores = [0.0; BLOCK];
        let scores = &mut scores[..BLOCK.min(rows - start)];
        arch.dispatch(Block { start, scores: &mut *scores, score: &score });
        for (offset, &score) in scores.iter().enumerate() {
            top.push(start + offset, score);
        }
        top
    };
    let blocks = (0..rows.div_ceil(BLOCK)).into_par_iter();
    blocks.fold(|| TopK::new(count), block).reduce(|| TopK::new(count), TopK::merge).into_sorted()
}

/// Scores a block of rows with the best available instruction set.
struct Block<'a, F> {
    start: usize,
    scores: &'a mut [f32],
    score: &'a F,
}

// not a closure: its inlining is not guaranteed, and without it only baseline instructions are used
impl<F: Fn(usize, &mut [f32])> WithSimd for Block<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        (self.score)(self.start, self.scores);
    }
}

/// The best scores so far: a heap with the worst of them on top.
struct TopK {
    count: usize,
    heap: BinaryHeap<Ranked>,
    /// The worst score of a full heap: most rows only cost a comparison with it.
    threshold: f32,
}

impl TopK {
    fn new(count: usize) -> Self {
        Self { count, heap: BinaryHeap::new(), threshold: f32::NEG_INFINITY }
    }

    #[inline]
    fn push(&mut self, position: usize, score: f32) {
        if score >= self.threshold {
            self.insert(Ranked((position, score)));
        }
    }

    fn insert(&mut self, found: Ranked) {
        self.heap.push(found);
        if self.heap.len() > self.count {
            self.heap.pop();
        }
        if self.heap.len() == self.count {
            self.threshold = self.heap.peek().map_or(f32::INFINITY, |worst| worst.0.1);
        }
    }

    fn merge(mut self, other: Self) -> Self {
        other.heap.into_iter().for_each(|found| self.insert(found));
        self
    }

    fn into_sorted(self) -> Vec<(usize, f32)> {
        self.heap.into_sorted_vec().into_iter().map(|Ranked(found)| found).collect()
    }
}

/// A position and its score, ordered from best to worst.
struct Ranked((usize, f32));

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        best_first(&self.0, &other.0)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::top_k;

    proptest! {
        #[test]
        fn equals_top_k_for_any_number_of_threads(
            // few distinct scores, so that they tie across blocks
            scores in proptest::collection::vec(-3i8..3, 0..3 * BLOCK), count in 0usize..4000, threads in 1usize..4,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| {
                nearest(scores.len(), count, |start, block| block.copy_from_slice(&scores[start..][..block.len()]))
            });
            prop_assert_eq!(found, top_k(scores, count));
        }
    }
}
