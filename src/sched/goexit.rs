//! How far a goroutine's goexit has come, and how it goes on when somebody stopped its unwind.
//!
//! Goexit is an unwind with the payload [`Goexit`]. `catch_unwind` of the user's can stop it, and
//! must not be able to keep the goroutine: the goroutine's [`Stage`] says `Unwinding` from the call
//! of goexit on, except while code of ours has caught it and runs deferred calls (`Handling`). A
//! goroutine that enters the runtime with `Unwinding` while it does not unwind has been stopped:
//! [`point`] raises the payload again. Where nothing of the runtime is entered any more, the
//! goroutine's end finds the stage ([`ended`]).
//!
//! `Steady::odd` counts the goroutines whose stage is not `None`, so that [`point`] is one load of a
//! word that is rarely written. No ordering is needed for that: a goroutine looks for itself only.

use super::SCHED;
use super::current::current;
use crate::g::{GRef, Stage};
use std::any::Any;
use std::fmt;
use std::sync::atomic::Ordering;

/// How a goroutine ended that called [`runtime::goexit`](crate::runtime::goexit): the payload of
/// the `Err` that its `JoinHandle` yields, and of the unwind on the way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Goexit;

impl fmt::Display for Goexit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the goroutine called goexit")
    }
}

impl std::error::Error for Goexit {}

fn me() -> Option<GRef> {
    current().and_then(|m| m.curg())
}

/// Goes on with a goexit that a `catch_unwind` has stopped. At the start of every operation that
/// may block, yield or start something; never while a lock is held.
#[inline]
pub(crate) fn point() {
    if SCHED.odd() {
        go_on();
    }
}

#[cold]
#[inline(never)]
fn go_on() {
    if me().is_some_and(|g| g.goexit.get() == Stage::Unwinding) && !std::thread::panicking() {
        raise();
    }
}

/// Starts, or goes on with, the calling goroutine's goexit.
pub(crate) fn raise() -> ! {
    unwinding();
    std::panic::resume_unwind(Box::new(Goexit))
}

/// The unwind was raised again after it had been caught: by [`raise`], or as a panic that came up
/// meanwhile and has the goexit behind it.
pub(crate) fn unwinding() {
    let Some(g) = me() else { return };
    if g.goexit.replace(Stage::Unwinding) == Stage::None {
        SCHED.steady.odd.fetch_add(1, Ordering::Relaxed);
    }
}

/// Code of ours has caught the unwind and will raise it again. Whether there was one.
pub(crate) fn handling() -> bool {
    SCHED.odd()
        && me().is_some_and(|g| {
            let going = g.goexit.get() == Stage::Unwinding;
            if going {
                g.goexit.set(Stage::Handling);
            }
            going
        })
}

/// At the goroutine's end: whether it has called goexit, stopped or not.
#[inline]
pub(crate) fn ended() -> bool {
    SCHED.odd() && forget()
}

#[cold]
fn forget() -> bool {
    let exited = me().is_some_and(|g| g.goexit.replace(Stage::None) != Stage::None);
    if exited {
        SCHED.steady.odd.fetch_sub(1, Ordering::Relaxed);
    }
    exited
}

/// Whether an unwind's payload is goexit's.
pub(crate) fn is_exiting(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Goexit>()
}
