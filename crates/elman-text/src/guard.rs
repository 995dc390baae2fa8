//! Catches panics of library code on damaged input.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, UnwindSafe},
    sync::Once,
    thread,
};

use elman_files::one_line;

thread_local! {
    /// Nesting depth of guarded calls on this thread.
    static GUARDED: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f` and returns its value, or its panic message on one line. Such panics are not printed.
///
/// Sets a process-wide panic hook, once, which forwards all panics except those of guarded calls. A panic on a thread
/// that `f` starts is caught if it propagates to `f`, but is printed.
pub(crate) fn guarded<T>(f: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    static HOOK: Once = Once::new();
    // setting a hook panics on a panicking thread
    if !thread::panicking() {
        HOOK.call_once(|| {
            let hook = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // thread-local storage is gone on an exiting thread
                if GUARDED.try_with(Cell::get).unwrap_or(0) == 0 {
                    hook(info);
                }
            }));
        });
    }
    GUARDED.set(GUARDED.get() + 1);
    let result = panic::catch_unwind(f);
    GUARDED.set(GUARDED.get() - 1);
    result.map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    one_line(text.or_else(|| payload.downcast_ref().copied()).unwrap_or("it panicked without a message"))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn panic_becomes_its_message_and_is_not_printed() {
        // stands in for the default hook, which prints
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (sink, here) = (printed.clone(), thread::current().id());
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match thread::current().id() == here {
            true => sink.lock().unwrap().push(info.payload_as_str().unwrap_or_default().to_owned()),
            false => before(info),
        }));
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(guarded(|| -> u8 { panic!("a\nb {}", 1) }), Err("a b 1".into()));
        assert_eq!(guarded(|| -> u8 { panic!("plain") }), Err("plain".into()));
        let inner = guarded(|| guarded(|| -> u8 { panic!("deep") }));
        assert_eq!(inner, Ok(Err("deep".into())));
        assert_eq!(guarded(|| panic::panic_any(7)), Err::<(), _>("it panicked without a message".into()));
        assert_eq!(*printed.lock().unwrap(), [""; 0]);
        assert!(panic::catch_unwind(|| panic!("unguarded")).is_err());
        assert_eq!(*printed.lock().unwrap(), ["unguarded"]);
    }
}
