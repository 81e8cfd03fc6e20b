//! Making a goroutine runnable, and deciding whether a sleeping thread is worth waking for it.
//!
//! Waking a thread on another core costs tens of microseconds; a goroutine that is about to park
//! will run the one it woke a few nanoseconds later, on the same core and with warm caches. Go
//! wakes anyway. Here each P remembers: when the *lone* goroutine of a `ready` (nothing else was
//! waiting on the P) turned out, twice in a row, to be run next by the same P, further lone ones go
//! to `runnext` without a wake-up (*lazy*). If one is found stale - sysmon sees the P stand still
//! with a full `runnext` and an idle P beside it - a thread is woken, it steals `runnext` under the
//! lease, and the P is *eager* again. So a talking pair stays on one P, and a goroutine that makes
//! another ready and then computes loses at most one sysmon period, once.
//!
//! Whatever is not lone is surplus: it goes to the ring, and a spinning M is started for it as in
//! Go (`spin.rs` has the handshake).
//!
//! # One P
//! While GOMAXPROCS is 1 there is nobody to share with: a yielding goroutine goes to the P's own
//! part of the global queue (`P::yielded`), which costs no atomic operation; foreign threads push
//! to the shared part. The two are taken from by turns (`find.rs`).

use super::current::current;
use super::m::M;
use super::p::P;
use super::runnable::Runnable;
use super::task::{Kind, Sleeper, Task};
use super::{SCHED, idle, pinned};
use crate::g::{GRef, State};

/// Correct guesses in a row after which lone goroutines are left to their own P.
const LAZY_AFTER: u8 = 2;

/// Ends the wait of `task`. Callable from goroutines, plain threads and the scheduler.
///
/// # Safety
/// The caller took `task` out of the one place where it was enqueued, and its wait has not been
/// ended by anyone else.
pub(crate) unsafe fn ready(task: Task) {
    match task.kind() {
        // SAFETY: the wait has not ended, says the caller.
        Kind::Thread(sleeper) => unsafe { Sleeper::wake(sleeper) },
        Kind::Goroutine(g) => {
            g.status.set(State::Waiting, State::Runnable);
            match pinned::home(g) {
                Some(home) => pinned::submit(g, home),
                None => submit(g),
            }
        }
    }
}

/// As [`ready`], by an M that holds `p`: what its timers brought.
///
/// # Safety
/// As for [`ready`].
pub(super) unsafe fn ready_on(p: &'static P, task: Task) {
    match task.kind() {
        // SAFETY: the wait has not ended, says the caller.
        Kind::Thread(sleeper) => unsafe { Sleeper::wake(sleeper) },
        Kind::Goroutine(g) => {
            g.status.set(State::Waiting, State::Runnable);
            match pinned::home(g) {
                Some(home) => pinned::submit(g, home),
                None => submit_local(p, g),
            }
        }
    }
}

/// Queues a runnable goroutine from wherever the caller is.
#[inline]
pub(super) fn submit(g: GRef) {
    let Some(m) = current() else { return submit_from_outside(g) };
    match m.enter().or_else(|| idle::regain(m)) {
        Some(p) => submit_local(p, g),
        None => submit_global(g),
    }
    m.leave();
}

/// Queues `g` before everything else on the P the caller holds.
#[inline]
pub(super) fn submit_local(p: &'static P, g: GRef) {
    submit_runnable(p, Runnable::goroutine(g));
}

/// As [`submit_local`], for what may not have started.
#[inline]
pub(super) fn submit_runnable(p: &'static P, g: Runnable) {
    let shared = SCHED.procs() > 1;
    if shared && p.streak.get() < LAZY_AFTER && !p.has_work() && SCHED.spin.idle() > 0 {
        p.lone.set(Some(g));
        p.push(g);
        return idle::wake_one();
    }
    match p.replace_next(Some(g)) {
        None => p.lone.set(Some(g)),
        Some(old) => {
            p.lone.set(None);
            p.push(old);
            if shared {
                idle::wake_one();
            }
        }
    }
}

#[cold]
fn submit_from_outside(g: GRef) {
    super::boot::refuse_forked();
    submit_global(g);
}

/// Queues `g` where everyone looks.
pub(super) fn submit_global(g: GRef) {
    SCHED.global.push(g.as_ptr());
    idle::wake_one();
}

/// Queues the goroutine that has just yielded on `m`: behind everything else.
#[inline]
pub(super) fn submit_yielded(m: &M, g: GRef) {
    match m.p() {
        Some(p) if SCHED.procs() == 1 => p.yielded.push(g),
        _ => submit_global(g),
    }
}

impl P {
    /// Learns from a pick: was the lone goroutine of the last `ready` run by this P?
    #[inline]
    pub(super) fn learn(&self, picked: Runnable) {
        if let Some(lone) = self.lone.take() {
            let right = lone == picked;
            self.streak.set(if right { (self.streak.get() + 1).min(LAZY_AFTER) } else { 0 });
        }
    }
}
