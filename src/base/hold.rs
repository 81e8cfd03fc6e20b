//! Keeping a goroutine that does not run from running for a moment: the scavenger's side and that of
//! the M that has picked the goroutine to run it.
//!
//! The scavenger gives back pages of stacks of parked and dead goroutines. They are anybody's to make
//! ready or to reuse meanwhile, and whoever does so pays nothing for it: no lock, no read-modify-write,
//! no fence. All that the running side does is to look at this word after the pick, and it is zero
//! unless the scavenger is at this very goroutine, or something else is odd with it: the scheduler has
//! a bit of its own there, for which it would have to look at another word.
//!
//! # Protocol
//!
//! ```text
//!   the holder (one at a time)               who makes it runnable, and the M that runs it
//!     H1  word = WANTED      (Relaxed)         R1  state = Runnable         (Release)
//!     H2  heavy barrier, for a batch           R2  to a queue, from a queue (Release, Acquire)
//!     H3  read state         (Acquire)         R3  read word                (Acquire)
//!         not as it was: word = 0                  0: run it
//!     H4  word: WANTED -> TAKEN, or give up    R4  WANTED -> 0: run it
//!         work                                     TAKEN: |= RECALLED, wait for 0 (Acquire)
//!     H5  word = 0           (Release)
//! ```
//!
//! # Why it is right
//!
//! *It does not run while the holder works.* The holder goes on to H4 only if H3 reads the state that
//! it has marked itself a while ago, which every R1 overwrites. The heavy barrier makes each thread of
//! the process execute a full fence between H1 and H3. Take the R1 that the next run begins with. Were
//! it before its thread's fence, H3 would read it. So it is after the fence and thus after H1; R3 comes
//! after R1, on the same thread or over a queue that orders the two, and therefore reads WANTED or what
//! came of it. From there on the word decides by itself: H4 and R4 are read-modify-writes, and one of
//! them is first.
//!
//! *What they write is seen.* The state's mark is an Acquire of what the last run left (its M stored
//! the state with Release); H5 Release -> R3 or R4 Acquire.
//!
//! *Nobody waits for long.* R4 takes a goroutine back that the holder has not begun with. The holder
//! looks for RECALLED between pieces of work, and never waits for anybody.
//!
//! # Rejected
//! * Go's scan bit in the state, with a compare-exchange at every change of state: 5 ns each on the
//!   paths that cost 10.
//! * Pages protected instead of the goroutine held: a system call that is given such an address fails
//!   with EFAULT instead of waiting.
//! * Stopping the world for it: giving a million pages back takes seconds.

use crate::base::atomic::{AtomicU32, Ordering, compiler_fence, spin_loop, yield_now};

/// The holder would like to work on it.
const WANTED: u32 = 1;
/// The holder works on it.
const TAKEN: u32 = 2;
/// And somebody waits for it to run.
const RECALLED: u32 = 4;
/// All of these.
const HELD: u32 = WANTED | TAKEN | RECALLED;
/// Nothing to do with holding: so that one look tells whether a goroutine is to be run as usual.
const ODD: u32 = 8;

/// Rounds of spinning before a waiting M offers its CPU to the holder.
const SPINS: u32 = if cfg!(any(loom, shuttle)) { 1 } else { 100 };

/// The word. `is_clear` and `pass` are for who is about to run the goroutine, the rest for the holder.
#[derive(Debug)]
pub(crate) struct Hold(AtomicU32);

impl Hold {
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn none() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The checkers' atomics have no const constructor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn none() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Whether the goroutine is to be run as usual: if not, whoever runs it must [`pass`](Self::pass)
    /// first, and look whether it is [`odd`](Self::set_odd).
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        // The state is stored before. That the processor may swap the two is what H2 repairs.
        compiler_fence(Ordering::SeqCst);
        self.0.load(Ordering::Acquire) == 0 // R3; pairs with `release` (H5)
    }

    /// Sets or clears the scheduler's own bit.
    pub(crate) fn set_odd(&self, odd: bool) {
        if odd {
            self.0.fetch_or(ODD, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!ODD, Ordering::Relaxed);
        }
    }

    /// Takes the goroutine back from the holder; returns when it may run.
    #[cold]
    pub(crate) fn pass(&self) {
        let mut spins = 0;
        loop {
            // R4: WANTED goes away if the holder has not begun; else it is reminded.
            let word = self.0.fetch_and(!WANTED, Ordering::Acquire);
            if word & TAKEN == 0 {
                return;
            }
            if word & RECALLED == 0 {
                self.recall();
            }
            if spins < SPINS {
                spins += 1;
                spin_loop();
            } else {
                yield_now();
            }
        }
    }

    /// TAKEN becomes TAKEN | RECALLED, if it still is that.
    fn recall(&self) {
        let remind = |word| (word & TAKEN != 0).then_some(word | RECALLED);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, remind);
    }

    /// H1. Nothing is held here: there is one holder, and it leaves nothing behind.
    pub(crate) fn want(&self) {
        self.0.fetch_or(WANTED, Ordering::Relaxed);
    }

    /// H4, after the barrier, if the state is `unchanged`. False: it was not, or the goroutine has been
    /// taken back; then nothing is held.
    pub(crate) fn take(&self, unchanged: bool) -> bool {
        if !unchanged {
            self.0.fetch_and(!WANTED, Ordering::Relaxed);
            return false;
        }
        let begin = |word| (word & WANTED != 0).then_some(word & !WANTED | TAKEN);
        self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, begin).is_ok()
    }

    /// Whether somebody waits: the holder should come to an end.
    pub(crate) fn is_recalled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & RECALLED != 0
    }

    /// H5, after a `take` that said yes.
    pub(crate) fn release(&self) {
        self.0.fetch_and(!HELD, Ordering::Release);
    }
}
