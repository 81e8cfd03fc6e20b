//! `WaitGroup`: waits until a counter is zero.
//!
//! The state word holds the counter in its high half and the number of waiters in its low half, as
//! in Go, so that `done` is one atomic addition. Waiters are enqueued under the lock, which is given
//! back only once they are parked (the park's commit); whoever brings the counter to zero and sees
//! waiters takes the lock, hence finds all of them parked. A waiter that counts itself in reads the
//! counter in the same operation: zero means that it came too late to be waited for, and it leaves
//! again under the lock.

use crate::base::width::Wide;
use crate::g::WaitReason;
use crate::sched::{Me, Options, WaitQueue, Waiter, goexit, park};
use crate::sys::lock::RawLock;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Waits for a collection of goroutines to finish (Go's `sync.WaitGroup`).
///
/// Clones are handles of the same group. A group may be used again once its waiters have returned.
///
/// ```
/// gort::run(|| {
///     let wg = gort::sync::WaitGroup::new();
///     for i in 0..10 {
///         wg.go(move || assert!(i < 10));
///     }
///     wg.wait();
/// });
/// ```
#[derive(Clone)]
pub struct WaitGroup(Arc<Group>);

struct Group {
    state: Wide,
    lock: RawLock,
    /// Parked waiters; under the lock.
    waiters: WaitQueue,
}

// SAFETY: `waiters` is used under `lock` only.
unsafe impl Sync for Group {}
// SAFETY: tasks may be made ready from any thread.
unsafe impl Send for Group {}

fn counter(state: u64) -> i32 {
    (state >> 32) as i32
}

fn waiting(state: u64) -> u32 {
    state as u32
}

impl WaitGroup {
    /// A group whose counter is zero.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Group {
            state: Wide::new(0),
            lock: RawLock::new(),
            waiters: WaitQueue::new(),
        }))
    }

    /// Adds `delta`, which may be negative, to the counter. At zero everyone who waits goes on.
    /// Call it before the goroutine it stands for is started.
    ///
    /// # Panics
    /// With `sync: negative WaitGroup counter`, if the counter would go below zero.
    pub fn add(&self, delta: isize) {
        let group = &*self.0;
        let step = (delta as u64) << 32;
        let was = group.state.fetch_add(step, Ordering::AcqRel);
        let exact = i64::from(counter(was)).saturating_add(delta as i64);
        if !(0..=i64::from(i32::MAX)).contains(&exact) {
            group.take_back(step);
            assert!(exact >= 0, "sync: negative WaitGroup counter");
            panic!("sync: WaitGroup counter overflow");
        }
        let now = was.wrapping_add(step);
        if counter(now) == 0 && waiting(now) > 0 {
            group.release();
        }
    }

    /// Takes one from the counter.
    ///
    /// # Panics
    /// As [`add`](Self::add).
    pub fn done(&self) {
        self.add(-1);
    }

    /// Blocks until the counter is zero.
    pub fn wait(&self) {
        goexit::point();
        let group = &*self.0;
        if counter(group.state.load(Ordering::Acquire)) == 0 {
            return;
        }
        let me = Me::new();
        group.lock.lock();
        let was = group.state.fetch_add(1, Ordering::AcqRel);
        if counter(was) == 0 {
            group.state.fetch_sub(1, Ordering::AcqRel);
            group.lock.unlock();
            return;
        }
        let waiter = Waiter::new(&me, std::ptr::null_mut());
        // SAFETY: the lock is held; this frame stays until `release` has taken the record.
        unsafe { group.waiters.push(&waiter) };
        park(&me, WaitReason::WaitGroup, || {
            group.lock.unlock();
            true
        });
    }

    /// Adds one, runs `f` in a new goroutine and takes one again when `f` returns or goexits. A panic
    /// that leaves `f` is unrecovered (see [`OnPanic`](crate::OnPanic)): the counter keeps it.
    ///
    /// # Panics
    /// When no goroutine can be made.
    #[inline(always)]
    #[track_caller]
    pub fn go<F: FnOnce() + Send + 'static>(&self, f: F) {
        /// Takes the one from the counter again if no goroutine can be made.
        struct Undo<'a>(&'a WaitGroup);
        impl Drop for Undo<'_> {
            fn drop(&mut self) {
                self.0.done();
            }
        }
        crate::panic::ensure_started();
        self.add(1);
        let undo = Undo(self);
        let group = self.clone();
        // If a panic ends the process, nobody goes on as if all were well.
        let body = crate::panic::end_by_report(f, move || group.done());
        // SAFETY: `f` is 'static, and the runtime was started above.
        if let Err(e) = unsafe { crate::panic::start_goroutine(Options::here(), body) } {
            crate::panic::refuse(&e);
        }
        std::mem::forget(undo);
    }
}

impl Group {
    /// Undoes an addition that was too much. Who saw the wrong counter meanwhile may have begun to
    /// wait for a group that is done.
    #[cold]
    fn take_back(&self, step: u64) {
        let now = self.state.fetch_sub(step, Ordering::AcqRel).wrapping_sub(step);
        if counter(now) == 0 && waiting(now) > 0 {
            self.release();
        }
    }

    /// Lets everyone go on who waits.
    #[cold]
    fn release(&self) {
        self.lock.lock();
        // Waiters count themselves in under the lock: all that are counted stand in the queue.
        let waiters = waiting(self.state.load(Ordering::Relaxed));
        self.state.fetch_sub(u64::from(waiters), Ordering::AcqRel);
        // SAFETY: the lock is held.
        let queue = unsafe { self.waiters.take() };
        self.lock.unlock();
        // SAFETY: the queue is ours now.
        unsafe { queue.ready_all() };
    }
}

/// No code of the user's runs under the lock: a group is whole after any unwind.
impl UnwindSafe for WaitGroup {}
impl RefUnwindSafe for WaitGroup {}

impl Default for WaitGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.load(Ordering::Relaxed);
        f.debug_struct("WaitGroup")
            .field("counter", &counter(state))
            .field("waiters", &waiting(state))
            .finish()
    }
}
