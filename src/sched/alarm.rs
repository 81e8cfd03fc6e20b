//! What waits in a P's timer heap, and what becomes of it when it is due.
//!
//! * a sleeping goroutine: is made ready; cannot be called off;
//! * a [`Timeout`]: the time limit of a wait in other places too. It lies on the parked stack and
//!   races the other wakers for the wait's claim. The race is decided under the heap's lock, so that
//!   whoever calls it off (`Timeout::call_off`) has either taken it out or knows that it is over;
//! * an [`Alarm`]: part of an object (a timer's channel, a function to call) that the heap keeps
//!   alive while the alarm is set. Its owner is rung outside the heap's lock, decides under its own
//!   lock whether that is still what it wants, and so calls off without waiting for anyone.
//!
//! Lock order: an owner's lock (a channel's) < a heap's lock.

use super::clock;
use super::current::current;
use super::m::M;
use super::p::P;
use super::spawn;
use super::task::Task;
use super::{p_at, ready};
use crate::base::claim::{Claim, Ended};
use crate::base::fatal::fatal;
use crate::g::GRef;
use crate::timer::{Item, Place};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// An entry of a timer heap.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timed {
    Sleep(Task),
    Timeout(NonNull<Timeout>),
    Alarm(NonNull<Alarm>),
}

/// What is to be done about a due entry, once the heap's lock is given back.
pub(super) enum Due {
    Ready(Task),
    Ring(unsafe fn(*const (), &mut Ringer), *const ()),
}

impl Item for Timed {
    #[inline]
    fn place(&self) -> Option<&Place> {
        match self {
            Self::Sleep(_) => None,
            // SAFETY: a timeout stays where it is until it is out of the heap and its lock.
            Self::Timeout(timeout) => Some(&unsafe { timeout.as_ref() }.place),
            // SAFETY: the heap's reference keeps the owner, whose part the alarm is.
            Self::Alarm(alarm) => Some(&unsafe { alarm.as_ref() }.place),
        }
    }
}

impl Timed {
    /// Decides what a due entry comes to; under the heap's lock.
    pub(super) fn settle(self) -> Option<Due> {
        match self {
            Self::Sleep(task) => Some(Due::Ready(task)),
            Self::Timeout(timeout) => {
                // SAFETY: it is there until its heap's lock has been passed through.
                let timeout = unsafe { timeout.as_ref() };
                // SAFETY: the claim belongs to the same wait, and lies beside it.
                let won = unsafe { &*timeout.claim }.expire();
                won.then_some(Due::Ready(timeout.task))
            }
            Self::Alarm(alarm) => {
                // SAFETY: the heap's reference keeps it; the reference passes to the ring.
                let alarm = unsafe { alarm.as_ref() };
                Some(Due::Ring(alarm.ring, alarm.owner.replace(ptr::null())))
            }
        }
    }
}

impl Due {
    /// Does it, on an M that holds `p`.
    pub(super) fn happen(self, p: &'static P) {
        match self {
            // SAFETY: a sleep is ended by its timer alone; a timeout has won the claim.
            Self::Ready(task) => unsafe { ready::ready_on(p, task) },
            // SAFETY: the heap's reference was passed on to us.
            Self::Ring(ring, owner) => unsafe { ring(owner, &mut Ringer { p }) },
        }
    }
}

/// Puts `timed` into the heap of the P that the caller holds, or of P 0. Inside the runtime.
pub(super) fn add(when: u64, timed: Timed) -> bool {
    let p = current().and_then(M::p).unwrap_or_else(|| p_at(0));
    p.timers.add(when, timed)
}

fn take_out(place: &Place) -> Option<Timed> {
    while let Some(home) = place.home() {
        if let Some(timed) = p_at(home as usize).timers.remove(place) {
            return Some(timed);
        }
        // It has been taken as due, or moved with its P: look again.
    }
    None
}

/// The time limit of one wait; see the head.
#[derive(Debug)]
pub(super) struct Timeout {
    place: Place,
    claim: *const Claim,
    task: Task,
}

impl Timeout {
    pub(super) fn new(claim: &Claim, task: Task) -> Self {
        Self { place: Place::new(), claim, task }
    }

    /// Takes it out, if it is not over. After this nobody looks at it any more.
    pub(super) fn call_off(&self, claim: &Claim) {
        // If the timer won, its last look at this came before it made the task ready.
        if claim.ended() != Some(Ended::Expired) {
            take_out(&self.place);
        }
    }
}

/// What an owner can set to be rung later; see the head. Used under the owner's lock.
#[derive(Debug)]
pub(crate) struct Alarm {
    place: Place,
    /// The reference that the heap holds; null when the alarm is not set. Under the heap's lock.
    owner: Cell<*const ()>,
    ring: unsafe fn(*const (), &mut Ringer),
}

impl Alarm {
    /// An alarm that calls `ring` with the owner it was set with, whose reference passes to it.
    pub(crate) const fn new(ring: unsafe fn(*const (), &mut Ringer)) -> Self {
        Self { place: Place::new(), owner: Cell::new(ptr::null()), ring }
    }

    /// Sets the alarm, which must not be set. `owner` is a counted reference to the object that
    /// the alarm is part of; it passes to the heap. The runtime must have been started.
    pub(crate) fn set(&self, when: u64, owner: *const ()) {
        self.owner.set(owner);
        let m = current();
        if let Some(m) = m {
            m.enter();
        }
        self.set_inside(when);
        if let Some(m) = m {
            m.leave();
        }
    }

    fn set_inside(&self, when: u64) {
        if add(when, Timed::Alarm(NonNull::from(self))) {
            clock::nudge(when);
        }
    }

    /// Calls it off; returns the reference it was set with. `None`: it is not set, or is being
    /// rung.
    pub(crate) fn call_off(&self) -> Option<NonNull<()>> {
        take_out(&self.place)?;
        NonNull::new(self.owner.replace(ptr::null()).cast_mut())
    }
}

/// What somebody who is rung may do. It runs on the scheduler's stack: it must not park, and must
/// not run code of users'.
#[derive(Debug)]
pub(crate) struct Ringer {
    p: &'static P,
}

impl Ringer {
    /// As [`ready`](super::ready()).
    ///
    /// # Safety
    /// As for [`ready`](super::ready()).
    pub(crate) unsafe fn ready(&mut self, task: Task) {
        // SAFETY: passed on.
        unsafe { ready::ready_on(self.p, task) };
    }

    /// As [`Alarm::set`], by its owner while it is rung.
    pub(crate) fn set(&mut self, alarm: &Alarm, when: u64, owner: *const ()) {
        alarm.owner.set(owner);
        alarm.set_inside(when);
    }

    /// Starts a goroutine that runs `f`, which must catch its panics.
    pub(crate) fn go<F: FnOnce() + Send + 'static>(&mut self, f: F) {
        let options = spawn::Options::default();
        let g = spawn::dead(Some(self.p), &options, GRef::site::<F>()).unwrap_or_else(|e| {
            fatal(format_args!("cannot create a timer's goroutine: {}", e.describe()))
        });
        // SAFETY: `dead` gave us the goroutine, and `f` borrows nothing.
        unsafe { spawn::prepare(g, None, Some(self.p), options, f) };
        ready::submit_local(self.p, g);
    }
}
