//! What stands between a goroutine's entry and the user's function: it catches everything.

use super::known::{self, Known, Payload};
use super::{pending, report};
use crate::g::MAX_INLINE_CLOSURE;
use crate::sched::{Options, farewell, goexit, spawn};
use crate::stack::Exhausted;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// How a goroutine's function ended.
pub(crate) enum End<T> {
    /// It returned this.
    Returned(T),
    /// It called goexit.
    Exited,
    /// A panic left it.
    Panicked(Unrecovered),
}

/// A panic that has left a goroutine's function.
pub(crate) struct Unrecovered {
    payload: Payload,
    known: Box<Known>,
}

impl Unrecovered {
    /// For a `JoinHandle`, or for the thread inside `run`.
    pub(crate) fn into_payload(self) -> Payload {
        self.payload
    }

    /// Nobody takes the panic: Go's report, and the end of the process unless
    /// [`OnPanic`](crate::OnPanic) says otherwise.
    pub(crate) fn report(self) {
        report::unrecovered(&*self.payload, self.known);
        // If its destructor panics in its turn, one report is enough.
        if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(self.payload))) {
            std::mem::forget(worse);
        }
    }
}

/// Calls a goroutine's function, as the last thing the goroutine does with the user's code.
#[inline]
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> End<T> {
    // The closure is not used again after the panic, so nothing broken is seen.
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) if !goexit::ended() => {
            if pending::any() {
                known::settle();
            }
            End::Returned(value)
        }
        Ok(value) => {
            // A `catch_unwind` has stopped the goexit, and nothing of ours was called since.
            drop_quietly(value);
            End::Exited
        }
        Err(payload) => caught(payload),
    }
}

#[cold]
fn caught<T>(mut payload: Payload) -> End<T> {
    let known = Known::take(&mut payload);
    goexit::ended();
    if goexit::is_exiting(&*payload) {
        return End::Exited;
    }
    End::Panicked(Unrecovered { payload, known })
}

/// Calls `f` and then, however it ended, `finally`; then goes on with how it ended. Not even a goexit
/// that `f` has stopped gets past `finally`.
pub(crate) fn outlive<T>(f: impl FnOnce() -> T, finally: impl FnOnce()) -> T {
    // What the closure leaves broken is seen by those who see it in any unwind.
    let end = catch_unwind(AssertUnwindSafe(f));
    let going = goexit::handling();
    finally();
    if going {
        goexit::unwinding();
    }
    match end {
        Ok(value) => {
            goexit::point();
            value
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// Drops what nobody wants; a panic in its destructor ends there, as in a detached thread.
#[cold]
pub(crate) fn drop_quietly<T>(value: T) {
    if let End::Panicked(panic) = catch(|| drop(value)) {
        panic.report();
    }
}

/// Starts a goroutine whose result and goexit are dropped and whose panic is unrecovered.
///
/// # Panics
/// When no goroutine can be made.
#[inline]
pub(crate) fn go<R>(options: Options, f: impl FnOnce() -> R + Send + 'static) {
    super::ensure_started();
    // SAFETY: `f` is 'static, and the runtime was started above.
    if let Err(e) = unsafe { start(options, end_by_report(f, || ())) } {
        refuse(&e);
    }
}

/// The body of a goroutine nobody joins; `after` is called when it has ended, if the process goes on.
#[inline]
pub(crate) fn end_by_report<R>(f: impl FnOnce() -> R, after: impl FnOnce()) -> impl FnOnce() {
    move || {
        if let End::Panicked(panic) = catch(|| drop(f())) {
            panic.report();
        }
        farewell();
        after();
    }
}

/// Starts a goroutine; a closure too large for the stack's top goes through a `Box`.
///
/// # Errors
/// [`Exhausted`] when no stack can be had.
///
/// # Safety
/// What `f` borrows outlives the goroutine, and `f` does not unwind. The runtime was started.
#[inline]
pub(crate) unsafe fn start<F: FnOnce()>(options: Options, f: F) -> Result<u64, Exhausted> {
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

/// A main goroutine has ended: if other goroutines are about to end the process by a panic, lets them
/// (Go).
pub(crate) fn main_ends() {
    report::let_crashes_win();
}
