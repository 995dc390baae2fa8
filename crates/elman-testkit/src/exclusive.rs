use std::{
    cell::RefCell,
    sync::{Mutex, MutexGuard},
};

static LOCK: Mutex<()> = Mutex::new(());

thread_local! {
    static GUARD: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Acquires a process-wide lock for this thread and calls `begin`, unless the thread already has the lock. The lock is
/// released when the thread ends; each test has its own thread.
///
/// A backend has one random number generator per process, so concurrent tests would see different random numbers in
/// every run.
pub(crate) fn acquire(begin: impl FnOnce()) {
    GUARD.with_borrow_mut(|guard| {
        if guard.is_none() {
            // a failed test leaves no state behind, so poisoning is harmless
            *guard = Some(LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
            begin();
        }
    });
}
