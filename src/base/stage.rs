//! What channels and locks stand on when a checker runs them: a lock, a party that parks and is made
//! ready, a clock. The checker's own mutex and condition variable do the work, so that a wake-up
//! which is lost is a deadlock that it reports, and a schedule in which two are in a critical section
//! a failure.
//!
//! A party is a thread of the model. It may be woken before it sleeps, as in the real thing.

use super::check::{Condvar, Mutex, MutexGuard, thread};
use super::claim::Claim;
use core::cell::UnsafeCell;
use core::ptr::NonNull;

pub(crate) mod clock {
    //! A clock that stands still, unless a model makes it jump at each reading.

    pub(crate) const NEVER: u64 = u64::MAX;

    /// The time, and by how many ns it jumps at each reading. No step of a model.
    static NOW: std::sync::Mutex<(u64, u64)> = std::sync::Mutex::new((0, 0));

    pub(crate) fn after(d: std::time::Duration) -> u64 {
        now() + d.as_nanos() as u64
    }

    /// Call it before the threads of a model start.
    pub(crate) fn jump(ns: u64) {
        NOW.lock().unwrap().1 = ns;
    }

    pub(crate) fn now() -> u64 {
        let mut now = NOW.lock().unwrap();
        now.0 += now.1;
        now.0
    }
}

pub(crate) mod lock {
    pub(crate) use super::RawLock;
}

pub(crate) mod goexit {
    //! Nobody exits in a model.

    pub(crate) fn point() {}
}

/// As `sys::lock::RawLock`.
#[derive(Debug)]
pub(crate) struct RawLock {
    mutex: Mutex<()>,
    /// The holder's.
    guard: UnsafeCell<Option<MutexGuard<'static, ()>>>,
}

// SAFETY: the guard is used by who holds the mutex.
unsafe impl Sync for RawLock {}
// SAFETY: a lock is moved while it is free.
unsafe impl Send for RawLock {}

impl RawLock {
    pub(crate) fn new() -> Self {
        Self { mutex: Mutex::new(()), guard: UnsafeCell::new(None) }
    }

    pub(crate) fn lock(&self) {
        let guard = self.mutex.lock().unwrap();
        // SAFETY: the guard is dropped in `unlock`, before the mutex.
        let guard =
            unsafe { core::mem::transmute::<MutexGuard<'_, ()>, MutexGuard<'static, ()>>(guard) };
        // SAFETY: we hold the mutex.
        unsafe { *self.guard.get() = Some(guard) };
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: the caller holds the mutex.
        drop(unsafe { (*self.guard.get()).take() }.expect("unlocked by its holder"));
    }
}

/// Where a party sleeps. One is made for each wait and never freed: whoever wakes it may still be at
/// its end when the waiter goes on.
#[derive(Debug)]
struct Bed {
    woken: Mutex<bool>,
    wake: Condvar,
}

/// As `sched::Me`.
#[derive(Debug)]
pub(crate) struct Me(&'static Bed);

/// As `sched::Task`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task(NonNull<Bed>);

// SAFETY: beds are never freed, and shared by their mutex.
unsafe impl Send for Task {}

impl Me {
    pub(crate) fn new() -> Self {
        Self(Box::leak(Box::new(Bed { woken: Mutex::new(false), wake: Condvar::new() })))
    }

    pub(crate) fn task(&self) -> Task {
        Task(NonNull::from(self.0))
    }

    fn sleep(&self) {
        let mut woken = self.0.woken.lock().unwrap();
        while !*woken {
            woken = self.0.wake.wait(woken).unwrap();
        }
    }
}

/// As `sched::park`.
pub(crate) fn park<R>(me: &Me, _reason: R, commit: impl FnOnce() -> bool) {
    if commit() {
        me.sleep();
    }
}

/// As `sched::park_until`: time is up at a moment of the checker's choice.
pub(crate) fn park_until<R>(
    me: &Me,
    reason: R,
    (claim, when): (&Claim, u64),
    commit: impl FnOnce() -> bool,
) {
    if when == clock::NEVER {
        return park(me, reason, commit);
    }
    let (at, task) = (core::ptr::from_ref(claim).expose_provenance(), me.task());
    let timer = thread::spawn(move || {
        // SAFETY: the waiter joins this thread before its claim goes.
        if unsafe { &*core::ptr::with_exposed_provenance::<Claim>(at) }.expire() {
            // SAFETY: the claim is won.
            unsafe { ready(task) };
        }
    });
    park(me, reason, commit);
    timer.join().unwrap();
}

/// As `sched::ready`.
///
/// # Safety
/// As there.
pub(crate) unsafe fn ready(task: Task) {
    // SAFETY: beds are never freed.
    let bed = unsafe { task.0.as_ref() };
    let mut woken = bed.woken.lock().unwrap();
    assert!(!*woken, "made ready twice");
    *woken = true;
    bed.wake.notify_one();
}

/// No model waits for ever.
pub(crate) fn park_forever<R>(_reason: R) -> ! {
    unreachable!("a wait without an end")
}

/// As [`park_forever`].
pub(crate) fn sleep_until(_when: u64) {
    unreachable!("a sleep in a model")
}

/// As `sched::yield_now`.
pub(crate) fn yield_now() {
    super::atomic::yield_now();
}

/// Randomness that the checker can repeat.
pub(crate) fn random() -> u64 {
    0
}
