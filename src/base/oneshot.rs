//! One word on which one waiter and one finisher meet: the heart of a join.
//!
//! ```text
//!             arm (the waiter's park commit)
//!     EMPTY ------------------------------> WAITER
//!       |                                     |
//!       | fire (the finisher)                 | fire: hands the waiter out, to be made ready
//!       v                                     v
//!     DONE <----------------------------------+
//! ```
//!
//! A handle that is dropped unjoined arms with a mark instead of a waiter ([`Oneshot::detach`]), so
//! that the finisher learns that it is left with the cell.
//!
//! Exactly one of the two learns that both have come: `arm` fails, or `fire` returns the waiter.
//! So a waiter is neither forgotten nor made ready twice.
//!
//! Orderings: `fire` Release -> `arm` (failed) and `is_fired` Acquire: whoever learns that it is done
//! sees the result. `arm` Release -> `fire` Acquire: whoever gets the waiter sees it parked, its
//! registers saved.

use super::atomic::{AtomicPtr, Ordering};
use core::ptr::{self, NonNull};

/// The word. Serves one waiter and one firing.
#[derive(Debug)]
pub(crate) struct Oneshot {
    /// Null: EMPTY. [`DONE`]: DONE. Else: WAITER.
    word: AtomicPtr<()>,
}

/// No waiter has this address: waiters are objects.
const DONE: *mut () = ptr::without_provenance_mut(1);
/// Nor this one: nobody will ever wait.
const DETACHED: *mut () = ptr::without_provenance_mut(2);

impl Oneshot {
    /// Nobody waits, nothing has fired.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new() -> Self {
        Self { word: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The checkers' atomics have no const constructor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn new() -> Self {
        Self { word: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Leaves `waiter` to be handed out by [`fire`](Self::fire). False: fired already, and the result
    /// is there; the waiter goes on. The waiter must be ready to be woken before this is called.
    pub(crate) fn arm(&self, waiter: NonNull<()>) -> bool {
        debug_assert_ne!(waiter.as_ptr(), DONE);
        let armed = self.word.compare_exchange(
            ptr::null_mut(),
            waiter.as_ptr(),
            Ordering::Release, // pairs with fire's Acquire
            Ordering::Acquire, // pairs with fire's Release
        );
        debug_assert!(armed.is_ok() || armed == Err(DONE), "one waiter");
        armed.is_ok()
    }

    /// Nobody will wait. False: fired already, and the caller is left with the result.
    pub(crate) fn detach(&self) -> bool {
        NonNull::new(DETACHED).is_some_and(|mark| self.arm(mark))
    }

    /// Whether what [`fire`](Self::fire) returned says that nobody will wait: the finisher is left
    /// with the result.
    pub(crate) fn is_detached(waiter: NonNull<()>) -> bool {
        waiter.as_ptr() == DETACHED
    }

    /// For the next use, by whoever is left with it.
    pub(crate) fn reset(&self) {
        self.word.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// The result is there. Returns the waiter, if it has come; the caller makes it ready.
    pub(crate) fn fire(&self) -> Option<NonNull<()>> {
        let before = self.word.swap(DONE, Ordering::AcqRel);
        debug_assert_ne!(before, DONE, "fired once");
        NonNull::new(before)
    }

    /// True: the result is there, and seen by the caller.
    #[inline]
    pub(crate) fn is_fired(&self) -> bool {
        self.word.load(Ordering::Acquire) == DONE
    }
}
