//! The word between one party that waits for a direction of a descriptor, and all who can end its
//! wait: a binary semaphore (Go's `rg` and `wg` of `pollDesc`).
//!
//! ```text
//!              pass (before each attempt)
//!      +------------------------------------+
//!      v         open (an event)            |
//!    SHUT ------------------------------> OPEN <--+
//!      |  ^                                 |     | open
//!      |  | open, knock: the waiter is      +-----+
//!      |  |   handed out, to be made ready
//!      v  |
//!    waiter      arm (the park's commit): from SHUT only; OPEN refuses
//! ```
//!
//! # Protocol
//!
//! ```text
//!   the party that wants to read             who takes an event from the kernel
//!     A1  pass: OPEN -> SHUT                   E1  open: SHUT, OPEN -> OPEN
//!     A2  try; done if it gets anywhere            waiter -> SHUT, made ready
//!     A3  arm: SHUT -> waiter, or A1
//!     A4  fence(SeqCst)                      who closes, or whose deadline it is
//!     A5  over (closed, time is up)?           K1  write that it is over
//!         disarm: waiter -> SHUT, or sleep     K2  fence(SeqCst)
//!     A6  woken: A1                            K3  knock: waiter -> SHUT, made ready
//! ```
//!
//! # Why no wake-up is lost
//!
//! *An event.* What it tells of happened in the kernel before E1. If E1 comes before A1, the attempt in
//! A2 sees what happened. If it comes between A1 and A3, A3 finds OPEN and tries again. If it comes after
//! A3, it hands the waiter out. An edge is told once, but it is told to this word, which keeps it.
//!
//! *The end.* K2 and A4 are totally ordered. If K2 comes first, A5 sees K1 and takes the waiter back, or
//! somebody has taken it and is about to make it ready. Else K3 sees the waiter, or that somebody has
//! taken it.
//!
//! *Nobody is made ready twice*: only one RMW takes the waiter's address out of the word, and it is
//! the taker, or `disarm`, who owns the right to let the party go on.
//!
//! A wake-up says no more than "look again": the party runs A1 and A5's questions anew. So an event that
//! was meant for an earlier owner of the descriptor does no harm.
//!
//! Orderings: `arm` Release -> `open`, `knock` Acquire: whoever gets the waiter sees it parked. `open`
//! Release -> `pass`, `arm` Acquire: who goes on sees what was written before the event was told.
//!
//! # Rejected
//! * Go's fourth state, "about to park": its waiter must be marked before it leaves its stack. Ours arms in
//!   the park's commit, when it has left.
//! * The end of the wait in the word itself, as a state CLOSED: a deadline is taken back, and two of them
//!   can fall together with an event; a level that is asked beside an edge that is told is simpler.

use crate::base::atomic::{AtomicPtr, Ordering, fence};
use core::ptr::{self, NonNull};

/// No waiter has this address: a goroutine is aligned to more, a thread's word has its lowest bit set.
const OPEN: *mut () = ptr::without_provenance_mut(2);
const SHUT: *mut () = ptr::null_mut();

/// The word. One party at a time waits at it; the lock of its direction sees to that.
#[derive(Debug)]
pub(crate) struct Gate(AtomicPtr<()>);

impl Gate {
    /// Nothing has been told.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(SHUT))
    }

    /// The checkers' atomics have no const constructor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(SHUT))
    }

    /// A1: takes note of what was told, before an attempt. True: something was told since the last
    /// time. By the party whose turn it is to wait, while it does not.
    #[inline]
    pub(crate) fn pass(&self) -> bool {
        if self.0.load(Ordering::Relaxed) == SHUT {
            return false;
        }
        // Acquire: pairs with `open`.
        let was = self.0.swap(SHUT, Ordering::Acquire);
        debug_assert!(was == OPEN || was == SHUT, "somebody waits already");
        was == OPEN
    }

    /// A3 to A5, in the park's commit. True: `waiter` sleeps, and will be handed out once. False: it
    /// goes on at once, because something was told or because it is `over`.
    pub(crate) fn arm(&self, waiter: NonNull<()>, over: impl FnOnce() -> bool) -> bool {
        let waiter = waiter.as_ptr();
        debug_assert!(waiter != OPEN);
        // Release: pairs with the Acquire of who takes it. The one who goes on passes before it tries.
        if self.0.compare_exchange(SHUT, waiter, Ordering::Release, Ordering::Relaxed).is_err() {
            return false;
        }
        fence(Ordering::SeqCst); // A4, pairs with K2
        // Relaxed: our own address, or somebody has it and makes us ready.
        !over()
            || self.0.compare_exchange(waiter, SHUT, Ordering::Relaxed, Ordering::Relaxed).is_err()
    }

    /// E1: an event. Returns the waiter, to be made ready.
    #[must_use = "the waiter must be made ready"]
    pub(crate) fn open(&self) -> Option<NonNull<()>> {
        let mut was = self.0.load(Ordering::Relaxed);
        loop {
            // OPEN stays, by an RMW all the same: a load could miss that the party has just passed.
            let next = if was == SHUT || was == OPEN { OPEN } else { SHUT };
            match self.0.compare_exchange_weak(was, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(OPEN) => return None,
                Ok(waiter) => return NonNull::new(waiter),
                Err(now) => was = now,
            }
        }
    }

    /// K2 and K3: it has been written that the wait is over. Returns the waiter, to be made ready.
    #[must_use = "the waiter must be made ready"]
    pub(crate) fn knock(&self) -> Option<NonNull<()>> {
        fence(Ordering::SeqCst); // K2, pairs with A4
        let was = self.0.load(Ordering::Relaxed);
        if was == SHUT || was == OPEN {
            return None;
        }
        // One attempt: who was there a moment ago and is not any more has been woken meanwhile. Acquire:
        // pairs with `arm`.
        self.0.compare_exchange(was, SHUT, Ordering::Acquire, Ordering::Relaxed).ok()?;
        NonNull::new(was)
    }

    /// Whether a party waits. A moment ago, unless the caller knows that nobody runs.
    pub(crate) fn is_waited_at(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        word != SHUT && word != OPEN
    }
}
