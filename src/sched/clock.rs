//! The clock: one idle M, its keeper, sleeps until the earliest timer of any P is due; the others sleep
//! without a timeout. The keeper sleeps in the poller while a descriptor is registered, otherwise on a
//! futex.
//!
//! Lost wake-ups: the keeper stores `until`, fences, and reads every P's earliest time again, and
//! whether a descriptor is registered; who adds a timer stores the P's earliest time, fences, and reads
//! `until`; who registers the first descriptor counts it, fences, and reads `kept`. One of the two sees
//! the other. If nobody keeps the clock when one of these happens, an M is woken to (an M that has no
//! work and sees a timer or a descriptor becomes the keeper, `idle::rest`).
//!
//! Whoever rings does not know where the keeper sleeps, so it rings at both places, if there is a
//! poller: the keeper may have chosen before the poller was made.

use super::m::M;
use super::{SCHED, find, idle, netpoll};
use crate::base::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::base::width::Wide;
use crate::poll::{Events, Poller};
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

#[inline]
pub(super) fn nobody_keeps() -> bool {
    !is_kept()
}

/// Whether an M has the keeper's part, asleep or about to be, or just awake and not yet at work.
#[inline]
pub(super) fn is_kept() -> bool {
    SCHED.clock.kept.load(Ordering::Relaxed)
}

/// Whether there is anything to wait for.
pub(super) fn is_wanted() -> bool {
    netpoll::active() || earliest() != NEVER
}

/// Sleeps until the next timer is due or a descriptor is ready, if there is any and nobody else does;
/// then makes ready who waited for that. False: the clock was not needed, the M should sleep.
pub(super) fn keep(m: &'static M) -> bool {
    if !is_wanted() || SCHED.clock.kept.swap(true, Ordering::Acquire) {
        return false;
    }
    let mut events = Events::new();
    let poller = sleep_until_due(m, &mut events);
    SCHED.clock.until.store(NEVER, Ordering::Relaxed);
    SCHED.clock.kept.store(false, Ordering::Release);
    let p = idle::take_p(&mut SCHED.inner.lock());
    if let Some(p) = p {
        m.acquire(p);
        if earliest() != NEVER {
            let now = now();
            for from in super::all_ps() {
                find::run_timers(p, from, now);
            }
        }
    }
    match (p, poller) {
        (_, None) => {}
        (Some(p), Some(poller)) => netpoll::tell(p, poller, &mut events),
        (None, Some(poller)) => netpoll::tell_all(poller, &mut events),
    }
    true
}

/// Returns the poller if it slept there, with what happened.
fn sleep_until_due(m: &M, events: &mut Events) -> Option<&'static Poller> {
    let clock = &SCHED.clock;
    loop {
        clock.word.store(0, Ordering::Relaxed);
        let until = earliest();
        clock.until.store(until, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fences in `nudge` and `netpoll::registered`
        let until = until.min(earliest());
        let poller = netpoll::to_wait_in();
        let begin = if until == NEVER && poller.is_none() { 0 } else { now() };
        if until <= begin || SCHED.stopping() || m.pinned.has_mail() {
            return None;
        }
        let timeout = (until != NEVER).then(|| until - begin);
        if let Some(poller) = poller {
            poller.wait(events, timeout);
            SCHED.net.waited(begin);
            if !events.is_empty() || timeout.is_some() {
                return Some(poller);
            }
        } else if until == NEVER || !futex::wait(&clock.word, 0, timeout) {
            return None;
        }
    }
}

/// A timer due at `when` was added: sees to it that somebody wakes up in time.
pub(super) fn nudge(when: u64) {
    if when == NEVER {
        return;
    }
    fence(Ordering::SeqCst); // pairs with the fence in `sleep_until_due`
    if when < SCHED.clock.until.load(Ordering::Relaxed) {
        ring();
    }
}

/// Wakes the keeper, or an M that becomes it, to look what there is to wait for. After a fence.
pub(super) fn ring() {
    if nobody_keeps() {
        return idle::wake_one();
    }
    poke();
}

/// Ends the keeper's sleep.
pub(super) fn poke() {
    let clock = &SCHED.clock;
    clock.word.store(1, Ordering::Relaxed);
    futex::wake(&raw const clock.word, 1);
    if let Some(poller) = crate::poll::poller() {
        poller.wake();
    }
}
