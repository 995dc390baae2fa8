use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Counting semaphore: a graph has scratch space for a fixed number of threads.
#[derive(Debug)]
pub(super) struct Semaphore {
    permits: Mutex<usize>,
    released: Condvar,
}

/// A permit, released when dropped.
pub(super) struct Permit<'a>(&'a Semaphore);

impl Semaphore {
    pub(super) fn new(permits: usize) -> Self {
        Self { permits: Mutex::new(permits), released: Condvar::new() }
    }

    /// Waits for a permit.
    pub(super) fn acquire(&self) -> Permit<'_> {
        let permits = self.permits();
        *self.released.wait_while(permits, |permits| *permits == 0).unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }

    fn permits(&self) -> MutexGuard<'_, usize> {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.permits() += 1;
        self.0.released.notify_one();
    }
}
