//! The lease an M has on its P, and how others call the P back while the M is away.
//!
//! A P belongs to the M that runs goroutines with it. While the M is *inside* the runtime it uses
//! the P without further ado. While it is outside - in a goroutine's code, in a system call, asleep
//! in a lock of somebody else's - the P may be taken from it, and the M learns of this when it
//! comes back in. Entering and leaving happen at every call into the runtime, calling back once in
//! a millisecond at most: all the cost is on the side of the revoker.
//!
//! # States
//!
//! ```text
//!             surrender (owner)                          inside   written by the owner only
//!       +--------------------------------+
//!       |                                v
//!    +------+   ask   +-------+      +-------+        Held   the P is the owner's
//!    | Held | ------> | Asked | ---> | Taken |        Asked  a revoker is deciding, or borrowing
//!    +------+ <------ +-------+      +-------+        Taken  the owner has no P
//!       ^  inside, or     |  take or     |
//!       |  returned       |  surrender   |            Held -> Asked -> Held | Taken: the revoker,
//!       |                 +--------------+            except Asked -> Taken by surrender.
//!       +------------ grant (owner) -----+            Taken -> Held, any -> Taken: the owner inside.
//! ```
//!
//! Held has two codes, by the machine's way of making a barrier. HELD: the revoker's barrier is
//! `membarrier(PRIVATE_EXPEDITED)`, the owner's a compiler fence, and `enter` is a store, a load
//! and a branch. HELD_FENCED, where there is no membarrier: `enter` falls through to its slow half,
//! which executes a real fence. So the choice, made once at start, costs the fast path nothing.
//!
//! # Protocol
//!
//! ```text
//!   owner: enter                              revoker: shut_out (one at a time, by a lock)
//!     E1  inside = 1          (Relaxed)         R1  state: Held -> Asked   (CAS, Acquire)
//!     E2  light fence                           R2  heavy barrier
//!     E3  read state          (Acquire)         R3  read inside            (Acquire)
//!         Held  -> has its P                    R4  1: state: Asked -> Held (CAS), give up
//!         Asked -> wait, read again             R5  0: state still Asked? then the owner is shut
//!         Taken -> inside without a P               out until state changes (R6):
//!   owner: leave                                R6      state = Taken (revoked),
//!     L1  inside = 0          (Release)                 or use the P, state = Held (borrowed)
//! ```
//!
//! # Why it is right
//!
//! *At most one of them uses the P.* The heavy barrier makes the owner execute a full fence at some
//! point B of its program, between R1 and R3. Take the last E1 of the owner.
//! * If it comes before B, R3 reads that 1 (or the 0 of the L1 that followed it, see below), and the
//!   revoker gives up.
//! * If it comes after B, then so does E3, which therefore reads Asked or what came after it, and
//!   the owner waits until R4 or R6 has decided.
//! * B between E1 and E3 counts as the first case. The light fence keeps the compiler from swapping
//!   them; that the processor may is what B repairs.
//! * If R3 reads 0, no enter before B is open; with E3 as above, none after B gets past Asked.
//!
//! *What they write is seen.* R3 Acquire reads the 0 of L1 Release: all the owner did to the P. It is
//! the latest 0 before B, not an older one, because B also made the owner's earlier stores visible.
//! R6 Release -> E3 Acquire: all the borrower did. `grant` Release -> R1 Acquire: a revoker that asks
//! for a new lease cannot read an `inside` older than it.
//!
//! *Surrender against Asked.* The owner gives its P up by a swap to Taken, whatever it replaces. If a revoker stands at Asked, it loses: at R4 its CAS fails; at R5, having read the 0
//! of a later L1 (or a Held granted since), it finds something else than Asked and gives up. Nobody
//! but the revoker writes Asked, so finding it at R5 means the same lease it asked for, and from
//! then on the owner cannot surrender: it would have to get past E3 first.
//!
//! *Nobody waits for long.* The owner waits only at Asked, which lasts for one barrier and one
//! borrow. The revoker never waits for the owner.
//!
//! # Rejected
//! * A lock or a CAS per enter: about 20 cycles twice per call, always, for an event once in 10 ms.
//! * The revoker writing `inside` or the owner writing Asked: two writers per word cost a CAS each.
//! * Go's scan bit on G's status (the G is locked while its P is taken): needs a CAS in exitsyscall,
//!   which Go pays only around system calls; we enter at every channel operation.

use crate::base::atomic::{
    AtomicBool, AtomicU32, Ordering, compiler_fence, fence, spin_loop, yield_now,
};

/// The owner has its P; revokers bring a barrier that reaches the owner.
const HELD: u32 = 0;
/// The owner has its P; revokers cannot reach it, so it fences for itself.
const HELD_FENCED: u32 = 1;
/// A revoker is deciding or borrowing; an owner that enters waits.
const ASKED: u32 = 2;
/// The owner has no P.
const TAKEN: u32 = 3;

/// Rounds of spinning before a waiting owner offers its CPU to the revoker.
const SPINS: u32 = if cfg!(any(loom, shuttle)) { 1 } else { 100 };

/// The lease of one M. `enter`, `leave`, `grant` and `surrender` are the M's own; `try_revoke` and
/// `borrow` are for one revoker at a time. A call out of turn breaks the exclusion that callers
/// rest their own `unsafe` on; those callers own that proof.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The owner is in the runtime. Written by the owner only.
    inside: AtomicBool,
    /// See the table of states.
    state: AtomicU32,
    /// HELD or HELD_FENCED: how this process spells "held".
    held: u32,
}

impl Lease {
    /// A lease without a P, whose owner is inside. `fenced`: no membarrier here, and the barriers
    /// that revokers bring are `fence(SeqCst)`.
    pub(crate) fn new(fenced: bool) -> Self {
        Self {
            inside: AtomicBool::new(true),
            state: AtomicU32::new(TAKEN),
            held: if fenced { HELD_FENCED } else { HELD },
        }
    }

    /// The owner comes into the runtime. True: it has its P. False: it is inside all the same, but
    /// the P was taken. Not reentrant.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        debug_assert!(!self.inside.load(Ordering::Relaxed));
        self.inside.store(true, Ordering::Relaxed); // E1
        compiler_fence(Ordering::SeqCst); // E2
        // Acquire: pairs with the borrower's return (R6).
        self.state.load(Ordering::Acquire) == HELD || self.enter_slow() // E3
    }

    /// Not HELD at first sight: fence for ourselves if nobody else does, and wait out a revoker.
    #[cold]
    fn enter_slow(&self) -> bool {
        if self.held == HELD_FENCED {
            fence(Ordering::SeqCst); // E2, pairs with the revoker's fence (R2)
        }
        let mut spins = 0;
        loop {
            match self.state.load(Ordering::Acquire) {
                TAKEN => return false,
                ASKED if spins < SPINS => {
                    spins += 1;
                    spin_loop();
                }
                ASKED => yield_now(),
                _held => return true,
            }
        }
    }

    /// The owner goes back to code that is not ours. It has its P still, until somebody wants it.
    #[inline]
    pub(crate) fn leave(&self) {
        debug_assert!(self.inside.load(Ordering::Relaxed));
        compiler_fence(Ordering::SeqCst);
        // Release: pairs with R3; the revoker sees the P as we leave it.
        self.inside.store(false, Ordering::Release); // L1
    }

    /// The owner, inside without a P, got one.
    pub(crate) fn grant(&self) {
        debug_assert!(self.inside.load(Ordering::Relaxed));
        debug_assert_eq!(self.state.load(Ordering::Relaxed), TAKEN);
        self.state.store(self.held, Ordering::Release); // pairs with R1
    }

    /// The owner, inside with its P, gives it up by itself. Wins against a revoker that has only
    /// asked so far.
    pub(crate) fn surrender(&self) {
        debug_assert!(self.inside.load(Ordering::Relaxed));
        // Relaxed: the revoker that this must stop at R5 reads `inside` of our next leave.
        let before = self.state.swap(TAKEN, Ordering::Relaxed);
        debug_assert_ne!(before, TAKEN);
    }

    /// Takes the P if its M is outside. True: the P is the caller's, with all that the M did to it.
    ///
    /// `barrier` returns after the owner has executed a full fence since the call (membarrier), or,
    /// on a lease made `fenced`, is a full fence itself. One revoker at a time per lease.
    pub(crate) fn try_revoke(&self, barrier: impl FnOnce()) -> bool {
        self.revoke_with(barrier, || ()).is_some()
    }

    /// As [`try_revoke`](Self::try_revoke), and runs `f` before the M can learn that its P is gone and
    /// look for another: the moment to read what the M keeps beside the lease, such as which P it is
    /// on. Make it short.
    pub(crate) fn revoke_with<R>(
        &self,
        barrier: impl FnOnce(),
        f: impl FnOnce() -> R,
    ) -> Option<R> {
        self.while_out(barrier, TAKEN, f)
    }

    /// Runs `f` with the P if its M is outside, and keeps the M out for as long: make it short. The
    /// M never learns of it. `barrier` and the one revoker as in [`try_revoke`](Self::try_revoke).
    pub(crate) fn borrow<R>(&self, barrier: impl FnOnce(), f: impl FnOnce() -> R) -> Option<R> {
        self.while_out(barrier, self.held, f)
    }

    /// R1 to R6: runs `f` if the owner is out, and leaves the lease in state `then`.
    fn while_out<R>(&self, barrier: impl FnOnce(), then: u32, f: impl FnOnce() -> R) -> Option<R> {
        /// Ends Asked in any case: the owner spins for it. The lease is given back if `f` unwinds.
        struct Decide<'a> {
            state: &'a AtomicU32,
            then: u32,
        }
        impl Drop for Decide<'_> {
            fn drop(&mut self) {
                // Release: pairs with E3; the owner sees what `f` did.
                self.state.store(self.then, Ordering::Release); // R6
            }
        }
        self.shut_out(barrier).then(|| {
            let mut decide = Decide { state: &self.state, then: self.held };
            let result = f();
            decide.then = then;
            result
        })
    }

    /// R1 to R5. True: the state is Asked, and the owner is out until we change that.
    fn shut_out(&self, barrier: impl FnOnce()) -> bool {
        let asked =
            self.state.compare_exchange(self.held, ASKED, Ordering::Acquire, Ordering::Relaxed); // R1
        if asked.is_err() {
            return false;
        }
        barrier(); // R2
        // Acquire: pairs with leave (L1).
        if self.inside.load(Ordering::Acquire) {
            // R4. Fails only against a surrender. Release: passes on what earlier borrowers did.
            let _ =
                self.state.compare_exchange(ASKED, self.held, Ordering::Release, Ordering::Relaxed);
            return false;
        }
        self.state.load(Ordering::Relaxed) == ASKED // R5
    }
}
