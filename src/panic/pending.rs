//! Panics on their way through goroutines, for a main goroutine that ends meanwhile: the crash wins
//! (Go), if it comes to one.
//!
//! A panic is counted from the hook on until somebody of ours has caught it. Go's main lets panicking
//! goroutines run a thousand turns. How many turns of theirs that is depends on the machine's other
//! work, so here main's turns count only while none of them runs or could: one that moves is waited
//! for, one that waits for something gets what a thousand turns bring. The bound is there for deferred
//! calls that never end.

use crate::g::{GRef, State};
use crate::sched::current::current;
use crate::sched::yield_now;
use crate::sys::lock::Lock;
use crate::sys::thread::{nap, os_yield};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often a main goroutine that ends lets goroutines run that panic and wait (Go).
const TURNS: usize = 1000;
/// How often it yields to those that move before it naps, for so many µs each, and how often it naps.
const QUICK: usize = 100;
const NAP_US: u64 = 1000;
const NAPS: usize = 1000;

/// Whose they are; and how many, to be looked at without the lock.
static WHOSE: Lock<Vec<GRef>> = Lock::new(Vec::new());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// One of them, of the goroutine it is about.
pub(super) struct Pending(GRef);

impl Pending {
    /// A panic of the calling goroutine.
    pub(super) fn new() -> Option<Self> {
        let g = current().and_then(|m| m.curg())?;
        WHOSE.lock().push(g);
        COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Self(g))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut whose = WHOSE.lock();
        if let Some(at) = whose.iter().position(|g| *g == self.0) {
            whose.swap_remove(at);
            COUNT.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether there are any.
#[inline]
pub(super) fn any() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Whether one of their goroutines runs, or could.
fn any_moves() -> bool {
    WHOSE.lock().iter().any(|g| matches!(g.status.get(), State::Runnable | State::Running))
}

/// Lets them come to their ends, as far as they can.
pub(super) fn let_run() {
    let (mut turns, mut moves) = (0, 0);
    while any() && turns < TURNS && moves < QUICK + NAPS {
        yield_now();
        if !any_moves() {
            turns += 1;
            continue;
        }
        // A yield with nobody waiting takes no time at all, and they may be on other threads.
        if moves < QUICK {
            os_yield()
        } else {
            nap(NAP_US)
        }
        moves += 1;
    }
}
