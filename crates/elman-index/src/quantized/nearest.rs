//! The best of many scores: on all threads, and in memory for no more than are asked for.

use std::{cmp::Ordering, collections::BinaryHeap};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::rank::best_first;

/// Rows that are scored at a time: enough to hide the choice of instructions and the hand-over between threads.
const BLOCK: usize = 1024;

/// The `count` best of `rows` scores, none of them NaN, as [`top_k`](crate::top_k) has them.
///
/// `score(start, scores)` gives the scores of the rows from `start` on. It is compiled for each instruction set, if it is
/// marked to be inlined.
pub(crate) fn nearest(rows: usize, count: usize, score: impl Fn(usize, &mut [f32]) + Sync) -> Vec<(usize, f32)> {
    let arch = Arch::new();
    let block = |mut best: Best, block: usize| {
        let start = block * BLOCK;
        let mut scores = [0.0; BLOCK];
        let scores = &mut scores[..BLOCK.min(rows - start)];
        arch.dispatch(Block { start, scores: &mut *scores, score: &score });
        for (offset, &score) in scores.iter().enumerate() {
            best.offer(start + offset, score);
        }
        best
    };
    let blocks = (0..rows.div_ceil(BLOCK)).into_par_iter();
    blocks.fold(|| Best::new(count), block).reduce(|| Best::new(count), Best::and).sorted()
}

/// A block of rows to be scored, with whatever instructions there are.
struct Block<'a, F> {
    start: usize,
    scores: &'a mut [f32],
    score: &'a F,
}

// not a closure: those are not inlined for certain, and then have the instructions of the oldest processors
impl<F: Fn(usize, &mut [f32])> WithSimd for Block<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        (self.score)(self.start, self.scores);
    }
}

/// The best so far: a heap with the worst of them on top.
struct Best {
    count: usize,
    heap: BinaryHeap<Ranked>,
    /// The score of the worst once there are enough of them: nearly every row ends at a comparison with it.
    least: f32,
}

impl Best {
    fn new(count: usize) -> Self {
        Self { count, heap: BinaryHeap::new(), least: f32::NEG_INFINITY }
    }

    #[inline]
    fn offer(&mut self, position: usize, score: f32) {
        if score >= self.least {
            self.consider(Ranked((position, score)));
        }
    }

    fn consider(&mut self, found: Ranked) {
        self.heap.push(found);
        if self.heap.len() > self.count {
            self.heap.pop();
        }
        if self.heap.len() == self.count {
            self.least = self.heap.peek().map_or(f32::INFINITY, |worst| worst.0.1);
        }
    }

    fn and(mut self, other: Self) -> Self {
        other.heap.into_iter().for_each(|found| self.consider(found));
        self
    }

    fn sorted(self) -> Vec<(usize, f32)> {
        self.heap.into_sorted_vec().into_iter().map(|Ranked(found)| found).collect()
    }
}

/// A position with its score; the greater, the worse.
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
        fn equals_top_k_whatever_the_threads(
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
