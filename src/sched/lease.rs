//! The lease of an M: how its P is used without atomic read-modify-writes and still called back.
//!
//! What an M keeps to itself - which P it holds, that P's queue and caches - is its own while the M
//! is *inside* the runtime. While it is outside - in a goroutine's code, in a system call, asleep in a
//! lock of somebody else's - another thread may *borrow* all that: look at it, take the goroutine out
//! of `runnext`, or take the whole P away (the M finds its place empty when it comes back in).
//! Entering and leaving happen at every call into the runtime, borrowing once in a millisecond at
//! most: all the cost is on the side of the borrower.
//!
//! # States
//!
//! | `state` | meaning | written by |
//! |---|---|---|
//! | HELD, HELD_FENCED | the owner may use what it keeps | the borrower, giving back |
//! | ASKED | a borrower is deciding, or borrowing; an owner that enters waits | the borrower |
//! | FORKED | the owner is the only thread of a forked child: its next enter ends the process | the owner |
//!
//! `inside` is written by the owner only. HELD has two codes, by the machine's way of making a
//! barrier. HELD: the borrower's barrier is `membarrier(PRIVATE_EXPEDITED)`, the owner's a compiler
//! fence, and `enter` is a store, a load and a branch. HELD_FENCED, where there is no membarrier:
//! `enter` falls through to its slow half, which executes a real fence. So the choice, made once at
//! start, costs the fast path nothing. A program may forbid itself membarrier later (a sandbox): the
//! borrower's call fails, it gives up, and makes every lease HELD_FENCED ([`Lease::fence`]). An
//! owner that has read HELD just before has not fenced; whoever borrows next waits long enough for
//! any processor to have let that store out (`m.rs`).
//!
//! # Protocol
//!
//! ```text
//!   owner: enter                              borrower (one at a time, by a lock)
//!     E1  inside = 1          (Relaxed)         R1  state = ASKED        (Relaxed)
//!     E2  light fence                           R2  heavy barrier
//!     E3  read state          (Acquire)         R3  read inside          (Acquire)
//!         HELD  -> inside                           0: use what the owner keeps
//!         ASKED -> wait, read again             R4  state = HELD         (Release)
//!   owner: leave
//!     L1  inside = 0          (Release)
//! ```
//!
//! # Why it is right
//!
//! *At most one of them uses what the owner keeps.* The heavy barrier makes the owner execute a full
//! fence at some point B of its program, between R1 and R3. Take the last E1 of the owner.
//! * If it comes before B, R3 reads that 1 (or the 0 of the L1 that followed it, see below), and the
//!   borrower gives up.
//! * If it comes after B, then so does E3, which therefore reads ASKED or what came after it, and
//!   the owner waits until R4.
//! * B between E1 and E3 counts as the first case. The light fence keeps the compiler from swapping
//!   them; that the processor may is what B repairs.
//! * If R3 reads 0, no enter before B is open; with E3 as above, none after B gets past ASKED.
//!
//! *What they write is seen.* R3 Acquire reads the 0 of L1 Release: all the owner did. It is the
//! latest 0 before B, not an older one, because B also made the owner's earlier stores visible. R4
//! Release -> E3 Acquire: all the borrower did.
//!
//! *Nobody waits for long.* The owner waits only at ASKED, which lasts for one barrier and one borrow.
//! The borrower never waits for the owner.
//!
//! # Rejected
//! * A lock or a CAS per enter: about 20 cycles twice per call, always, for an event once in 10 ms.
//! * A third state "the P was taken", with hand-over rules against an owner that gives its P up by
//!   itself: the borrower can as well take the P out of the owner's place for it, while it is out.
//! * Go's scan bit on G's status (the G is locked while its P is taken): needs a CAS in exitsyscall,
//!   which Go pays only around system calls; we enter at every channel operation.

use crate::base::atomic::{
    AtomicBool, AtomicU32, Ordering, compiler_fence, fence, spin_loop, yield_now,
};

/// The owner may go in; borrowers bring a barrier that reaches the owner.
const HELD: u32 = 0;
/// The owner may go in; borrowers cannot reach it, so it fences for itself.
const HELD_FENCED: u32 = 1;
/// A borrower is deciding or borrowing; an owner that enters waits.
const ASKED: u32 = 2;
/// The process is a forked child, in which there is no scheduler.
const FORKED: u32 = 3;

/// Rounds of spinning before a waiting owner offers its CPU to the borrower.
const SPINS: u32 = if cfg!(any(loom, shuttle)) { 1 } else { 100 };

/// The lease of one M. `enter` and `leave` are the M's own; `borrow` is for one borrower at a time. A
/// call out of turn breaks the exclusion that callers rest their own `unsafe` on; those callers own
/// that proof.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The owner is in the runtime. Written by the owner only.
    inside: AtomicBool,
    /// See the table of states.
    state: AtomicU32,
    /// HELD or HELD_FENCED: how this process spells "held". Written by borrowers only.
    held: AtomicU32,
}

impl Lease {
    /// A lease whose owner is inside. `fenced`: no membarrier here, and the barriers that borrowers
    /// bring are `fence(SeqCst)`.
    pub(crate) fn new(fenced: bool) -> Self {
        let held = if fenced { HELD_FENCED } else { HELD };
        Self {
            inside: AtomicBool::new(true),
            state: AtomicU32::new(held),
            held: AtomicU32::new(held),
        }
    }

    /// The owner comes into the runtime. Not reentrant.
    #[inline]
    pub(crate) fn enter(&self) {
        debug_assert!(!self.inside.load(Ordering::Relaxed));
        self.inside.store(true, Ordering::Relaxed); // E1
        compiler_fence(Ordering::SeqCst); // E2
        // Acquire: pairs with the borrower's return (R4).
        if self.state.load(Ordering::Acquire) != HELD {
            self.enter_slow(); // E3
        }
    }

    /// Not HELD at first sight: fence for ourselves if nobody else does, and wait out a borrower.
    #[cold]
    fn enter_slow(&self) {
        let mut spins = 0;
        loop {
            // E2, pairs with the borrower's fence (R2). Where borrowers bring the barrier it is one
            // fence too many, on a path that waits.
            fence(Ordering::SeqCst);
            match self.state.load(Ordering::Acquire) {
                ASKED if spins < SPINS => {
                    spins += 1;
                    spin_loop();
                }
                ASKED => yield_now(),
                FORKED => forked(),
                _ => return,
            }
        }
    }

    /// From now on the owner fences for itself: the borrowers have lost their barrier. By the one
    /// borrower there is, outside [`borrow`](Self::borrow).
    pub(crate) fn fence(&self) {
        self.held.store(HELD_FENCED, Ordering::Relaxed);
        self.state.store(HELD_FENCED, Ordering::Release);
    }

    /// The owner finds itself in a forked child, outside the runtime.
    pub(crate) fn fork(&self) {
        self.state.store(FORKED, Ordering::Relaxed);
    }

    /// The owner goes back to code that is not ours.
    #[inline]
    pub(crate) fn leave(&self) {
        debug_assert!(self.inside.load(Ordering::Relaxed));
        compiler_fence(Ordering::SeqCst);
        // Release: pairs with R3; the borrower sees everything as we leave it.
        self.inside.store(false, Ordering::Release); // L1
    }

    /// Whether the owner is inside: for the owner, who may ask in a signal handler.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside.load(Ordering::Relaxed)
    }

    /// Runs `f` if the owner is outside, and keeps it out for as long: make it short. `None` if the
    /// owner is inside.
    ///
    /// `barrier` returns after the owner has executed a full fence since the call (membarrier), or,
    /// on a lease made `fenced`, is a full fence itself; or it returns false, and nothing is
    /// borrowed. One borrower at a time.
    pub(crate) fn borrow<R>(
        &self,
        barrier: impl FnOnce() -> bool,
        f: impl FnOnce() -> R,
    ) -> Option<R> {
        /// Gives the lease back, also when `f` unwinds: the owner spins for it.
        struct Return<'a>(&'a Lease);
        impl Drop for Return<'_> {
            fn drop(&mut self) {
                // Release: pairs with E3; the owner sees what `f` did.
                let held = self.0.held.load(Ordering::Relaxed);
                self.0.state.store(held, Ordering::Release); // R4
            }
        }
        self.state.store(ASKED, Ordering::Relaxed); // R1
        let _return = Return(self);
        let reached = barrier(); // R2
        // Acquire: pairs with leave (L1).
        let out = reached && !self.inside.load(Ordering::Acquire); // R3
        out.then(f)
    }
}

/// The words for a child of fork that goes on as if it were its parent.
pub(crate) const FORKED_CHILD: &str = "the child of a fork cannot use the runtime: \
     only the thread that forked lives on there; call exec or _exit";

#[cold]
fn forked() -> ! {
    crate::base::fatal::fatal(format_args!("{FORKED_CHILD}"))
}
