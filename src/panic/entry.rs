//! What stands between a goroutine's entry and the user's function: it catches every panic.

use super::goexit::is_goexit;
use super::hook::unrecovered;
use crate::g::MAX_INLINE_CLOSURE;
use crate::sched::{Options, spawn};
use crate::stack::Exhausted;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Starts a goroutine whose result and goexit are dropped and whose panic is unrecovered.
///
/// # Panics
/// When no goroutine can be made.
#[inline]
pub(crate) fn go<R>(f: impl FnOnce() -> R + Send + 'static) {
    // SAFETY: `f` is 'static.
    if let Err(e) = unsafe { start(Options::default(), end_by_report(f)) } {
        refuse(&e);
    }
}

/// The body of a goroutine nobody joins.
#[inline]
pub(crate) fn end_by_report<R>(f: impl FnOnce() -> R) -> impl FnOnce() {
    move || {
        // The closure is not used again after the panic, so nothing broken is seen. The result's
        // destructor may panic as well.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(f()))) {
            end(payload);
        }
    }
}

/// Reports a panic that nobody takes. Its payload goes with it; if that panics in its turn, one report
/// is enough.
#[cold]
pub(crate) fn end(payload: Box<dyn Any + Send>) {
    if !is_goexit(&*payload) {
        unrecovered(&*payload);
    }
    if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(worse);
    }
}

/// Starts a goroutine; a closure too large for the stack's top goes through a `Box`.
///
/// # Errors
/// [`Exhausted`] when no stack can be had.
///
/// # Safety
/// What `f` borrows outlives the goroutine, and `f` does not unwind.
#[inline]
pub(crate) unsafe fn start<F: FnOnce()>(options: Options, f: F) -> Result<u64, Exhausted> {
    super::start::ensure_started();
    if size_of::<F>() > MAX_INLINE_CLOSURE {
        let f = Box::new(f);
        // SAFETY: passed on.
        return unsafe { spawn(options, f) };
    }
    // SAFETY: passed on.
    unsafe { spawn(options, f) }
}

/// The panic of a spawner that cannot report an error otherwise.
#[cold]
pub(crate) fn refuse(e: &Exhausted) -> ! {
    panic!("gort: cannot create a goroutine: {}", e.describe())
}
