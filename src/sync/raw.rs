//! The mutex without a value, with Go's two modes.
//!
//! | bits | meaning |
//! |---|---|
//! | `LOCKED` | somebody holds it |
//! | `WOKEN` | a waiter has been woken and competes: no need to wake another |
//! | `STARVING` | a waiter has waited longer than 1 ms: the mutex is handed to the first in line |
//! | the rest | number of waiters |
//!
//! *Normal*: whoever comes takes a free mutex; a woken waiter competes with those who just came, and
//! goes to the front of the line if it loses. That is fast, since the running need no switch. *Starving*:
//! unlocking hands the mutex to the first waiter, and those who come join the end of the line. The
//! first waiter that waited less than 1 ms, or is the last, ends it. The algorithm is Go's
//! (`internal/sync/mutex.go`), without its spinning.
//!
//! Orderings: what unlocks does so with Release, what locks with Acquire; a hand-off goes through the
//! semaphore's lock.

use super::sema::Sema;
use crate::base::atomic::{AtomicU32, Ordering};
use crate::base::const_fn;
use crate::base::fatal::fatal;
use crate::g::WaitReason;
use crate::sched::yield_now;
use crate::sys::clock;

const LOCKED: u32 = 1;
const WOKEN: u32 = 2;
const STARVING: u32 = 4;
const WAITER: u32 = 8;

/// How long a waiter competes before it is handed the mutex, in ns (Go).
const PATIENCE_NS: u64 = 1_000_000;

/// See the head.
#[derive(Debug)]
pub(super) struct RawMutex {
    state: AtomicU32,
    sema: Sema,
}

impl RawMutex {
    const_fn! {
        pub(super) fn new() -> Self {
            Self { state: AtomicU32::new(0), sema: Sema::new() }
        }
    }

    #[inline]
    pub(super) fn lock(&self) {
        if self.state.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow();
        }
    }

    pub(super) fn is_locked(&self) -> bool {
        self.state.load(Ordering::Relaxed) & LOCKED != 0
    }

    /// Takes it if it is free and nobody starves for it.
    #[inline]
    pub(super) fn try_lock(&self) -> bool {
        let free = |state: u32| (state & (LOCKED | STARVING) == 0).then_some(state | LOCKED);
        self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, free).is_ok()
    }

    #[cold]
    fn lock_slow(&self) {
        let mut since = None;
        let (mut starving, mut awoke) = (false, false);
        let mut old = self.state.load(Ordering::Relaxed);
        loop {
            let mut new = old;
            if old & STARVING == 0 {
                new |= LOCKED;
            }
            if old & (LOCKED | STARVING) != 0 {
                new += WAITER;
            }
            if starving && old & LOCKED != 0 {
                new |= STARVING;
            }
            if awoke {
                new &= !WOKEN;
            }
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            if let Err(now) = self.state.compare_exchange_weak(old, new, success, failure) {
                old = now;
                continue;
            }
            if old & (LOCKED | STARVING) == 0 {
                return;
            }
            let first = since.is_some();
            let start = *since.get_or_insert_with(clock::now);
            self.sema.acquire(first, WaitReason::MutexLock);
            starving |= clock::now() - start > PATIENCE_NS;
            old = self.state.load(Ordering::Relaxed);
            if old & STARVING != 0 {
                return self.take_over(old, starving);
            }
            awoke = true;
        }
    }

    /// The mutex was handed to us: we leave the line, and perhaps end the starving mode.
    fn take_over(&self, old: u32, starving: bool) {
        debug_assert!(old & (LOCKED | WOKEN) == 0 && old >= WAITER);
        let last = old / WAITER == 1;
        let ends = if !starving || last { STARVING } else { 0 };
        // Acquire: pairs with the unlocker's Release.
        self.state.fetch_sub(WAITER - LOCKED + ends, Ordering::Acquire);
    }

    #[inline]
    pub(super) fn unlock(&self) {
        if self.give_up() {
            // The one it was handed to runs in our place.
            yield_now();
        }
    }

    /// As [`unlock`](Self::unlock), but the caller is about to park anyway. True: it was handed to
    /// a waiter, who should run now.
    #[inline]
    pub(super) fn give_up(&self) -> bool {
        let new = self.state.fetch_sub(LOCKED, Ordering::Release).wrapping_sub(LOCKED);
        new != 0 && self.unlock_slow(new)
    }

    #[cold]
    fn unlock_slow(&self, new: u32) -> bool {
        if new.wrapping_add(LOCKED) & LOCKED == 0 {
            fatal(format_args!("sync: unlock of unlocked mutex"));
        }
        if new & STARVING != 0 {
            self.sema.release();
            return true;
        }
        let wake = |state: u32| {
            let settled = state < WAITER || state & (LOCKED | WOKEN | STARVING) != 0;
            (!settled).then(|| (state - WAITER) | WOKEN)
        };
        if self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, wake).is_ok() {
            self.sema.release();
        }
        false
    }
}
