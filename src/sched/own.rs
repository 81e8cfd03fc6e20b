//! Goroutines with thread-locals of their own: which block an M's thread register points at, and the
//! M's loop in that mode.
//!
//! The order at a stop is the reverse of the other modes': the M picks the next goroutine first, points
//! the register at its block (at its own, if there is none at hand), and only then publishes the one
//! that stopped. So there is one write of the register for each switch, none if the next goroutine is
//! the same; and no code that outlives the publication of a goroutine runs on that goroutine's block,
//! which another M may point at from that moment on.
//!
//! A pick made before the publication must not need what the publication gives back, for instance a
//! channel's lock: it takes what lies in queues, and leaves due timers, stealing and sleeping to the
//! full search, which runs on the M's own block, after the publication.
//!
//! The M's name is the word of `current.rs` in the block pointed at, written before the register.
//!
//! # The main goroutine
//! It runs on the block of the thread that called `run`, so that what the caller keeps in its
//! thread-locals is there. That thread, once it has handed its main goroutine on, uses the block of the
//! goroutine's slot in exchange. The kernel is told to stop writing into the block (restartable
//! sequences); its list of robust mutexes stays where it is, which the kernel reads only when the
//! thread ends. If the kernel will not stop, the main goroutine runs on its slot's block.

use super::current;
use super::find::AtHand;
use super::m::{Bound, M};
use super::ready::submit_yielded;
use super::run::run_bound;
use super::runnable::Runnable;
use super::{find, idle, locked, ready, spawn};
use crate::g::{GRef, Locals, State, Stop};
use crate::tls::{self, Detached, Scheme};
use std::ptr;

/// Points the M's thread register at `to`, with the allocator's state and the M's name.
///
/// # Safety
/// `to` is the M's own block, or that of a goroutine which the M holds; and it is the M's thread that
/// calls.
#[inline]
unsafe fn point(scheme: &Scheme, m: &'static M, to: Locals) {
    let from = m.at.replace(to.block);
    if from == to.block {
        return;
    }
    // SAFETY: both blocks are this thread's: the one it was on, and the one the caller vouches for.
    unsafe { scheme.hand_over(from, to.block) };
    let word = ptr::with_exposed_provenance_mut::<*const M>(to.current);
    if !word.is_null() {
        // SAFETY: the place of the M's word in that block, whose null is `None`.
        unsafe { word.write(m) };
    }
    // SAFETY: the block is ours, and the scheduler touches no thread-local but by `current`, which is
    // never inlined.
    unsafe { tls::point_at(to.block) };
    if word.is_null() {
        current::set(Some(m));
    }
}

/// Points the register at the goroutine that is about to run.
#[inline]
fn onto(scheme: &Scheme, m: &'static M, g: GRef) {
    let locals = g.locals.get();
    // SAFETY: the caller holds `g`, and runs on the M's thread.
    unsafe { point(scheme, m, locals) };
    if locals.current == 0 {
        core::hint::cold_path();
        g.locals.set(Locals { current: current::place(), ..locals });
    }
}

/// Points the register at the M's own block.
#[inline]
fn home(scheme: &Scheme, m: &'static M) {
    // SAFETY: the M's own block; no other thread uses it.
    unsafe { point(scheme, m, m.own.get()) };
}

/// The calling thread is the M `m` and stands on its own block.
pub(super) fn settle(m: &M) {
    let own = tls::own();
    m.own.set(Locals { block: own, current: current::place() });
    m.at.set(own);
}

/// Ends what the calling goroutine has in its thread-locals, before anyone learns that it has ended:
/// their destructors run. What it does after this leaves nothing in them.
#[inline]
pub(crate) fn farewell() {
    if tls::in_force().is_some()
        && let Some(g) = current::current().and_then(M::curg)
    {
        g.leave_locals();
    }
}

/// Runs `f` with the thread-locals of the OS thread instead of the goroutine's. `f` neither suspends nor
/// unwinds, and calls nothing of the runtime's.
#[inline]
pub(crate) fn with_the_threads(f: &mut dyn FnMut()) {
    match tls::in_force().zip(current::current()) {
        Some((scheme, m)) if m.at.get() != m.own.get().block => on_own(scheme, m, f),
        _ => f(),
    }
}

fn on_own(scheme: &Scheme, m: &M, f: &mut dyn FnMut()) {
    let (at, own) = (m.at.get(), m.own.get().block);
    // SAFETY: both blocks are this thread's.
    unsafe { scheme.hand_over(at, own) };
    // SAFETY: the M's own block, on its thread; `f` is as the caller says.
    unsafe { tls::with(own, f) };
    // SAFETY: as above.
    unsafe { scheme.hand_over(own, at) };
}

/// The loop of an M, as long as its thread is to live.
pub(super) fn m_loop(scheme: &'static Scheme, m: &'static M) {
    settle(m);
    while run_bound(m) {
        let g = find::next_at_last(m);
        if m.spinning.get() {
            idle::stop_spinning_with_work(m);
        }
        if !g.hold.is_clear() && belongs_elsewhere(g) {
            locked::bring(m, g);
        } else {
            run(scheme, m, g, false);
        }
    }
}

/// Of a picked goroutine whose hold is not clear: takes it back from the scavenger, if that is it;
/// whether it is locked to another thread.
#[cold]
fn belongs_elsewhere(g: GRef) -> bool {
    g.hold.pass();
    g.is_locked()
}

/// Runs `g`, and, unless `once`, whatever the P has at hand after it, until there is nothing at
/// hand. The register points at the M's own block when it returns. Inlined for the reason that `run.rs`
/// gives.
#[inline(always)]
pub(super) fn run(scheme: &'static Scheme, m: &'static M, mut g: GRef, once: bool) {
    loop {
        onto(scheme, m, g);
        g.status.set(State::Runnable, State::Running);
        m.set_curg(Some(g));
        m.leave();
        // SAFETY: `g` came from a queue or a spawn, which gave it to us; its state says Running.
        let stop = unsafe { g.resume(m.carrier()) };
        m.set_curg(None);
        if matches!(stop, Stop::Exited) {
            // It ended without a call of its own, so the M is still outside.
            m.enter();
        }
        // One that has locked itself to this thread, or has ended so, is the last to run here for now.
        let last = once || m.bound.get() != Bound::Free;
        let next = if last { AtHand::Busy } else { find::at_hand(m) };
        match next {
            AtHand::Next { g: next, .. } if next.hold.is_clear() => onto(scheme, m, next),
            // Nobody else wants to run: it goes on, and the register stays.
            AtHand::Nothing if matches!(stop, Stop::Yielded) => {
                g.status.set(State::Running, State::Runnable);
                g.hold.pass();
                continue;
            }
            _ => home(scheme, m),
        }
        match stop {
            Stop::Parked(commit) => {
                g.status.set(State::Running, State::Waiting);
                if !commit.run() {
                    // The event came before the goroutine was published: it is still ours.
                    g.status.set(State::Waiting, State::Runnable);
                    match refused(scheme, m, g, next) {
                        true => continue,
                        false => return,
                    }
                }
            }
            Stop::Yielded => {
                g.status.set(State::Running, State::Runnable);
                submit_yielded(m, g);
            }
            Stop::Exited => {
                g.status.set(State::Running, State::Dead);
                locked::ended(m, g);
                spawn::retire(m, g);
            }
        }
        let AtHand::Next { g: next, wake } = next else { return };
        if wake {
            idle::wake_one();
        }
        g = next;
        if !g.hold.is_clear() && belongs_elsewhere(g) {
            return locked::bring(m, g);
        }
    }
}

/// `g`'s commit has refused: what was picked goes back, and `g` goes on if it may; true if so.
#[cold]
fn refused(scheme: &'static Scheme, m: &'static M, g: GRef, next: AtHand) -> bool {
    g.hold.pass();
    if let (AtHand::Next { g: next, wake }, Some(p)) = (next, m.p()) {
        if let Some(old) = p.replace_next(Some(Runnable::goroutine(next))) {
            p.push(old);
        }
        if wake {
            idle::wake_one();
        }
    }
    match m.p() {
        Some(_) if !super::SCHED.stopping() => return true,
        // No P, or the world stops: it may not run on here, so it queues like anyone. Until it is
        // queued its block is not in use, and ours is.
        Some(p) => {
            home(scheme, m);
            ready::submit_local(p, g);
        }
        None => {
            home(scheme, m);
            ready::submit_global(g);
        }
    }
    false
}

/// A thread in `run` and its main goroutine, which have exchanged their blocks or not.
pub(super) struct Exchange {
    scheme: &'static Scheme,
    /// The thread's own block, and the one it stands on while its goroutine runs elsewhere.
    block: usize,
    aside: usize,
    /// They have exchanged them.
    detached: Option<Detached>,
}

impl Exchange {
    /// Gives the main goroutine `g` the calling thread's block, and the thread that of the goroutine's
    /// slot. `None` where goroutines have no blocks.
    pub(super) fn make(m: &'static M, g: GRef) -> Option<Self> {
        let scheme = tls::in_force()?;
        settle(m);
        let detached = scheme.detach_kernel();
        if detached.is_some() {
            let theirs = m.own.replace(g.locals.get());
            g.locals.set(theirs);
        }
        Some(Self { scheme, block: m.at.get(), aside: m.own.get().block, detached })
    }

    /// The main goroutine has ended: the calling thread, an M no longer, returns to its own block.
    pub(super) fn undo(self) {
        let Some(detached) = self.detached else { return };
        // What the scheduler has left in the thread-locals of the slot.
        tls::leave(self.scheme);
        // SAFETY: the thread stands on the one block, and the goroutine has left the other for good.
        unsafe { self.scheme.hand_over(self.aside, self.block) };
        // SAFETY: the thread's own block; nothing here keeps an address of a thread-local.
        unsafe { tls::point_at(self.block) };
        current::set(None);
        detached.attach();
    }
}
