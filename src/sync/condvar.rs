//! `Condvar` and `Barrier`.
//!
//! A waiter stands in the queue before it gives its mutex up, and gives the queue's lock back only
//! once it is parked: a notification that comes after the mutex is free finds it, and never one that
//! still runs. Nobody is woken but by a notification or a timeout.

use super::mutex::{Mutex, MutexGuard};
use crate::base::claim::{Claim, Ended};
use crate::g::WaitReason;
use crate::sched::{Me, WaitQueue, Waiter, goexit, park_until, ready};
use crate::sys::clock::{self, NEVER};
use crate::sys::lock::RawLock;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A condition variable (Go's `sync.Cond`): waits for something another one changes under a
/// [`Mutex`]. There are no spurious wake-ups; waiters are woken in the order in which they came.
///
/// ```
/// use gort::sync::{Condvar, Mutex};
/// use std::sync::Arc;
/// gort::run(|| {
///     let shared = Arc::new((Mutex::new(false), Condvar::new()));
///     let other = shared.clone();
///     gort::go(move || {
///         *other.0.lock() = true;
///         other.1.notify_one();
///     });
///     let mut ready = shared.0.lock();
///     while !*ready {
///         shared.1.wait(&mut ready);
///     }
/// });
/// ```
pub struct Condvar {
    lock: RawLock,
    waiters: WaitQueue,
}

// SAFETY: the queue is used under the lock.
unsafe impl Sync for Condvar {}
// SAFETY: tasks may be made ready from any thread.
unsafe impl Send for Condvar {}

/// Whether a wait ended because time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether it did.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition variable nobody waits on.
    #[must_use]
    pub const fn new() -> Self {
        Self { lock: RawLock::new(), waiters: WaitQueue::new() }
    }

    /// Gives the guard's mutex up, waits for a notification, and locks the mutex again.
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_until(guard, NEVER);
    }

    /// As [`wait`](Self::wait), as long as `condition` holds.
    pub fn wait_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) {
        while condition(guard) {
            self.wait(guard);
        }
    }

    /// As [`wait`](Self::wait), for `d` at most (not counting the wait for the mutex).
    pub fn wait_timeout<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        d: Duration,
    ) -> WaitTimeoutResult {
        WaitTimeoutResult(self.wait_until(guard, clock::after(d)))
    }

    /// As [`wait_timeout`](Self::wait_timeout), as long as `condition` holds. It timed out only if the
    /// condition still held when time was up.
    pub fn wait_timeout_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        d: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> WaitTimeoutResult {
        let when = clock::after(d);
        let mut expired = false;
        while condition(guard) {
            if expired {
                return WaitTimeoutResult(true);
            }
            expired = self.wait_until(guard, when);
        }
        WaitTimeoutResult(false)
    }

    fn wait_until<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, when: u64) -> bool {
        goexit::point();
        let mutex: &Mutex<T> = guard.lock;
        let me = Me::new();
        let claim = Claim::new();
        let waiter = Waiter::racing(&me, std::ptr::null_mut(), &claim);
        self.lock.lock();
        // SAFETY: the lock is held; this frame stays until the record is out.
        unsafe { self.waiters.push(&waiter) };
        mutex.raw.give_up();
        park_until(&me, WaitReason::CondWait, (&claim, when), || {
            self.lock.unlock();
            true
        });
        let expired = claim.ended() == Some(Ended::Expired);
        if expired {
            self.lock.lock();
            // SAFETY: the lock is held; it was queued above.
            unsafe { self.waiters.remove(&waiter) };
            self.lock.unlock();
        }
        mutex.raw.lock();
        expired
    }

    /// Wakes the one that has waited longest.
    pub fn notify_one(&self) {
        if self.waiters.looks_empty() {
            return;
        }
        self.lock.lock();
        // SAFETY: the lock is held; the record is there until its task is made ready.
        let task = unsafe { self.waiters.pop().map(|w| w.as_ref().task()) };
        self.lock.unlock();
        if let Some(task) = task {
            // SAFETY: it was taken from the queue.
            unsafe { ready(task) };
        }
    }

    /// Wakes everyone who waits now.
    pub fn notify_all(&self) {
        if self.waiters.looks_empty() {
            return;
        }
        self.lock.lock();
        // SAFETY: the lock is held, and everyone is made ready below.
        let all = unsafe { self.waiters.take() };
        self.lock.unlock();
        // SAFETY: the queue is ours now.
        unsafe { all.ready_all() };
    }
}

/// No code of the user's runs under the lock.
impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condvar")
    }
}

/// Lets `n` parties wait until all of them have come; then it serves the next `n`.
///
/// ```
/// use gort::sync::Barrier;
/// use std::sync::Arc;
/// gort::run(|| {
///     let barrier = Arc::new(Barrier::new(3));
///     let wait = |b: Arc<Barrier>| gort::spawn(move || b.wait().is_leader());
///     let all: Vec<_> = (0..3).map(|_| wait(barrier.clone())).collect();
///     let leaders = all.into_iter().map(|h| h.join().unwrap());
///     assert_eq!(leaders.filter(|leader| *leader).count(), 1);
/// });
/// ```
#[derive(Debug)]
pub struct Barrier {
    /// How many have come, and the number of the round.
    state: Mutex<(usize, u64)>,
    all_here: Condvar,
    n: usize,
}

/// Whether a party was the one that made its round complete.
#[derive(Clone, Copy, Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// True for exactly one of each round.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// A barrier for `n`; 0 is as 1.
    #[must_use]
    pub const fn new(n: usize) -> Self {
        Self { state: Mutex::new((0, 0)), all_here: Condvar::new(), n }
    }

    /// Waits until all have come.
    pub fn wait(&self) -> BarrierWaitResult {
        let mut state = self.state.lock();
        state.0 += 1;
        if state.0 >= self.n {
            *state = (0, state.1 + 1);
            self.all_here.notify_all();
            return BarrierWaitResult(true);
        }
        let round = state.1;
        self.all_here.wait_while(&mut state, |state| state.1 == round);
        BarrierWaitResult(false)
    }
}
