//! `Semaphore`: counted permits, first come first served whatever each one asks for.

use crate::base::const_fn;
use crate::g::WaitReason;
use crate::sched::{Me, WaitQueue, Waiter, goexit, park};
use crate::sys::lock::RawLock;
use std::cell::Cell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A weighted semaphore. A large request at the head of the line is not overtaken by small ones.
///
/// ```
/// use gort::sync::Semaphore;
/// let permits = Semaphore::new(3);
/// permits.acquire(2);
/// assert!(!permits.try_acquire(2));
/// permits.release(2);
/// assert!(permits.try_acquire(3));
/// ```
pub struct Semaphore {
    lock: RawLock,
    /// Permits to be had; under the lock.
    permits: Cell<usize>,
    /// Each record's slot points to the number it asks for.
    waiters: WaitQueue,
}

// SAFETY: the cells are used under the lock.
unsafe impl Sync for Semaphore {}
// SAFETY: tasks may be made ready from any thread.
unsafe impl Send for Semaphore {}

impl Semaphore {
    const_fn! {
        /// A semaphore with `permits` to give.
        #[must_use]
        pub fn new(permits: usize) -> Self {
            Self { lock: RawLock::new(), permits: Cell::new(permits), waiters: WaitQueue::new() }
        }
    }

    /// Takes `k` permits; waits until everyone who came before is served and so many are there.
    pub fn acquire(&self, k: usize) {
        goexit::point();
        self.lock.lock();
        if self.take(k) {
            return self.lock.unlock();
        }
        let me = Me::new();
        let mut wanted = k;
        let waiter = Waiter::new(&me, (&raw mut wanted).cast());
        // SAFETY: the lock is held; this frame stays until `release` has taken the record.
        unsafe { self.waiters.push(&waiter) };
        park(&me, WaitReason::SemAcquire, || {
            self.lock.unlock();
            true
        });
    }

    /// Takes `k` permits if so many are there and nobody waits.
    pub fn try_acquire(&self, k: usize) -> bool {
        self.lock.lock();
        let taken = self.take(k);
        self.lock.unlock();
        taken
    }

    /// Under the lock.
    fn take(&self, k: usize) -> bool {
        let left = self.permits.get().checked_sub(k).filter(|_| self.waiters.looks_empty());
        left.inspect(|left| self.permits.set(*left)).is_some()
    }

    /// Gives `k` permits back, or new ones.
    ///
    /// # Panics
    /// If there would be more than a `usize` counts.
    pub fn release(&self, k: usize) {
        self.lock.lock();
        let Some(mut permits) = self.permits.get().checked_add(k) else {
            self.lock.unlock();
            panic!("sync: semaphore overflow");
        };
        let served = WaitQueue::new();
        // SAFETY: the lock is held; records are alive until they are made ready, and their slots
        // point to the numbers on the same stacks.
        unsafe {
            while let Some(wanted) = self.waiters.first().map(|w| *w.as_ref().slot.cast::<usize>())
                && wanted <= permits
                && let Some(waiter) = self.waiters.pop()
            {
                permits -= wanted;
                served.push(waiter.as_ref());
            }
        }
        self.permits.set(permits);
        self.lock.unlock();
        // SAFETY: the queue is ours, and all in it were taken from the semaphore's.
        unsafe { served.ready_all() };
    }

    /// Permits to be had now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.lock.lock();
        let permits = self.permits.get();
        self.lock.unlock();
        permits
    }
}

/// No code of the user's runs under the lock.
impl UnwindSafe for Semaphore {}
impl RefUnwindSafe for Semaphore {}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish()
    }
}
