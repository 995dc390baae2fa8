//! How the threads of a scan divide its work.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::panels::chunk_range;

/// Number of threads that a scan may use: the size of rayon's pool, or 1 if called from a thread of that pool, whose
/// other threads are busy already.
pub fn threads() -> usize {
    if rayon::current_thread_index().is_some() { 1 } else { rayon::current_num_threads() }
}

/// How threads divide a scan. The value is the number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Each thread scans its own rows to the end. No synchronization.
    Rows(usize),
    /// Each thread computes its own units of all rows, with a barrier at every time step.
    Units(usize),
    /// Like [`Units`](Self::Units), for cells whose units are independent of each other. No synchronization.
    IndependentUnits(usize),
}

/// With fewer multiplications, another thread costs more than it saves.
const MIN_MULTIPLIES_PER_THREAD: usize = 1 << 21;
/// The same for cells without a recurrent product, in gates.
const MIN_GATES_PER_THREAD: usize = 1 << 15;
/// With fewer multiplications per thread, a time step takes less time than a barrier.
const MIN_MULTIPLIES_PER_BARRIER: usize = 1 << 16;
/// A barrier per step pays off if it saves more than one pass over the weights in this many.
const BARRIER_COST_RATIO: usize = 15;

impl Plan {
    /// The plan of a recurrence over `time` steps of `batch` rows, with `products` multiplications per row and step, on
    /// at most `threads` threads. `block_rows` rows are multiplied by a panel of weights together.
    pub fn new(threads: usize, time: usize, batch: usize, products: usize, block_rows: usize) -> Self {
        let step = batch.saturating_mul(products);
        let useful = |threads: usize| threads.min(step.saturating_mul(time) / MIN_MULTIPLIES_PER_THREAD).max(1);
        // how often all threads together read a panel, if they divide the rows or the units
        let passes = |rows: usize| rows.div_ceil(block_rows);
        let (rows_passes, units_passes) = (threads * passes(batch.div_ceil(threads)), passes(batch));
        let rows_are_faster = rows_passes * BARRIER_COST_RATIO <= units_passes * (BARRIER_COST_RATIO + 1);
        let barrier_is_cheap = step >= MIN_MULTIPLIES_PER_BARRIER * threads;
        if threads == 1 || (batch >= 2 * threads && (rows_are_faster || !barrier_is_cheap)) {
            Self::Rows(useful(threads))
        } else if barrier_is_cheap {
            Self::Units(useful(threads))
        } else {
            Self::Rows(useful(threads).min(batch))
        }
    }

    /// The plan of a scan without a recurrent product, over `time` steps of `batch` rows with `gates` gates each.
    pub fn without_recurrence(threads: usize, time: usize, batch: usize, gates: usize) -> Self {
        let work = time.saturating_mul(batch).saturating_mul(gates);
        let useful = threads.min(work / MIN_GATES_PER_THREAD).max(1);
        if batch >= 2 * threads { Self::Rows(useful) } else { Self::IndependentUnits(useful) }
    }

    /// The plan of one matrix product with `products` multiplications, whose columns the threads divide.
    pub fn for_columns(threads: usize, products: usize) -> Self {
        Self::IndependentUnits(threads.min(products / MIN_MULTIPLIES_PER_THREAD).max(1))
    }

    pub fn threads(self) -> usize {
        let (Self::Rows(threads) | Self::Units(threads) | Self::IndependentUnits(threads)) = self;
        threads
    }

    /// The rows of a thread, in ascending order. Rows of different lengths are sorted by descending length and dealt to
    /// the threads in snake order (0, 1, 1, 0, … for two), which balances the load.
    pub fn rows(self, thread: usize, batch: usize, lengths: Option<&[usize]>) -> Vec<usize> {
        let threads = match self {
            Self::Rows(threads) if threads > 1 => threads,
            _ => return (0..batch).collect(),
        };
        let Some(lengths) = lengths else { return chunk_range(batch, thread, threads).collect() };
        let mut order: Vec<usize> = (0..batch).collect();
        order.sort_by_key(|row| std::cmp::Reverse(lengths[*row]));
        let is_own = |n: &usize| match (n / threads).is_multiple_of(2) {
            true => n % threads == thread,
            false => n % threads == threads - 1 - thread,
        };
        let mut rows: Vec<usize> = (0..batch).filter(is_own).map(|n| order[n]).collect();
        rows.sort_unstable();
        rows
    }

    /// The index of the thread among those that divide the units, and their number.
    pub fn unit_chunk(self, thread: usize) -> (usize, usize) {
        match self {
            Self::Rows(_) => (0, 1),
            Self::Units(threads) | Self::IndependentUnits(threads) => (thread, threads),
        }
    }

    /// Runs `work(thread, barrier)` on every thread of the plan: on the calling thread, which is thread 0, and on
    /// threads of rayon's pool.
    pub fn run(self, work: impl Fn(usize, &Barrier) + Sync) {
        self.run_with(work, |work| {
            rayon::in_place_scope(|scope| {
                scope.spawn_broadcast(|_, other| work(other.index() + 1));
                work(0);
            });
        });
    }

    /// Like [`run`](Self::run), for a caller that has just waited for a matrix product in rayon's pool. The pool's
    /// threads are still awake, one per core, so without a barrier they do all of the work: the calling thread would
    /// compete with one of them for a core. With a barrier, new threads were faster in measurements.
    pub fn run_after_product(self, work: impl Fn(usize, &Barrier) + Sync) {
        self.run_with(work, |work| match self {
            Self::Units(threads) => on_new_threads(threads, work),
            Self::Rows(_) | Self::IndependentUnits(_) => {
                rayon::broadcast(|thread| work(thread.index()));
            }
        });
    }

    /// Calls `start` with the work of one thread if the plan uses as many threads as the pool has, otherwise starts new
    /// threads.
    ///
    /// `start` may broadcast to rayon's pool. A broadcast runs on every worker, in the same order on all of them, so
    /// concurrent callers cannot deadlock on the barrier. A plan with fewer threads may run at the same time as others,
    /// such as that of a layer's second direction, which would compete for the same workers; new threads avoid that.
    fn run_with<W: Fn(usize, &Barrier) + Sync>(self, work: W, start: impl FnOnce(&(dyn Fn(usize) + Sync))) {
        let synchronized = match self {
            Self::Rows(_) | Self::IndependentUnits(_) => 1,
            Self::Units(threads) => threads,
        };
        let barrier = Barrier::new(synchronized);
        if self.threads() == 1 {
            return work(0, &barrier); // a scope would allocate
        }
        let task = |thread: usize| {
            if thread < self.threads() {
                work(thread, &barrier);
            }
        };
        if self.threads() == threads() { start(&task) } else { on_new_threads(self.threads(), &task) }
    }
}

/// Runs `work` on the calling thread, which is thread 0, and on new threads.
fn on_new_threads(threads: usize, work: &(dyn Fn(usize) + Sync)) {
    std::thread::scope(|scope| {
        for thread in 1..threads {
            scope.spawn(move || work(thread));
        }
        work(0);
    });
}

/// A spinning barrier, for waits so short that sleeping would take longer.
pub(crate) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    /// How often all threads have passed.
    round: AtomicUsize,
}

/// Spins before a waiting thread yields its core, which another thread may need if there are more threads than cores.
const MAX_SPINS: usize = 1 << 9;

impl Barrier {
    fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0), round: AtomicUsize::new(0) }
    }

    /// Returns when every thread has called it; all see what the others wrote before their call.
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
        let mut spins = 0;
        while self.round.load(Ordering::Acquire) == round {
            spins += 1;
            if spins < MAX_SPINS { spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// A pointer to a buffer that several threads write, each its own elements.
#[derive(Clone, Copy)]
pub(crate) struct SharedPtr(*mut f32);

// SAFETY: a plain address; code that writes through it guarantees that no other thread accesses the same elements.
unsafe impl Send for SharedPtr {}
// SAFETY: as above.
unsafe impl Sync for SharedPtr {}

impl SharedPtr {
    pub fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The address of an element.
    ///
    /// # Safety
    /// The index is within the slice.
    #[inline(always)]
    pub unsafe fn at(self, index: usize) -> *mut f32 {
        // SAFETY: as the caller promises.
        unsafe { self.0.add(index) }
    }
}

/// Rows of a buffer, with a constant stride.
#[derive(Clone, Copy)]
pub(crate) struct StridedRows {
    start: *mut f32,
    stride: usize,
}

impl StridedRows {
    /// Read-only rows.
    pub fn from_slice(values: &[f32], stride: usize) -> Self {
        Self { start: values.as_ptr().cast_mut(), stride }
    }

    /// Rows that start at an offset.
    ///
    /// # Safety
    /// The offset is within the slice.
    pub unsafe fn at(buffer: SharedPtr, offset: usize, stride: usize) -> Self {
        // SAFETY: as the caller promises.
        Self { start: unsafe { buffer.at(offset) }, stride }
    }

    /// The address of a row.
    ///
    /// # Safety
    /// The row is within the buffer.
    #[inline(always)]
    pub unsafe fn row(self, row: usize) -> *mut f32 {
        // SAFETY: as the caller promises.
        unsafe { self.start.add(row * self.stride) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_work_uses_one_thread_and_few_rows_divide_units() {
        assert_eq!(Plan::new(2, 10, 1, 1000, 4), Plan::Rows(1));
        assert_eq!(Plan::new(2, 64, 32, 1 << 20, 4), Plan::Rows(2));
        assert_eq!(Plan::new(2, 64, 1, 1 << 20, 4), Plan::Units(2));
        assert_eq!(Plan::new(8, 64, 1, 1 << 10, 4), Plan::Rows(1));
        // four rows per thread are two blocks; all eight rows are three blocks
        assert_eq!(Plan::new(2, 64, 8, 1 << 20, 3), Plan::Units(2));
        assert_eq!(Plan::new(2, 64, 8, 1 << 13, 3), Plan::Rows(2));
        assert_eq!(Plan::without_recurrence(2, 64, 1, 1 << 10), Plan::IndependentUnits(2));
        assert_eq!(Plan::without_recurrence(2, 64, 32, 1 << 10), Plan::Rows(2));
        assert_eq!(Plan::without_recurrence(2, 1, 1, 1 << 10), Plan::IndependentUnits(1));
    }

    #[test]
    fn every_row_has_one_thread_and_long_rows_are_balanced() {
        let rows: Vec<usize> = (0..3).flat_map(|t| Plan::Rows(3).rows(t, 7, None)).collect();
        assert_eq!(rows, (0..7).collect::<Vec<_>>());
        let lengths = [9, 1, 8, 2, 7, 3, 6];
        let rows = |thread: usize| Plan::Rows(2).rows(thread, 7, Some(&lengths));
        assert_eq!((rows(0), rows(1)), (vec![0, 5, 6], vec![1, 2, 3, 4]));
        assert_eq!(Plan::Units(2).rows(1, 3, Some(&lengths)), [0, 1, 2]);
    }

    #[test]
    fn no_thread_passes_the_barrier_early() {
        // each thread adds 1 per round; after the barrier all must see the same sum
        let work = |threads: usize, sum: &AtomicUsize, barrier: &Barrier| {
            for round in 1..=200 {
                sum.fetch_add(1, Ordering::Relaxed);
                barrier.wait();
                assert_eq!(sum.load(Ordering::Relaxed), threads * round);
                barrier.wait();
            }
        };
        // the size of the pool, and one more
        for threads in [rayon::current_num_threads(), rayon::current_num_threads() + 1] {
            let plan = Plan::Units(threads);
            let sum = AtomicUsize::new(0);
            plan.run(|_, barrier| work(threads, &sum, barrier));
            let sum = AtomicUsize::new(0);
            plan.run_after_product(|_, barrier| work(threads, &sum, barrier));
        }
    }

    #[test]
    fn concurrent_users_of_the_pool_do_not_deadlock() {
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
    fn every_thread_of_a_plan_runs_once() {
        let pool = rayon::current_num_threads();
        let counts = [1, 2, pool, pool + 1];
        for plan in [Plan::Rows, Plan::Units, Plan::IndependentUnits].iter().flat_map(|plan| counts.map(plan)) {
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
