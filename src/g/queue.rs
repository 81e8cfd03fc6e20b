//! A first-in first-out list of goroutines, linked through their control blocks: for batches that
//! are on their way from one queue to another. Not shared between threads.

use super::{G, GRef};
use std::cell::Cell;
use std::ptr::NonNull;

/// An owner-only queue.
#[derive(Default)]
pub(crate) struct Queue {
    head: Cell<Option<NonNull<G>>>,
    tail: Cell<Option<NonNull<G>>>,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { head: Cell::new(None), tail: Cell::new(None) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_none()
    }

    /// Appends a goroutine the caller holds.
    #[inline]
    pub(crate) fn push(&self, g: GRef) {
        g.link.set(None);
        match self.tail.replace(Some(g.as_ptr())) {
            // SAFETY: control blocks live for ever; the tail is in this queue, so its link is ours.
            Some(tail) => unsafe { tail.as_ref() }.link.set(Some(g.as_ptr())),
            None => self.head.set(Some(g.as_ptr())),
        }
    }

    /// Takes the oldest.
    #[inline]
    pub(crate) fn pop(&self) -> Option<GRef> {
        let head = self.head.get()?;
        // SAFETY: only GRefs are pushed.
        let g = unsafe { GRef::from_ptr(head) };
        self.head.set(g.link.take());
        if self.head.get().is_none() {
            self.tail.set(None);
        }
        Some(g)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}
