//! The loop of an M: find a goroutine, run it, deal with how it stopped. The one place where a
//! [`Stop`] is matched.

use super::current;
use super::find;
use super::m::M;
use super::ready::{submit_local, submit_yielded};
use super::spawn;
use super::{SCHED, idle};
use crate::g::{GRef, State, Stop};
use std::sync::atomic::Ordering;

/// Body of a scheduler thread; never returns.
pub(super) fn m_main(m: &'static M) {
    current::set(Some(m));
    m.tid.store(crate::sys::thread::id(), Ordering::Relaxed);
    crate::sys::signal::AltStack::enter().keep();
    if let Some(p) = m.next_p.take() {
        m.acquire(p);
    }
    loop {
        let g = find::next(m);
        if m.spinning.get() {
            idle::stop_spinning_with_work(m);
        }
        run(m, g);
    }
}

/// Runs `g` on `m` until it stops, and settles the stop.
///
/// The M enters and leaves with its lease *inside*: `leave` just before the goroutine's own code,
/// and the goroutine enters before it suspends itself.
#[inline]
pub(super) fn run(m: &'static M, g: GRef) {
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
            }
            Stop::Yielded => {
                g.status.set(State::Running, State::Runnable);
                return submit_yielded(m, g);
            }
            Stop::Exited => {
                // It ended without a call of its own, so the M is still outside.
                m.enter();
                g.status.set(State::Running, State::Dead);
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
