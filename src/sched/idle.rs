//! Ms and Ps that have nothing to do, and how they come together again.
//!
//! Everything here happens under one lock (`SCHED.inner`): the lists of idle Ms and idle Ps, both
//! last-in first-out so that the warmest is used first. The submit-versus-sleep handshake that
//! keeps the lock off the fast paths is in `spin.rs`; this file performs what it decides:
//!
//! * submitter: publish the goroutine, then [`wake_one`]: fence, and if a P is idle and nobody
//!   spins, start one spinning M;
//! * sleeper ([`rest`]): under the lock re-check the global queue, put the P on the idle list; then
//!   stop spinning, fence, re-check everything; only then sleep.

use super::m::M;
use super::p::P;
use super::{Inner, SCHED, clock, find, pinned, sysmon, threads};
use crate::sys::lock::Guard;

/// If a P is idle and nobody is looking for work, starts somebody.
#[inline]
pub(super) fn wake_one() {
    if SCHED.spin.should_wake() {
        wake_slow();
    }
}

#[cold]
fn wake_slow() {
    let mut inner = SCHED.inner.lock();
    match take_p(&mut inner) {
        Some(p) => start_m(inner, p, true),
        None => SCHED.spin.wake_failed(), // under the lock, see S6
    }
}

/// An idle P, if there is one. Somebody will work: the monitor wakes up.
pub(super) fn take_p(inner: &mut Inner) -> Option<&'static P> {
    let p = inner.idle_ps.pop()?;
    SCHED.spin.p_busy();
    sysmon::rouse(inner);
    Some(p)
}

impl Inner {
    /// The caller goes to sleep, or ends. If it was the last of the runtime's threads that was awake,
    /// the monitor must look for a deadlock: it may have looked while the caller was still awake.
    pub(super) fn rest_if_last(&mut self) {
        if self.all_asleep() {
            sysmon::rouse(self);
        }
    }

    /// Whether no thread of the runtime's can run anything unless somebody wakes it.
    pub(super) fn all_asleep(&self) -> bool {
        let asleep = self.idle_ms.len() + self.idle_locked + usize::from(clock::is_kept());
        self.ms == asleep && self.runners_busy == 0
    }
}

/// Puts a P without work on the idle list.
pub(super) fn put_p(inner: &mut Inner, p: &'static P) {
    debug_assert!(!p.has_work());
    if pinned::give_to_first(inner, p) {
        return;
    }
    inner.idle_ps.push(p);
    SCHED.spin.p_idle();
}

/// As [`take_p`], if possible the one that `m` held last: its caches and queues are `m`'s.
fn take_p_for(inner: &mut Inner, m: &M) -> Option<&'static P> {
    let old = m.old_p.take();
    let at = old.and_then(|old| inner.idle_ps.iter().rposition(|p| p.id == old.id));
    if let Some(at) = at {
        let last = inner.idle_ps.len() - 1;
        inner.idle_ps.swap(at, last);
    }
    take_p(inner)
}

/// For an M whose goroutine runs without a P, inside the runtime: takes one that is idle, the old
/// one first.
#[cold]
pub(super) fn regain(m: &'static M) -> Option<&'static P> {
    if SCHED.spin.idle() == 0 {
        return None;
    }
    let p = take_p_for(&mut SCHED.inner.lock(), m)?;
    m.acquire(p);
    Some(p)
}

/// Sets an M to work on `p`: an idle one, else a new thread.
pub(super) fn start_m(mut inner: Guard<'_, Inner>, p: &'static P, spinning: bool) {
    let idle = inner.idle_ms.pop();
    let is_new = idle.is_none();
    let m = match idle.map_or_else(|| threads::add(&mut inner), Ok) {
        Ok(m) => m,
        Err(limit) => {
            drop(inner);
            threads::too_many(limit);
        }
    };
    pinned::chosen(&mut inner, m);
    m.next_p.set(Some(p));
    m.spinning.set(spinning);
    drop(inner);
    if is_new { threads::begin(m) } else { m.note.wake() }
}

/// Sleeps until somebody gives this M a P.
pub(super) fn stop_m(m: &'static M, mut inner: Guard<'_, Inner>) {
    debug_assert!(m.p().is_none());
    if !pinned::in_force() {
        inner.idle_ms.push(m);
    } else if let Some(p) = pinned::lie_down(m, &mut inner) {
        drop(inner);
        return m.acquire(p);
    }
    inner.rest_if_last();
    drop(inner);
    m.note.sleep();
    m.note.clear();
    if let Some(p) = m.next_p.take() {
        m.acquire(p);
        find::run_overdue(p);
    }
}

/// For an M that has lost its P: takes an idle one, the old one first, or sleeps.
pub(super) fn get_p_or_sleep(m: &'static M) {
    if m.spinning.replace(false) {
        SCHED.spin.stop_spinning();
    }
    let mut inner = SCHED.inner.lock();
    match take_p_for(&mut inner, m) {
        Some(p) => m.acquire(p),
        None => stop_m(m, inner),
    }
}

/// For an M that found nothing: gives its P up, looks once more, sleeps. On return the M may hold
/// a P again and should look for work.
pub(super) fn rest(m: &'static M) {
    let mut inner = SCHED.inner.lock();
    if SCHED.stopping() || !SCHED.global.is_empty() || m.pinned.has_mail() {
        return;
    }
    let p = m.release().expect("rest is called with a P");
    put_p(&mut inner, p);
    drop(inner);
    // Z2 to Z4 of the handshake: whoever goes to sleep looks at everything once more.
    if m.spinning.replace(false) {
        SCHED.spin.stop_spinning();
    } else {
        SCHED.spin.look_again();
    }
    if find::work_anywhere() {
        let mut inner = SCHED.inner.lock();
        if let Some(p) = take_p(&mut inner) {
            m.acquire(p);
            m.spinning.set(true);
            SCHED.spin.start_spinning();
            return;
        }
    }
    if pinned::keep_clock(m) {
        // Timers may be due: whoever keeps the clock looks for a P to run them on.
        return;
    }
    stop_m(m, SCHED.inner.lock());
}

/// A spinning M has found work; if it was the last one spinning, another takes over the watch.
pub(super) fn stop_spinning_with_work(m: &M) {
    m.spinning.set(false);
    if SCHED.spin.found_work() {
        wake_one();
    }
}

/// Finds a new holder for a P whose M is going to block: an M if there is anything to do for it,
/// else the idle list.
pub(super) fn hand_off(p: &'static P) {
    let mut inner = SCHED.inner.lock();
    if SCHED.stopping() {
        return super::world::count_stopped(&mut inner, p);
    }
    if pinned::give_to_first(&mut inner, p) {
        return;
    }
    if p.has_work() || !SCHED.global.is_empty() {
        return start_m(inner, p, false);
    }
    // The M may be the last one awake: then somebody must keep the clock for what waits here.
    if clock::nobody_keeps() && clock::is_wanted() {
        return start_m(inner, p, false);
    }
    put_p(&mut inner, p);
    drop(inner);
    // Z3 and Z4: work may have come while this P was on its way to the list.
    SCHED.spin.look_again();
    if find::work_anywhere() {
        wake_one();
    }
    clock::nudge(p.timers.next());
}
