//! The best of many scores: on all threads, and in memory for no more than are asked for.

use std::{cmp::Ordering, collections::BinaryHeap};

use pulp::Arch;
use rayon::prelude::*;

use crate::rank::best_first;

/// Rows that are scored at a time: enough to hide the choice of instructions and the hand-over between threads.
const BLOCK: usize = 1024;

/// The `count` best of `rows` scores, as [`top_k`](crate::top_k) has them.
///
/// `score(start, scores)` gives the scores of the rows from `start` on. It is compiled for each instruction set, if it is
/// marked to be inlined.
pub(crate) fn nearest(rows: usize, count: usize, score: impl Fn(usize, &mut [f32]) + Sync) -> Vec<(usize, f32)> {
    let arch = Arch::new();
    let block = |mut best: Best, block: usize| {
        let start = block * BLOCK;
        let mut scores = [0.0; BLOCK];
        let scores = &mut scores[..BLOCK.min(rows - start)];
        arch.dispatch(
            #[inline(always)]
            || score(start, scores),
        );
        for (offset, &score) in scores.iter().enumerate() {
            best.offer((start + offset, score));
        }
        best
    };
    let blocks = (0..rows.div_ceil(BLOCK)).into_par_iter();
    blocks.fold(|| Best::new(count), block).reduce(|| Best::new(count), Best::and).sorted()
}

/// The best so far: a heap with the worst of them on top.
struct Best {
    count: usize,
    heap: BinaryHeap<Ranked>,
}

impl Best {
    fn new(count: usize) -> Self {
        Self { count, heap: BinaryHeap::new() }
    }

    fn offer(&mut self, found: (usize, f32)) {
        if self.heap.len() < self.count {
            self.heap.push(Ranked(found));
        } else if let Some(worst) = self.heap.peek()
            && best_first(&found, &worst.0).is_lt()
        {
            self.heap.pop();
            self.heap.push(Ranked(found));
        }
    }

    fn and(mut self, other: Self) -> Self {
        other.heap.into_iter().for_each(|Ranked(found)| self.offer(found));
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
