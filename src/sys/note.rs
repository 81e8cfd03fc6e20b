//! A one-shot wake-up between two threads (Go's `note`): one sleeps, one wakes, cleared between
//! uses by the sleeper.

use super::futex;
use std::sync::atomic::{AtomicU32, Ordering};

/// 0 = not yet, 1 = woken.
#[derive(Debug, Default)]
pub(crate) struct Note(AtomicU32);

impl Note {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sleeps until [`wake`](Self::wake), however long ago that was. Acquire: what the waker wrote
    /// before is seen after.
    pub(crate) fn sleep(&self) {
        while self.0.load(Ordering::Acquire) == 0 {
            futex::wait(&self.0, 0, None);
        }
    }

    /// As [`sleep`](Self::sleep), for at most `ns`; false when the time ran out first.
    pub(crate) fn sleep_for(&self, ns: u64) -> bool {
        let end = super::clock::now().saturating_add(ns);
        loop {
            if self.0.load(Ordering::Acquire) != 0 {
                return true;
            }
            let now = super::clock::now();
            if now >= end {
                return false;
            }
            futex::wait(&self.0, 0, Some(end - now));
        }
    }

    /// Ends the sleep. The note may be gone as soon as the store is seen, so the address is only
    /// used as a key after it.
    pub(crate) fn wake(&self) {
        let word = &raw const self.0;
        self.0.store(1, Ordering::Release);
        futex::wake(word, 1);
    }

    /// Makes the note usable again. Only the sleeper calls this, and only when no wake can be
    /// under way.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
