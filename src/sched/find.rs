//! What an M runs next. The order is Go's: own timers; every 61st pick a look at the global queue;
//! `runnext`; the ring; the global queue; the network; then, as one of a bounded number of spinning Ms,
//! other Ps' rings, timers and at last their `runnext`; then sleep, or look again if the network will have
//! something in a moment.

use super::alarm::Timed;
use super::m::M;
use super::p::P;
use super::runnable::Runnable;
use super::{SCHED, clock, idle, netpoll, world};
use crate::g::GRef;
use crate::runq::Global;
use crate::sys;

/// Every so many picks the global queue and the ring come before `runnext`, so that a pair that
/// talks through `runnext` starves nobody (Go: `schedtick % 61`).
const FAIR: u32 = 61;
/// How often an M goes round the other Ps before it gives up (Go: `stealTries`).
const STEAL_PASSES: u32 = 4;
/// How long a goroutine may lie in `runnext` of a P that runs before a thief wants it, in µs (Go).
const NEXT_GRACE_US: u64 = 3;

/// The next goroutine for `m`; sleeps until there is one. Always inlined, for the loop of which it is half
/// the work: the switch takes all registers, so each function around it saves and restores its own.
#[inline(always)]
pub(super) fn next(m: &'static M) -> GRef {
    let mut lull = netpoll::Lull::default();
    loop {
        let Some(p) = m.p() else {
            idle::get_p_or_sleep(m);
            continue;
        };
        if SCHED.calls() {
            if SCHED.stopping() {
                world::stop_for_world(m);
                continue;
            }
            run_overdue(p);
        }
        let found = local(p)
            .or_else(|| global_batch(m, p, idle::wake_one))
            .or_else(|| netpoll::find(p))
            .or_else(|| steal(m, p));
        if let Some(g) = found {
            p.learn(g);
            return g.into_goroutine(m);
        }
        if !lull.is_brief() {
            idle::rest(m);
            lull = netpoll::Lull::default();
        }
    }
}

/// As [`next`], for a loop that seldom comes here.
#[inline(never)]
pub(super) fn next_at_last(m: &'static M) -> GRef {
    next(m)
}

/// One that has not started, from anywhere: where goroutines are pinned. Not `far` away if there is
/// other work.
pub(super) fn fresh(m: &'static M, p: &'static P, far: bool) -> Option<GRef> {
    let found = local(p)
        .or_else(|| global_batch(m, p, idle::wake_one))
        .or_else(|| netpoll::find(p))
        .or_else(|| if far { steal(m, p) } else { None })?;
    p.learn(found);
    Some(found.into_goroutine(m))
}

/// What [`at_hand`] found.
pub(super) enum AtHand {
    /// This one. If `wake`, more has come along, for which somebody is to be woken.
    Next { g: GRef, wake: bool },
    /// Nothing, and nothing is due.
    Nothing,
    /// There is something to be done first, or no P.
    Busy,
}

/// What `m` can run next without looking far: for a caller who holds locks that the full search might
/// need. So no timers are run, nothing is stolen, and nobody is woken.
#[inline]
pub(super) fn at_hand(m: &'static M) -> AtHand {
    let Some(p) = m.p() else { return AtHand::Busy };
    let timer = p.timers.next();
    if SCHED.calls() || timer != sys::clock::NEVER && timer <= sys::clock::now() {
        return AtHand::Busy;
    }
    let mut wake = false;
    match queues(p).or_else(|| global_batch(m, p, || wake = true)) {
        Some(found) => {
            p.learn(found);
            AtHand::Next { g: found.into_goroutine(m), wake }
        }
        None => AtHand::Nothing,
    }
}

/// From what the P has to itself, its timers first. Always inlined: the loops that call it have the P at
/// hand in registers.
#[inline(always)]
fn local(p: &'static P) -> Option<Runnable> {
    if p.timers.next() != sys::clock::NEVER {
        run_timers(p, p, sys::clock::now());
    }
    queues(p)
}

/// From the queues the P has to itself, and every 61st time from what all share.
#[inline(always)]
fn queues(p: &'static P) -> Option<Runnable> {
    let tick = p.bump_tick();
    if tick.is_multiple_of(FAIR)
        && let Some(g) = fair(p, tick / FAIR)
    {
        return Some(g);
    }
    p.replace_next(None).or_else(|| p.pop()).or_else(|| yielded(p))
}

/// The oldest of one of the three queues that stand behind `runnext`, each first in its turn: a pair
/// that talks through `runnext` can go on for ever, and so can the ring or the threads outside.
#[cold]
fn fair(p: &'static P, turn: u32) -> Option<Runnable> {
    netpoll::refill(p);
    (turn..turn + 3).find_map(|turn| match turn % 3 {
        0 => global_one(),
        1 => yielded(p),
        _ => p.pop(),
    })
}

#[inline]
fn yielded(p: &'static P) -> Option<Runnable> {
    p.yielded.pop().map(Runnable::goroutine)
}

fn global_one() -> Option<Runnable> {
    // SAFETY: the global queue holds only Runnables.
    SCHED.global.pop().map(|g| unsafe { Runnable::from_ptr(g) })
}

/// This P's share of the global queue: the first to run, the rest to the ring. On its way there the
/// rest is in neither, for an M that looks for the last time just then: so it is submitted anew,
/// unless this M spins and is going to wake another by itself (`spin.rs`, "Work on its way"): `wake`
/// does that, or remembers it.
#[inline]
fn global_batch(m: &'static M, p: &'static P, wake: impl FnOnce()) -> Option<Runnable> {
    if SCHED.global.is_empty() {
        return None;
    }
    let share = Global::<crate::g::G>::batch(SCHED.global.len(), SCHED.procs());
    let first = global_one()?;
    for _ in 1..share {
        let Some(g) = global_one() else { break };
        p.push(g);
    }
    if share > 1 && !m.spinning.get() {
        wake();
    }
    Some(first)
}

/// Does, on `p`, what is due in `from`'s timers.
pub(super) fn run_timers(p: &'static P, from: &P, now: u64) {
    from.timers.take_due(now, Timed::settle, |due| due.happen(p));
}

/// Does, on `p`, what is due on any P: that of an M whose goroutine keeps it cannot wait for it.
#[cold]
pub(super) fn run_overdue(p: &'static P) {
    SCHED.set_overdue(false);
    let now = sys::clock::now();
    if clock::earliest() <= now {
        super::all_ps().for_each(|from| run_timers(p, from, now));
    }
}

/// Takes from other Ps, as a spinning M.
fn steal(m: &'static M, p: &'static P) -> Option<Runnable> {
    let procs = SCHED.procs();
    if procs == 1 {
        return None;
    }
    if !m.spinning.get() {
        if !SCHED.spin.may_spin(procs as u32) {
            return None;
        }
        m.spinning.set(true);
    }
    for pass in 1..=STEAL_PASSES {
        let last = pass == STEAL_PASSES;
        for id in SCHED.order().walk(p.rng.next_u32()) {
            let victim = super::p_at(id);
            if SCHED.stopping() {
                return None;
            }
            if victim.id != p.id
                && let Some(g) = steal_from(p, victim, last)
            {
                return Some(g);
            }
        }
    }
    None
}

fn steal_from(p: &'static P, victim: &'static P, last: bool) -> Option<Runnable> {
    if last && victim.timers.next() != sys::clock::NEVER {
        run_timers(p, victim, sys::clock::now());
        if let Some(g) = p.replace_next(None).or_else(|| p.pop()) {
            return Some(g);
        }
    }
    // SAFETY: we own `p`, whose ring is empty; the victim's ring holds only Runnables.
    let stolen = unsafe { victim.ring.steal_into(&p.ring).map(|g| Runnable::from_ptr(g)) };
    if stolen.is_none() && last && victim.has_next() {
        return steal_next(victim);
    }
    stolen
}

/// Takes the goroutine that waits in `runnext` of a P whose M is busy in a goroutine's own code.
/// One that waits there for a moment only is about to be run, cheaper than we could.
fn steal_next(victim: &'static P) -> Option<Runnable> {
    let tick = victim.tick();
    sys::thread::nap(NEXT_GRACE_US);
    if victim.tick() != tick || !victim.has_next() {
        return None;
    }
    let _one = SCHED.revoke.try_lock()?;
    let holder = victim.m()?;
    holder.borrow(|| {
        // The M may have changed its P since we looked; while it is kept out it cannot.
        if holder.p().is_none_or(|held| held.id != victim.id) {
            return None;
        }
        victim.streak.set(0);
        victim.lone.set(None);
        victim.replace_next(None)
    })?
}

/// Whether any P has something to steal, or is due to wake a sleeper; for an M about to sleep.
pub(super) fn work_anywhere() -> bool {
    !SCHED.global.is_empty()
        || super::all_ps().any(|p| !p.ring.is_empty())
        || clock::earliest() <= sys::clock::now()
}
