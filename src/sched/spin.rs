//! When to wake another M, and when an M may go to sleep: no work waits while a P is idle.
//!
//! The policy is Go's (the head of `runtime/proc.go`, "Worker thread parking/unparking"). An M that
//! has a P and looks for work in other Ps' queues is *spinning*. Whoever makes work available wakes
//! one M, born spinning, if there is an idle P and nobody spins; a spinner that finds work wakes the
//! next one if it was the last. So the number of running Ms follows the work, one wake at a time, and
//! goroutines that wake each other on one P cost no thread switch while a spinner is about.
//!
//! This file owns two words and no queue. It neither starts nor stops Ms: it says when to.
//!
//! # Protocol
//!
//! ```text
//!   submitter                                M that found nothing
//!     S1  publish the work                     Z1  lock: P to the idle list, idle += 1; unlock
//!     S2  fence(SeqCst)                        Z2  spinning -= 1, if it was spinning
//!     S3  idle > 0 and spinning == 0 ?         Z3  fence(SeqCst)
//!     S4  CAS spinning 0 -> 1                  Z4  look at every queue again
//!     S5  lock: an idle P? idle -= 1; unlock;  Z5  work? lock: an idle P? idle -= 1; unlock;
//!         start an M with it, born spinning        spin with it (counted), search, F or Z
//!     S6  none: spinning -= 1; unlock          Z6  no work, or no idle P: sleep
//!
//!   spinning M that found work
//!     F1  take it    F2  spinning -= 1    F3  was it 1? S2 to S6, and whatever comes out, run it
//! ```
//!
//! `idle` changes under the scheduler's lock only, together with the list; S3 reads it without.
//!
//! # Why no work waits while a P is idle
//!
//! Let work be published (S1), not be taken, and everything have come to rest: each M runs a goroutine
//! or sleeps. We show that no P is idle. Suppose one is, and let M be the one that put it on the
//! list last; M has passed Z1, Z3 and Z4 since, and did not see the work, or it saw the work and an
//! empty list (Z6), in which case M was not the last. Fences are totally ordered, so S2 comes before
//! Z3, and then Z4 sees the work, which is a contradiction; or Z3 comes before S2, and then S3 sees
//! Z1 and Z2. So at S3 the submitter sees an idle P, and did not wake anybody for one of these
//! reasons:
//! * *A spinner*, or a waker that won S4. It is not M, whose Z2 is seen. If it found work, it was the
//!   last or another spinner was there still; take the last. Its F2 comes after the value read in
//!   S3, so its fence at F3 after S2, hence after Z3: it sees M's idle P, and wakes an M for it. If
//!   it found none, its Z3 comes after S2 for the same reason, and its Z4 sees the work.
//! * *A waker that found the list empty* (S6) had lowered `spinning` before it gave up the lock, and
//!   that was before Z1, or it would have found M's P. Then S3 sees the lower count.
//! * *An M that was woken* is a spinner until its F or Z: as above.
//!
//! *Work on its way* from one queue to another is in neither, and M may look just then. So whoever
//! moves more than it runs counts as its submitter. A thief does so at F: its ring is written before
//! F2, which is a Release; if it was the last spinner F3 is the submission, else M's Z2 reads F2 or
//! what followed it, and M's Z4 sees the ring. An M that is not spinning and moves a batch from the
//! global queue to its ring must go through S2 to S6 after it.
//!
//! In each case somebody takes the P from the list again: a contradiction to rest. Nothing above
//! depends on whether M was spinning: an M that [`Spin::may_spin`] refused, and that has never looked
//! at other Ps' queues, does so in Z4 at the latest. That is also why a stale answer of `may_spin`
//! does no harm.
//!
//! # Orderings
//! The pair S1-S3, Z1-Z4 is Dekker's, held together by the two fences alone. Lowering `spinning` in
//! S6 is ordered by the lock. F2 Release -> Z2, Z3: a thief's ring. All else is relaxed; work is handed
//! over by its queue's own orderings.
//!
//! # Rejected
//! * Go's `needspinning`, by which an M that cannot get a P tells the next one that is about to drop its
//!   P to search again. Go lets an M that is not spinning sleep without Z3 and Z4, and so must go to
//!   the lock in S4 even if no P is idle, to leave that message. That suits a global queue that is
//!   itself under the lock; ours is not, and the last look costs only those who go to sleep anyway.
//! * `membarrier` in Z3 and a compiler fence in S2, as in `lease.rs`: S2 is in every `ready`, but Z3 is in
//!   every sleep of a thread, and the barrier interrupts every running M.
//! * No spinner count: a burst of 100 `go` would wake 100 threads for one P's work.

use crate::base::atomic::{AtomicU32, Ordering, fence};

/// The two words. Keep it on a cache line of its own: every submitter reads it.
#[derive(Debug)]
pub(crate) struct Spin {
    /// Ms that look for work, those being started to do so included.
    spinning: AtomicU32,
    /// Ps on the idle list. Changed under the scheduler's lock.
    idle: AtomicU32,
}

impl Spin {
    /// Nobody spins, no P is idle.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new() -> Self {
        Self { spinning: AtomicU32::new(0), idle: AtomicU32::new(0) }
    }

    /// The checkers' atomics have no const constructor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn new() -> Self {
        Self { spinning: AtomicU32::new(0), idle: AtomicU32::new(0) }
    }

    /// S2 to S4, after the work was published. True: the caller starts one M with an idle P, born
    /// spinning and counted already, or says [`wake_failed`](Self::wake_failed).
    #[inline]
    #[must_use = "somebody must be woken, or wake_failed called"]
    pub(crate) fn should_wake(&self) -> bool {
        fence(Ordering::SeqCst); // S2, pairs with Z3
        self.idle.load(Ordering::Relaxed) > 0
            && self.spinning.load(Ordering::Relaxed) == 0
            && self.claim()
    }

    /// S4: one waker at a time.
    #[cold]
    fn claim(&self) -> bool {
        self.spinning.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// S6: the idle list turned out to be empty. Call it before giving up the lock under which it
    /// did.
    pub(crate) fn wake_failed(&self) {
        self.lower();
    }

    /// May the caller, an M with one of `procs` Ps, spin? If so it is counted from now on. Half of
    /// the busy Ps' Ms may, rounded up (more by a race, which is harmless): searching costs the rest.
    pub(crate) fn may_spin(&self, procs: u32) -> bool {
        let busy = procs.saturating_sub(self.idle.load(Ordering::Relaxed));
        let may = 2 * self.spinning.load(Ordering::Relaxed) < busy;
        if may {
            self.start_spinning();
        }
        may
    }

    /// Counts the caller without asking: it took an idle P for the work it saw (Z5).
    pub(crate) fn start_spinning(&self) {
        self.spinning.fetch_add(1, Ordering::Relaxed);
    }

    /// Z2 and Z3: the spinning caller has put its P on the idle list. It must now look at every
    /// queue once more.
    pub(crate) fn stop_spinning(&self) {
        self.lower();
        self.look_again();
    }

    /// Z3 for an M that was not spinning. It must look at every queue once more, too.
    pub(crate) fn look_again(&self) {
        fence(Ordering::SeqCst); // Z3, pairs with S2
    }

    /// F2: the spinning caller has taken work. True: it was the last spinner, and acts as if it had
    /// just submitted work ([`should_wake`](Self::should_wake)).
    #[must_use = "the last spinner wakes another"]
    pub(crate) fn found_work(&self) -> bool {
        self.lower() == 1
    }

    /// One spinner less. Returns how many there were.
    fn lower(&self) -> u32 {
        // Release: a thief's ring, before F2, is seen by the spinners that stop after it (Z2, Z3).
        let before = self.spinning.fetch_sub(1, Ordering::Release);
        debug_assert!(before > 0);
        before
    }

    /// A P went on the idle list. Under the lock.
    pub(crate) fn p_idle(&self) {
        self.idle.fetch_add(1, Ordering::Relaxed);
    }

    /// A P came off the idle list. Under the lock.
    pub(crate) fn p_busy(&self) {
        let before = self.idle.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0);
    }

    /// Idle Ps: exact under the lock, else of a moment ago.
    pub(crate) fn idle(&self) -> u32 {
        self.idle.load(Ordering::Relaxed)
    }

    /// Spinning Ms, a moment ago.
    pub(crate) fn spinning(&self) -> u32 {
        self.spinning.load(Ordering::Relaxed)
    }
}
