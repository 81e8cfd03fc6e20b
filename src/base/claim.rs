//! The word that several wakers race for: which of them ends a wait in several places.
//!
//! A select stands in the queues of many channels at once, a receive with a timeout in one queue and
//! in a timer heap. Whoever would end the wait first makes one CAS on the claim; the winner alone
//! passes a value and makes the waiter ready, the others go on to the next in their queue.
//!
//! | word | meaning | becomes |
//! |---|---|---|
//! | null | OPEN: parked, or about to be, in every queue | `take`: the winner's record; `expire`: EXPIRED |
//! | record | ended by the waker that took this record from its queue | nothing |
//! | EXPIRED | ended because time was up | nothing |
//!
//! No wake-up is lost. The waiter enqueues itself everywhere under all the queues' locks and gives
//! them back only once it can be resumed; so a waker that comes before finds no record, but the
//! waiter, which looks at every queue's state under those locks, finds what the waker left; and a
//! waker that comes after finds the record, and an OPEN word unless somebody else ends the wait. A
//! waker that loses has given nothing away: it serves the next waiter, or leaves its value where the
//! next one finds it. No wait is ended twice: only one CAS leaves OPEN.
//!
//! A loser may still read the word: the waiter passes through the lock of each queue it stood in
//! before it leaves, and wakers read the word under that lock.

use super::atomic::{AtomicPtr, Ordering};
use core::ptr::{self, NonNull};

/// The word. Serves one wait.
#[derive(Debug)]
pub(crate) struct Claim(AtomicPtr<()>);

/// No record has this address.
const EXPIRED: *mut () = ptr::without_provenance_mut(1);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By the waker that found this record.
    By(NonNull<()>),
    /// Time was up.
    Expired,
}

impl Claim {
    /// Nobody has ended the wait.
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Ends the wait in favour of `record`. False: somebody else has.
    #[inline]
    pub(crate) fn take(&self, record: NonNull<()>) -> bool {
        self.end(record.as_ptr())
    }

    /// Ends the wait because time is up. False: somebody else has.
    pub(crate) fn expire(&self) -> bool {
        self.end(EXPIRED)
    }

    #[inline]
    fn end(&self, by: *mut ()) -> bool {
        // Release: pairs with the Acquire of `ended`. The loser learns nothing but that it lost.
        self.0.compare_exchange(ptr::null_mut(), by, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// How the wait ended; `None` while it has not.
    #[inline]
    pub(crate) fn ended(&self) -> Option<Ended> {
        match self.0.load(Ordering::Acquire) {
            EXPIRED => Some(Ended::Expired),
            record => NonNull::new(record).map(Ended::By),
        }
    }
}
