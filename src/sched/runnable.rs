//! What the run queues hold: a goroutine, or the record of one that has not started (`birth.rs`).
//!
//! Both are aligned to 64 bytes, so the lowest bit of the address tells them apart, and queues and
//! thieves move the one word without looking. The M that picks it ([`Runnable::into_goroutine`]) is
//! the only one that asks.

use super::birth::Birth;
use super::m::M;
use crate::g::{G, GRef};
use std::ptr::NonNull;

const UNBORN: usize = 1;

const _: () = assert!(align_of::<G>() > UNBORN && align_of::<Birth>() > UNBORN);

/// An entry of a run queue. Whoever takes it out owns it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Runnable(NonNull<G>);

impl Runnable {
    #[inline]
    pub(super) fn goroutine(g: GRef) -> Self {
        Self(g.as_ptr())
    }

    pub(super) fn unborn(birth: NonNull<Birth>) -> Self {
        Self(birth.cast::<G>().map_addr(|a| a | UNBORN))
    }

    /// The word, for queues that take pointers.
    #[inline]
    pub(super) fn as_ptr(self) -> NonNull<G> {
        self.0
    }

    /// # Safety
    /// `ptr` came from [`as_ptr`](Self::as_ptr).
    #[inline]
    pub(super) unsafe fn from_ptr(ptr: NonNull<G>) -> Self {
        Self(ptr)
    }

    fn is_unborn(self) -> bool {
        self.0.addr().get() & UNBORN != 0
    }

    /// Fetches what its run will touch first. An unborn one needs no help: records lie side by side
    /// and are read in the order in which they were written.
    #[inline]
    pub(super) fn prefetch(self) {
        if !self.is_unborn() {
            // SAFETY: without the tag it is a goroutine's address.
            unsafe { GRef::from_ptr(self.0) }.prefetch();
        }
    }

    /// The goroutine to run, on `m`, which holds a P and has taken this entry out of its queue.
    #[inline]
    pub(super) fn into_goroutine(self, m: &M) -> GRef {
        if self.is_unborn() {
            let at = self.0.map_addr(|a| {
                // Not zero: a record does not lie at address 0.
                std::num::NonZero::new(a.get() & !UNBORN).expect("records have addresses")
            });
            return Birth::happen(at.cast(), m);
        }
        // SAFETY: without the tag it is a goroutine's address.
        unsafe { GRef::from_ptr(self.0) }
    }
}

impl std::fmt::Debug for Runnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runnable({:p}, unborn: {})", self.0, self.is_unborn())
    }
}
