use std::{
    cell::RefCell,
    sync::{Mutex, MutexGuard},
};

static TURN: Mutex<()> = Mutex::new(());

thread_local! {
    static MINE: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Waits until no other test of this process draws random numbers, and calls `begin` if this thread's turn begins. It ends with
/// the thread, of which every test has its own.
///
/// A backend's random numbers come from one generator for the process: tests that draw side by side would see other numbers in
/// every run.
pub(crate) fn take(begin: impl FnOnce()) {
    MINE.with_borrow_mut(|mine| {
        if mine.is_none() {
            // a test that has failed leaves nothing that the next one needs
            *mine = Some(TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
            begin();
        }
    });
}
