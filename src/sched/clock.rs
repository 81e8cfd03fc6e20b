//! The clock: one idle M sleeps until the earliest timer of any P is due; the others sleep without
//! a timeout.
//!
//! Lost wake-ups: the keeper stores `until`, fences, and reads every P's earliest time again; who
//! adds a timer stores the P's earliest time, fences, and reads `until`. One of the two sees the
//! other. If nobody keeps the clock when a timer is added, an M is woken to (an M that has no work
//! and sees a timer becomes the keeper, `idle::rest`).

use super::m::M;
use super::{SCHED, find, idle};
use crate::base::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::base::width::Wide;
use crate::sys::clock::{NEVER, now};
use crate::sys::futex;

/// State of the clock.
#[derive(Debug)]
pub(super) struct Clock {
    /// An M is in [`keep`].
    kept: AtomicBool,
    /// Until when it means to sleep.
    until: Wide,
    /// 1 = look again. The keeper's futex.
    word: AtomicU32,
}

impl Clock {
    pub(super) const fn new() -> Self {
        Self { kept: AtomicBool::new(false), until: Wide::new(NEVER), word: AtomicU32::new(0) }
    }
}

/// Earliest due time of any P.
pub(super) fn earliest() -> u64 {
    super::all_ps().map(|p| p.timers.next()).min().unwrap_or(NEVER)
}

pub(super) fn nobody_keeps() -> bool {
    !SCHED.clock.kept.load(Ordering::Relaxed)
}

/// Sleeps until the next timer is due, if there is one and nobody else does; then makes the due
/// goroutines ready if it can get a P. False: the clock was not needed, the M should sleep.
pub(super) fn keep(m: &'static M) -> bool {
    if earliest() == NEVER || SCHED.clock.kept.swap(true, Ordering::Acquire) {
        return false;
    }
    sleep_until_due();
    SCHED.clock.until.store(NEVER, Ordering::Relaxed);
    SCHED.clock.kept.store(false, Ordering::Release);
    let mut inner = SCHED.inner.lock();
    if let Some(p) = idle::take_p(&mut inner) {
        drop(inner);
        m.acquire(p);
        let now = now();
        for from in super::all_ps() {
            find::run_timers(p, from, now);
        }
    }
    true
}

fn sleep_until_due() {
    let clock = &SCHED.clock;
    loop {
        clock.word.store(0, Ordering::Relaxed);
        let until = earliest();
        clock.until.store(until, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fence in `nudge`
        let until = until.min(earliest());
        let now = now();
        if until <= now || SCHED.stopping() {
            return;
        }
        let timeout = (until != NEVER).then(|| until - now);
        if until == NEVER || !futex::wait(&clock.word, 0, timeout) {
            return;
        }
    }
}

/// A timer due at `when` was added: sees to it that somebody wakes up in time.
pub(super) fn nudge(when: u64) {
    if when == NEVER {
        return;
    }
    fence(Ordering::SeqCst); // pairs with the fence in `sleep_until_due`
    let clock = &SCHED.clock;
    if when < clock.until.load(Ordering::Relaxed) {
        if nobody_keeps() {
            return idle::wake_one();
        }
        clock.word.store(1, Ordering::Relaxed);
        futex::wake(&raw const clock.word, 1);
    }
}
