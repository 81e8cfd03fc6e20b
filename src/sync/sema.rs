//! A counting semaphore for the other files of this room: what Go's `semacquire` and `semrelease`
//! are to its `sync`.
//!
//! A permit that is released while somebody waits goes to that waiter and never shows in the count,
//! so nobody overtakes it. Everything is under the lock, which a waiter gives back once it is parked.

use crate::base::const_fn;
use crate::g::WaitReason;
use crate::sched::{Me, WaitQueue, Waiter, park, ready};
use crate::sys::lock::RawLock;
use std::cell::Cell;

/// See the head.
#[derive(Debug)]
pub(super) struct Sema {
    lock: RawLock,
    /// Permits nobody waits for.
    permits: Cell<u32>,
    waiters: WaitQueue,
}

// SAFETY: the cells are used under the lock.
unsafe impl Sync for Sema {}
// SAFETY: tasks may be made ready from any thread.
unsafe impl Send for Sema {}

impl Sema {
    const_fn! {
        pub(super) fn new() -> Self {
            Self { lock: RawLock::new(), permits: Cell::new(0), waiters: WaitQueue::new() }
        }
    }

    /// Takes a permit; waits for one behind the others, or with `first` before them.
    pub(super) fn acquire(&self, first: bool, reason: WaitReason) {
        self.lock.lock();
        if let Some(left) = self.permits.get().checked_sub(1) {
            self.permits.set(left);
            return self.lock.unlock();
        }
        let me = Me::new();
        let waiter = Waiter::new(&me, std::ptr::null_mut());
        // SAFETY: the lock is held; this frame stays until `release` has taken the record.
        unsafe { self.waiters.push_at(&waiter, first) };
        park(&me, reason, || {
            self.lock.unlock();
            true
        });
    }

    /// Gives a permit to the first waiter, or keeps it for the next.
    pub(super) fn release(&self) {
        self.lock.lock();
        // SAFETY: the lock is held.
        let waiter = unsafe { self.waiters.pop() };
        if waiter.is_none() {
            self.permits.set(self.permits.get() + 1);
        }
        // SAFETY: the record is there until its task is made ready.
        let task = waiter.map(|w| unsafe { w.as_ref() }.task());
        self.lock.unlock();
        if let Some(task) = task {
            // SAFETY: it was taken from the queue.
            unsafe { ready(task) };
        }
    }
}
