//! Pinned goroutines: one that has started never leaves its M, so whatever it keeps of its OS thread
//! (thread-local borrows, the panic count, errno) stays true. Only those that have not started are
//! shared out. It is how the runtime stays sound where goroutines cannot have thread-locals of their
//! own.
//!
//! Ps and their queues are as ever, but hold only goroutines that have not started. One that has waits
//! in its M's own list; made ready by another thread, in its M's inbox. An M with work of that kind
//! and without a P *wants* one: it is in a list (`Inner::wanting`), whoever would put a P on the idle
//! list gives it to the first there, and an M that has worked for a while gives way.
//!
//! The main goroutine's M is the thread that called `run`; it runs nothing else, so that it can return
//! when main does. It is woken only through `wanting`.
//!
//! # No goroutine is forgotten
//! * Submitter: puts it into the inbox, sets `mail`, fence, reads `resting`.
//! * M: sets `resting`, fence, reads `mail`; only then sleeps, and under the scheduler's lock says so.
//!
//! One of the two sees the other. A submitter that sees `resting` takes the lock: if the M sleeps it is
//! given a P or put on the list; if it keeps the clock it is poked; otherwise it is on its way to one of
//! the two and, holding the lock later, sees the mail. An M that runs looks into its inbox at each
//! pick.
//!
//! # What does not move
//! A goroutine that blocks its thread or computes for long keeps the others that have started there
//! waiting, although its P is called back as ever. The same goes for one that parks while it unwinds: it
//! keeps its thread (`task.rs`). A goroutine that locks itself to its thread keeps new ones away from it;
//! those that have started there run on.

use super::current::current;
use super::m::{Bound, M};
use super::p::P;
use super::{Inner, SCHED, clock, find, idle, locked, spawn, world};
use crate::base::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::g::{GRef, Queue, State, Stop};
use crate::sys::cxx;
use crate::sys::lock::Lock;
use std::cell::Cell;

/// Picks after which an M gives way to one that wants a P, though it has work of its own.
const TURN: u32 = 61;

/// Goroutines are pinned. Set at start.
static IN_FORCE: AtomicBool = AtomicBool::new(false);
/// Length of `Inner::wanting`, to be looked at without the lock.
static WANTING: AtomicU32 = AtomicU32::new(0);

#[inline]
pub(crate) fn in_force() -> bool {
    IN_FORCE.load(Ordering::Relaxed)
}

pub(super) fn put_in_force() {
    IN_FORCE.store(true, Ordering::Release);
}

/// Whether an M has work and no P.
pub(super) fn somebody_wants() -> bool {
    WANTING.load(Ordering::Relaxed) != 0
}

/// A queue that only the holder of its lock uses.
#[derive(Debug)]
struct Shared(Queue);

// SAFETY: goroutines may be handed from thread to thread, and the queue is used under a lock.
unsafe impl Send for Shared {}

/// What an M has of its own in this mode.
#[derive(Debug)]
pub(super) struct Own {
    /// *own*: its ready goroutines.
    mine: Queue,
    /// What others have made ready, and that there is some.
    inbox: Lock<Shared>,
    mail: AtomicBool,
    /// It is about to sleep, or sleeps.
    resting: AtomicBool,
    /// *lock*: it sleeps ([`lie_down`]); it is in `Inner::wanting`.
    asleep: Cell<bool>,
    wanting: Cell<bool>,
    /// It keeps the clock, perhaps.
    clock: AtomicBool,
    /// *lock*: counted in `Inner::runners_busy`.
    busy: Cell<bool>,
}

impl Own {
    pub(super) const fn new() -> Self {
        Self {
            mine: Queue::new(),
            inbox: Lock::new(Shared(Queue::new())),
            mail: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            asleep: Cell::new(false),
            wanting: Cell::new(false),
            clock: AtomicBool::new(false),
            busy: Cell::new(false),
        }
    }

    /// Whether somebody has left something in the inbox.
    #[inline]
    pub(super) fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Acquire)
    }

    fn collect(&self) {
        if self.has_mail() {
            let inbox = self.inbox.lock();
            self.mail.store(false, Ordering::Relaxed);
            while let Some(g) = inbox.0.pop() {
                self.mine.push(g);
            }
        }
    }
}

/// Queues a runnable goroutine that has started on `home`.
pub(super) fn submit(g: GRef, home: &'static M) {
    if current().is_some_and(|m| std::ptr::eq(m, home)) {
        return home.pinned.mine.push(g);
    }
    let own = &home.pinned;
    {
        let inbox = own.inbox.lock();
        inbox.0.push(g);
        // Release: pairs with `has_mail`.
        own.mail.store(true, Ordering::Release);
    }
    fence(Ordering::SeqCst); // pairs with the fence in `rests`
    if own.resting.load(Ordering::Relaxed) {
        rouse(home);
    }
}

#[cold]
fn rouse(home: &'static M) {
    let mut inner = SCHED.inner.lock();
    if home.pinned.asleep.get() {
        match idle::take_p(&mut inner) {
            Some(p) => give(&mut inner, home, p),
            None => want(&mut inner, home),
        }
    } else if home.pinned.clock.load(Ordering::Relaxed) {
        drop(inner);
        clock::poke();
    }
}

/// `m` is going to rest: from here on submitters look. True if there is mail already.
pub(super) fn rests(m: &M) -> bool {
    m.pinned.resting.store(true, Ordering::Relaxed);
    fence(Ordering::SeqCst); // pairs with the fence in `submit`
    m.pinned.has_mail()
}

/// Puts `m` on the list of those who want a P.
fn want(inner: &mut Inner, m: &'static M) {
    if !m.pinned.wanting.replace(true) {
        inner.wanting.push_back(m);
        WANTING.store(inner.wanting.len() as u32, Ordering::Relaxed);
    }
}

/// Wakes the sleeping `m` with a P.
fn give(inner: &mut Inner, m: &'static M, p: &'static P) {
    inner.idle_ms.retain(|idle| !std::ptr::eq(*idle, m));
    chosen(inner, m);
    m.next_p.set(Some(p));
    m.spinning.set(false);
    m.note.wake();
}

/// `m` is about to be woken with a P: it is on no list any more.
pub(super) fn chosen(inner: &mut Inner, m: &M) {
    m.pinned.asleep.set(false);
    if m.pinned.wanting.replace(false) {
        inner.wanting.retain(|other| !std::ptr::eq(*other, m));
        WANTING.store(inner.wanting.len() as u32, Ordering::Relaxed);
    }
    if m.is_runner.get() && !m.pinned.busy.replace(true) {
        inner.runners_busy += 1;
    }
    if m.awaits_own.replace(false) {
        inner.idle_locked -= 1;
    }
}

/// Gives `p` to the first that wants one. False: nobody does.
pub(super) fn give_to_first(inner: &mut Inner, p: &'static P) -> bool {
    let Some(&m) = inner.wanting.front() else { return false };
    give(inner, m, p);
    true
}

/// `m`, which has no P, is going to sleep until it is given one; or not, if there is work for it and
/// a P, which is returned.
pub(super) fn lie_down(m: &'static M, inner: &mut Inner) -> Option<&'static P> {
    debug_assert!(m.p().is_none());
    if rests(m) || !m.pinned.mine.is_empty() {
        if !SCHED.stopping()
            && let Some(p) = idle::take_p(inner)
        {
            return Some(p);
        }
        want(inner, m);
    }
    if m.is_runner.get() {
        inner.runners_busy -= usize::from(m.pinned.busy.replace(false));
    } else if m.bound.get() != Bound::Free {
        m.awaits_own.set(true);
        inner.idle_locked += 1;
    } else {
        inner.idle_ms.push(m);
    }
    m.pinned.asleep.set(true);
    None
}

/// As `clock::keep`, so that mail ends it.
pub(super) fn keep_clock(m: &'static M) -> bool {
    m.pinned.clock.store(true, Ordering::Relaxed);
    rests(m);
    let kept = clock::keep(m);
    m.pinned.clock.store(false, Ordering::Relaxed);
    kept
}

/// The next goroutine for `m`; sleeps until there is one.
fn next(m: &'static M) -> GRef {
    loop {
        m.pinned.resting.store(false, Ordering::Relaxed);
        let Some(p) = m.p() else {
            idle::get_p_or_sleep(m);
            continue;
        };
        if SCHED.calls() {
            if SCHED.stopping() {
                world::stop_for_world(m);
                continue;
            }
            find::run_overdue(p);
        }
        m.pinned.collect();
        let others = somebody_wants() || is_alone(m) && (p.has_work() || !SCHED.global.is_empty());
        if others && (m.pinned.mine.is_empty() || p.bump_tick().is_multiple_of(TURN)) {
            give_way(m);
            continue;
        }
        if let Some(g) = pick(m, p) {
            return g;
        }
        if is_alone(m) {
            idle::hand_off(m.release().expect("it has a P"));
            idle::stop_m(m, SCHED.inner.lock());
        } else {
            idle::rest(m);
        }
    }
}

/// The M's own goroutines and those that have not started, by turns.
fn pick(m: &'static M, p: &'static P) -> Option<GRef> {
    let own = || {
        p.bump_tick();
        m.pinned.mine.pop()
    };
    if is_alone(m) {
        return own();
    }
    if p.tick().is_multiple_of(2)
        && let Some(g) = own()
    {
        return Some(g);
    }
    find::fresh(m, p, m.pinned.mine.is_empty()).or_else(own)
}

/// Whether `m` takes on no goroutines but its own: a thread of the program's runs its main goroutine, one
/// that a goroutine has locked itself to is left to it.
fn is_alone(m: &M) -> bool {
    m.is_runner.get() || m.bound.get() != Bound::Free
}

/// Gives the P to an M that wants one, or to one that takes on what waits on it.
#[cold]
fn give_way(m: &'static M) {
    if m.spinning.replace(false) {
        SCHED.spin.stop_spinning();
    }
    idle::hand_off(m.release().expect("it has a P"));
}

/// The loop of an M; does not return.
pub(super) fn m_loop(m: &'static M) -> ! {
    loop {
        let g = next(m);
        if m.spinning.get() {
            idle::stop_spinning_with_work(m);
        }
        run(m, g);
    }
}

/// Runs `g`, which is `m`'s from now on, until it stops, and settles the stop.
fn run(m: &'static M, g: GRef) {
    if g.home.get() == 0 {
        g.home.set(m.carrier());
    }
    loop {
        if !g.hold.is_clear() {
            // The scavenger is at it; or it is locked to this thread, which makes no difference.
            g.hold.pass();
        }
        g.status.set(State::Runnable, State::Running);
        m.set_curg(Some(g));
        let exceptions = cxx::exchange(g.exceptions.get());
        m.leave();
        // SAFETY: `g` came from a queue or a spawn, which gave it to us; its state says Running.
        let stop = unsafe { g.resume(m.carrier()) };
        g.exceptions.set(cxx::exchange(exceptions));
        m.set_curg(None);
        match stop {
            Stop::Parked(commit) => {
                g.status.set(State::Running, State::Waiting);
                if commit.run() {
                    return;
                }
                // The event came before the goroutine was published: it is still ours.
                g.status.set(State::Waiting, State::Runnable);
                if SCHED.stopping() || m.p().is_none() {
                    return m.pinned.mine.push(g);
                }
            }
            Stop::Yielded => {
                g.status.set(State::Running, State::Runnable);
                return m.pinned.mine.push(g);
            }
            Stop::Exited => {
                // It ended without a call of its own, so the M is still outside.
                m.enter();
                g.status.set(State::Running, State::Dead);
                g.home.set(0);
                if m.bound.get() != Bound::Free {
                    // The thread lives on: others may have started there.
                    locked::unbind(g, m, Bound::Free);
                }
                return spawn::retire(m, g);
            }
        }
    }
}

/// Runs the main goroutine `g` on its thread, the M `m`, until it has ended.
pub(super) fn run_main(m: &'static M, g: GRef) {
    let own = &m.pinned;
    own.busy.set(true);
    own.mine.push(g);
    while g.status.get() != State::Dead {
        let next = next(m);
        debug_assert!(next == g, "this M has no other");
        run(m, next);
    }
}

/// The M that `g` is pinned to, if it has started.
#[inline]
pub(super) fn home(g: GRef) -> Option<&'static M> {
    if !in_force() {
        return None;
    }
    let home = std::ptr::with_exposed_provenance::<M>(g.home.get());
    // SAFETY: `run` stores only Ms, which are never freed.
    unsafe { home.as_ref() }
}
