//! Threads that walk a sequence together.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::panels::share;

/// Threads that a walk may use: as many as rayon's pool has, and one alone within that pool, where others are at work
/// already.
pub fn threads() -> usize {
    if rayon::current_thread_index().is_some() { 1 } else { rayon::current_num_threads() }
}

/// How the work of a time step is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Each of so many threads has its own rows and walks them to the end: nobody waits.
    Rows(usize),
    /// Each of so many threads has its own units of all rows: all wait for each other at every time step.
    Units(usize),
    /// As [`Units`](Self::Units), of a cell whose units do not see each other: nobody waits.
    Apart(usize),
}

/// Below so many multiplications a thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 21;
/// As above, in gates.
const WORTH_A_THREAD_OF_GATES: usize = 1 << 15;
/// Below so many multiplications a time step is over before threads have met.
const WORTH_MEETING: usize = 1 << 16;
/// One in so many passes over the weights that are saved is worth that threads meet at every time step.
const WORTH_MEETING_FOR: usize = 15;

impl Plan {
    /// For a recurrence over `time` steps of `batch` rows, each `products` multiplications, on at most `threads`; `at_once`
    /// rows are multiplied with a panel of weights at a time.
    pub fn new(threads: usize, time: usize, batch: usize, products: usize, at_once: usize) -> Self {
        let step = batch.saturating_mul(products);
        let worth = |threads: usize| threads.min(step.saturating_mul(time) / WORTH_A_THREAD).max(1);
        // how often all threads together read a panel, in either way of sharing
        let passes = |rows: usize| rows.div_ceil(at_once);
        let (by_rows, by_units) = (threads * passes(batch.div_ceil(threads)), passes(batch));
        let is_better_apart = by_rows * WORTH_MEETING_FOR <= by_units * (WORTH_MEETING_FOR + 1);
        let can_meet = step >= WORTH_MEETING * threads;
        if threads == 1 || (batch >= 2 * threads && (is_better_apart || !can_meet)) {
            Self::Rows(worth(threads))
        } else if can_meet {
            Self::Units(worth(threads))
        } else {
            Self::Rows(worth(threads).min(batch))
        }
    }

    /// For a walk without a recurrent product, over `time` steps of `batch` rows with so many `gates` each.
    pub fn apart(threads: usize, time: usize, batch: usize, gates: usize) -> Self {
        let work = time.saturating_mul(batch).saturating_mul(gates);
        let worth = threads.min(work / WORTH_A_THREAD_OF_GATES).max(1);
        if batch >= 2 * threads { Self::Rows(worth) } else { Self::Apart(worth) }
    }

    /// For one product whose columns are shared, of so many multiplications.
    pub fn columns(threads: usize, products: usize) -> Self {
        Self::Apart(threads.min(products / WORTH_A_THREAD).max(1))
    }

    pub fn threads(self) -> usize {
        let (Self::Rows(threads) | Self::Units(threads) | Self::Apart(threads)) = self;
        threads
    }

    /// The rows of a thread, in ascending order. Where they have different lengths they are dealt out from the longest to the
    /// shortest, there and back, so that no thread waits long for another.
    pub fn rows(self, thread: usize, batch: usize, lengths: Option<&[usize]>) -> Vec<usize> {
        let threads = match self {
            Self::Rows(threads) if threads > 1 => threads,
            _ => return (0..batch).collect(),
        };
        let Some(lengths) = lengths else { return share(batch, thread, threads).collect() };
        let mut order: Vec<usize> = (0..batch).collect();
        order.sort_by_key(|row| std::cmp::Reverse(lengths[*row]));
        let takes = |n: &usize| match (n / threads).is_multiple_of(2) {
            true => n % threads == thread,
            false => n % threads == threads - 1 - thread,
        };
        let mut rows: Vec<usize> = (0..batch).filter(takes).map(|n| order[n]).collect();
        rows.sort_unstable();
        rows
    }

    /// The thread's place among those that share the units, and their number.
    pub fn part(self, thread: usize) -> (usize, usize) {
        match self {
            Self::Rows(_) => (0, 1),
            Self::Units(threads) | Self::Apart(threads) => (thread, threads),
        }
    }

    /// Runs `work(thread, barrier)` on every thread of the plan: on the calling one, which is thread 0, and on threads of
    /// rayon's pool.
    pub fn run(self, work: impl Fn(usize, &Barrier) + Sync) {
        self.run_with(work, |work| {
            rayon::in_place_scope(|scope| {
                scope.spawn_broadcast(|_, other| work(other.index() + 1));
                work(0);
            });
        });
    }

    /// The same for a caller that has just waited for a product of the pool's. Its threads are awake, one on each core, and do
    /// the work where they need not wait for each other: the calling one, beside them, would share a core with one of them for
    /// as long as the work takes. Where they do wait, what has been measured is in favour of new threads.
    pub fn run_after_product(self, work: impl Fn(usize, &Barrier) + Sync) {
        self.run_with(work, |work| match self {
            Self::Units(threads) => on_new_threads(threads, work),
            Self::Rows(_) | Self::Apart(_) => {
                rayon::broadcast(|thread| work(thread.index()));
            }
        });
    }

    /// `start` is given what to do on each thread of a pool that has just as many. All of them do it, though others may be using
    /// the pool: what is broadcast comes to all of its threads, and in the same order to all of them, so that those who wait
    /// for each other meet. Whoever asks for fewer threads than the pool has may be one of several at work at once, such as the
    /// directions of a layer, who would all ask the same threads of the pool.
    fn run_with<W: Fn(usize, &Barrier) + Sync>(self, work: W, start: impl FnOnce(&(dyn Fn(usize) + Sync))) {
        let meeting = match self {
            Self::Rows(_) | Self::Apart(_) => 1,
            Self::Units(threads) => threads,
        };
        let barrier = Barrier::new(meeting);
        if self.threads() == 1 {
            return work(0, &barrier); // without what a scope allocates
        }
        let part = |thread: usize| {
            if thread < self.threads() {
                work(thread, &barrier);
            }
        };
        if self.threads() == threads() { start(&part) } else { on_new_threads(self.threads(), &part) }
    }
}

/// On the calling thread, which is number 0, and on others that are started for it.
fn on_new_threads(threads: usize, work: &(dyn Fn(usize) + Sync)) {
    std::thread::scope(|scope| {
        for thread in 1..threads {
            scope.spawn(move || work(thread));
        }
        work(0);
    });
}

/// A place where threads wait for each other, for so short a time that sleeping would take longer.
pub(crate) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    /// How often all have met.
    round: AtomicUsize,
}

/// Looks before a waiting thread gives up its core: another may need it, where there are more threads than cores.
const PATIENCE: usize = 1 << 9;

impl Barrier {
    fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0), round: AtomicUsize::new(0) }
    }

    /// Returns when every thread has called it; what they wrote before is then seen by all.
    pub fn wait(&self) {
        if self.threads <= 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut looks = 0;
        while self.round.load(Ordering::Acquire) == round {
            looks += 1;
            if looks < PATIENCE { spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// A place in memory that several threads write to, each to its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: a plain address; whoever writes through it promises that nobody else looks there.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The address of an element.
    ///
    /// # Safety
    /// The element is one of the slice.
    #[inline(always)]
    pub unsafe fn at(self, index: usize) -> *mut f32 {
        // SAFETY: as the caller promises.
        unsafe { self.0.add(index) }
    }
}

/// Rows in such a place, one `step` after the other.
#[derive(Clone, Copy)]
pub(crate) struct Slab {
    start: *mut f32,
    step: usize,
}

impl Slab {
    /// Rows that are only read.
    pub fn of(values: &[f32], step: usize) -> Self {
        Self { start: values.as_ptr().cast_mut(), step }
    }

    /// Rows from an element on.
    ///
    /// # Safety
    /// The element is one of the slice.
    pub unsafe fn at(place: Shared, index: usize, step: usize) -> Self {
        // SAFETY: as the caller promises.
        Self { start: unsafe { place.at(index) }, step }
    }

    /// The address of a row.
    ///
    /// # Safety
    /// The row lies in the place.
    #[inline(always)]
    pub unsafe fn row(self, row: usize) -> *mut f32 {
        // SAFETY: as the caller promises.
        unsafe { self.start.add(row * self.step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_work_stays_on_one_thread_and_few_rows_share_units() {
        assert_eq!(Plan::new(2, 10, 1, 1000, 4), Plan::Rows(1));
        assert_eq!(Plan::new(2, 64, 32, 1 << 20, 4), Plan::Rows(2));
        assert_eq!(Plan::new(2, 64, 1, 1 << 20, 4), Plan::Units(2));
        assert_eq!(Plan::new(8, 64, 1, 1 << 10, 4), Plan::Rows(1));
        // four rows a thread are two blocks of two; all eight are three blocks
        assert_eq!(Plan::new(2, 64, 8, 1 << 20, 3), Plan::Units(2));
        assert_eq!(Plan::new(2, 64, 8, 1 << 13, 3), Plan::Rows(2));
        assert_eq!(Plan::apart(2, 64, 1, 1 << 10), Plan::Apart(2));
        assert_eq!(Plan::apart(2, 64, 32, 1 << 10), Plan::Rows(2));
        assert_eq!(Plan::apart(2, 1, 1, 1 << 10), Plan::Apart(1));
    }

    #[test]
    fn every_row_has_one_thread_and_long_rows_are_shared() {
        let rows: Vec<usize> = (0..3).flat_map(|t| Plan::Rows(3).rows(t, 7, None)).collect();
        assert_eq!(rows, (0..7).collect::<Vec<_>>());
        let lengths = [9, 1, 8, 2, 7, 3, 6];
        let rows = |thread: usize| Plan::Rows(2).rows(thread, 7, Some(&lengths));
        assert_eq!((rows(0), rows(1)), (vec![0, 5, 6], vec![1, 2, 3, 4]));
        assert_eq!(Plan::Units(2).rows(1, 3, Some(&lengths)), [0, 1, 2]);
    }

    #[test]
    fn nobody_passes_the_barrier_early() {
        // each round, all add one; after the barrier all must see the same sum
        let meet = |threads: usize, sum: &AtomicUsize, barrier: &Barrier| {
            for round in 1..=200 {
                sum.fetch_add(1, Ordering::Relaxed);
                barrier.wait();
                assert_eq!(sum.load(Ordering::Relaxed), threads * round);
                barrier.wait();
            }
        };
        // as many as the pool has, and more
        for threads in [rayon::current_num_threads(), rayon::current_num_threads() + 1] {
            let plan = Plan::Units(threads);
            let sum = AtomicUsize::new(0);
            plan.run(|_, barrier| meet(threads, &sum, barrier));
            let sum = AtomicUsize::new(0);
            plan.run_after_product(|_, barrier| meet(threads, &sum, barrier));
        }
    }

    #[test]
    fn those_who_use_the_pool_at_the_same_time_do_not_wait_for_each_other_for_ever() {
        let threads = rayon::current_num_threads();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        Plan::Units(threads).run(|_, barrier| barrier.wait());
                    }
                });
            }
        });
    }

    #[test]
    fn every_thread_of_a_plan_works_once() {
        let pool = rayon::current_num_threads();
        let counts = [1, 2, pool, pool + 1];
        for plan in [Plan::Rows, Plan::Units, Plan::Apart].iter().flat_map(|plan| counts.map(plan)) {
            for after_product in [false, true] {
                let done: Vec<AtomicUsize> = (0..plan.threads()).map(|_| AtomicUsize::new(0)).collect();
                let work = |thread: usize, _: &Barrier| {
                    done[thread].fetch_add(1, Ordering::Relaxed);
                };
                if after_product {
                    plan.run_after_product(work)
                } else {
                    plan.run(work)
                }
                assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{plan:?}: {done:?}");
            }
        }
    }
}
