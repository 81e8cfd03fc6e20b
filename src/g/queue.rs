//! A first-in first-out list of goroutines, linked through their control blocks: for batches that
//! are on their way from one queue to another. Not shared between threads, but anyone may ask whether
//! it is empty: sysmon looks at the queues of Ps that others hold.

use super::{G, GRef};
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

/// An owner-only queue.
#[derive(Default)]
pub(crate) struct Queue {
    /// Stored by the owner; relaxed, since it hands nothing over.
    head: AtomicPtr<G>,
    tail: Cell<Option<NonNull<G>>>,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), tail: Cell::new(None) }
    }

    /// Exact for the owner, a hint for others.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Appends a goroutine the caller holds.
    #[inline]
    pub(crate) fn push(&self, g: GRef) {
        g.link.set(None);
        match self.tail.replace(Some(g.as_ptr())) {
            // SAFETY: control blocks live for ever; the tail is in this queue, so its link is ours.
            Some(tail) => unsafe { tail.as_ref() }.link.set(Some(g.as_ptr())),
            None => self.head.store(g.as_ptr().as_ptr(), Ordering::Relaxed),
        }
    }

    /// Takes the oldest.
    #[inline]
    pub(crate) fn pop(&self) -> Option<GRef> {
        let head = NonNull::new(self.head.load(Ordering::Relaxed))?;
        // SAFETY: only GRefs are pushed.
        let g = unsafe { GRef::from_ptr(head) };
        let next = g.link.take();
        self.head.store(next.map_or(ptr::null_mut(), NonNull::as_ptr), Ordering::Relaxed);
        if next.is_none() {
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
