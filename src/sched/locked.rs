//! LockOSThread: a goroutine and a thread that belong to each other.
//!
//! While they do, the goroutine runs on no other thread and the thread runs nothing else. The
//! goroutine is *ready* and *queued* like any other; an M that picks it has the wrong thread, and
//! brings its thread a P instead ([`bring`]): an idle one if there is one (Go always gives up its
//! own), else the one it holds. The thread sleeps meanwhile ([`wait`]). So a hop from a locked goroutine
//! to another and back costs two thread switches each.
//!
//! Nothing is lost. A locked goroutine is in one queue at a time and is picked once; whoever picks it
//! writes `next_p` and wakes the note of its M, which remembers a wake that comes before the sleep.
//! Both happen under the scheduler's lock, as does the M's going to sleep, so the count of those
//! that sleep (for the deadlock check) fits.
//!
//! Ends: a goroutine that ends while it is locked takes its thread with it, so that nobody meets what
//! it did to that thread; a thread of the program's, inside `run`, is only parked until main's
//! result is there (Go: m0).
//!
//! The main goroutine is locked to the thread that called `run` until it is entered, also when it has to
//! wait for a P: whoever locks it there first of all stays on that thread.

use super::current::current;
use super::m::{Bound, M};
use super::{SCHED, idle};
use crate::g::GRef;
use std::ptr;
use std::sync::atomic::Ordering;

/// Binds `g`, which the caller holds, to `m`, its own M or one that is going to run it.
pub(super) fn bind(g: GRef, m: &'static M) {
    g.locked_to.store(ptr::from_ref(m).cast_mut().cast(), Ordering::Relaxed);
    g.hold.set_odd(true);
    m.bound.set(Bound::To(g));
}

/// Ends [`bind`].
pub(super) fn unbind(g: GRef, m: &'static M, then: Bound) {
    g.locks.set(0);
    g.locked_to.store(ptr::null_mut(), Ordering::Relaxed);
    g.hold.set_odd(false);
    m.bound.set(then);
}

/// Locks the calling goroutine to its thread, once more. A plain thread is locked as it is.
///
/// # Panics
/// When it has been locked `u32::MAX` times.
pub(crate) fn lock() {
    let Some((m, g)) = here() else { return };
    let locks = g.locks.get().checked_add(1).expect("LockOSThread nesting overflow");
    if locks == 1 {
        bind(g, m);
    }
    g.locks.set(locks);
}

/// Undoes one [`lock`]; a surplus one does nothing.
pub(crate) fn unlock() {
    let Some((m, g)) = here() else { return };
    match g.locks.get() {
        0 => {}
        1 => unbind(g, m, Bound::Free),
        n => g.locks.set(n - 1),
    }
}

fn here() -> Option<(&'static M, GRef)> {
    let m = current()?;
    Some((m, m.curg()?))
}

/// The goroutine on `m` has ended; if it was locked, the thread is to end too.
#[inline]
pub(super) fn ended(m: &'static M, g: GRef) {
    if m.bound.get() != Bound::Free {
        unbind(g, m, Bound::Ended);
    }
}

/// For an M whose locked goroutine has stopped: hands its P on, sleeps until somebody brings one, and
/// then holds it; the goroutine is the caller's to run.
#[cold]
pub(super) fn wait(m: &'static M) {
    loop {
        if let Some(p) = m.release() {
            idle::hand_off(p);
        }
        go_to_sleep(m);
        m.note.sleep();
        m.note.clear();
        let p = m.next_p.take().expect("whoever wakes a locked M brings a P");
        m.acquire(p);
        if !SCHED.stopping() {
            return;
        }
        // Somebody stops the world: the P will be his, and the goroutine queues anew.
        if let Bound::To(g) = m.bound.get() {
            super::ready::submit_global(g);
        }
    }
}

/// Counts the M as asleep, unless its P is here already.
fn go_to_sleep(m: &'static M) {
    let mut inner = SCHED.inner.lock();
    if m.next_p.get().is_some() {
        return;
    }
    m.awaits_own.set(true);
    if m.is_runner.get() {
        inner.runners_busy -= 1;
    } else {
        inner.idle_locked += 1;
    }
    inner.rest_if_last();
}

/// An M that has picked the locked goroutine `g`: brings its thread a P. On return the caller looks
/// for something else to run; it may have lost its P.
#[cold]
pub(super) fn bring(m: &'static M, g: GRef) {
    let owner = g.locked_to.load(Ordering::Relaxed).cast::<M>();
    // SAFETY: `bind` stored an M, which is never freed; the goroutine is ours, so it stays locked.
    let owner = unsafe { &*owner };
    let mut inner = SCHED.inner.lock();
    let idle = idle::take_p(&mut inner);
    let keeps = idle.is_some();
    let p = idle.or_else(|| m.release()).expect("an M that picks holds a P");
    owner.next_p.set(Some(p));
    if owner.awaits_own.replace(false) {
        if owner.is_runner.get() {
            inner.runners_busy += 1;
        } else {
            inner.idle_locked -= 1;
        }
    }
    if keeps {
        drop(inner);
        owner.note.wake();
    } else {
        owner.note.wake();
        idle::stop_m(m, inner);
    }
}
