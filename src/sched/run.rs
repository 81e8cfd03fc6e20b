//! The loop of an M: find a goroutine, run it, deal with how it stopped. The one place where a
//! [`Stop`] is matched, but for its counterparts where goroutines have thread-locals of their own
//! (`own.rs`) or are pinned to their thread (`pinned.rs`).

use super::find;
use super::m::{Bound, M};
use super::ready::{submit_local, submit_yielded};
use super::spawn;
use super::{SCHED, idle, locked, own, pinned, threads};
use crate::g::{GRef, State, Stop};

/// Body of a scheduler thread; returns when a goroutine has ended that was locked to it.
pub(super) fn m_main(m: &'static M) {
    m.begin();
    crate::sys::thread::punctual();
    let _alt_stack = crate::sys::signal::AltStack::enter();
    if let Some(p) = m.next_p.take() {
        m.acquire(p);
    }
    if pinned::in_force() {
        pinned::m_loop(m);
    }
    match crate::tls::in_force() {
        Some(scheme) => own::m_loop(scheme, m),
        None => m_loop(m),
    }
    if let Some(p) = m.release() {
        idle::hand_off(p);
    }
    threads::remove(m);
}

/// The loop of an M, as long as its thread is to live.
fn m_loop(m: &'static M) {
    while run_bound(m) {
        let g = find::next(m);
        if m.spinning.get() {
            idle::stop_spinning_with_work(m);
        }
        if g.hold.is_clear() {
            run(m, g);
        } else {
            run_odd(m, g);
        }
    }
}

/// Runs a picked goroutine that the scavenger is at, or that is locked to another thread.
#[cold]
fn run_odd(m: &'static M, g: GRef) {
    g.hold.pass();
    if g.is_locked() {
        locked::bring(m, g);
    } else {
        run(m, g);
    }
}

/// While `m` is locked to a goroutine, runs that one only. False: it has ended, and so does the
/// thread.
#[inline]
pub(super) fn run_bound(m: &'static M) -> bool {
    loop {
        match m.bound.get() {
            Bound::Free => return true,
            Bound::Ended => return false,
            Bound::To(g) => {
                locked::wait(m);
                run_apart(m, g);
            }
        }
    }
}

/// As [`run`], outside the loop: for a goroutine that is locked to `m`, or begins there.
#[inline(never)]
pub(super) fn run_apart(m: &'static M, g: GRef) {
    match crate::tls::in_force() {
        Some(scheme) => own::run(scheme, m, g, true),
        None => run(m, g),
    }
}

/// Runs `g` on `m` until it stops, and settles the stop.
///
/// The M enters and leaves with its lease *inside*: `leave` just before the goroutine's own code,
/// and the goroutine enters before it suspends itself.
///
/// Inlined into the loop: the switch takes all registers, so a function around it would save and
/// restore every one of its caller's, a quarter of a yield.
#[inline(always)]
fn run(m: &'static M, g: GRef) {
    loop {
        g.status.set(State::Runnable, State::Running);
        m.set_curg(Some(g));
        m.leave();
        // SAFETY: `g` came from a queue or a spawn, which gave it to us; its state says Running.
        let stop = unsafe { g.resume(m.carrier()) };
        m.set_curg(None);
        match stop {
            Stop::Parked(commit) => {
                g.status.set(State::Running, State::Waiting);
                if commit.run() {
                    return;
                }
                // The event came before the goroutine was published: it is still ours.
                g.status.set(State::Waiting, State::Runnable);
                if !g.hold.is_clear() {
                    g.hold.pass();
                }
            }
            Stop::Yielded => {
                g.status.set(State::Running, State::Runnable);
                return submit_yielded(m, g);
            }
            Stop::Exited => {
                // It ended without a call of its own, so the M is still outside.
                m.enter();
                g.status.set(State::Running, State::Dead);
                locked::ended(m, g);
                return spawn::retire(m, g);
            }
        }
        if SCHED.stopping() || m.p().is_none() {
            // No P, or the world stops: it may not run on here, so it queues like anyone.
            return match m.p() {
                Some(p) => submit_local(p, g),
                None => super::ready::submit_global(g),
            };
        }
    }
}
