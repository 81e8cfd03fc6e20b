//! Waiter records and the queues they stand in (Go's `sudog` and `waitq`).
//!
//! A record lies on the stack of the party that waits, which stays put until its wait has ended. It
//! is linked both ways, so that a waiter that gives up (a select that was served elsewhere, a
//! timeout) leaves in constant time. A queue is used under its owner's lock alone.

use super::ready::ready;
use super::task::{Me, Task};
use std::cell::Cell;
use std::marker::PhantomPinned;
use std::ptr::{self, NonNull};

/// One party waiting in one queue.
#[derive(Debug)]
pub(crate) struct Waiter {
    prev: Cell<*const Waiter>,
    next: Cell<*const Waiter>,
    task: Task,
    /// Where a value is to be put, or is to be taken from; the queue's owner knows its type.
    pub(crate) slot: *mut (),
    /// Whether the wait ended with what it was for (a value passed), not with a close.
    pub(crate) served: Cell<bool>,
    _pin: PhantomPinned,
}

impl Waiter {
    /// A record for the calling party. It must outlive its stay in a queue.
    #[inline]
    pub(crate) fn new(me: &Me, slot: *mut ()) -> Self {
        Self {
            prev: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            task: me.task(),
            slot,
            served: Cell::new(false),
            _pin: PhantomPinned,
        }
    }

    /// Who to make ready.
    #[inline]
    pub(crate) fn task(&self) -> Task {
        self.task
    }
}

/// First come, first served.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    head: Cell<*const Waiter>,
    tail: Cell<*const Waiter>,
}

impl WaitQueue {
    pub(crate) const fn new() -> Self {
        Self { head: Cell::new(ptr::null()), tail: Cell::new(ptr::null()) }
    }

    /// Puts `w` at the end.
    ///
    /// # Safety
    /// The owner's lock is held; `w` is in no queue and stays where it is until it has left this one.
    #[inline]
    pub(crate) unsafe fn push(&self, w: &Waiter) {
        let tail = self.tail.replace(w);
        w.prev.set(tail);
        w.next.set(ptr::null());
        // SAFETY: a record in the queue is alive, says the contract.
        match unsafe { tail.as_ref() } {
            Some(tail) => tail.next.set(w),
            None => self.head.set(w),
        }
    }

    /// Takes the one that has waited longest. The record is alive until its task is made ready.
    ///
    /// # Safety
    /// The owner's lock is held.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Option<NonNull<Waiter>> {
        // SAFETY: a record in the queue is alive.
        let w = unsafe { self.head.get().as_ref() }?;
        let next = w.next.get();
        self.head.set(next);
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(ptr::null()),
            None => self.tail.set(ptr::null()),
        }
        Some(NonNull::from(w))
    }

    /// Takes everyone, into a queue of the caller's own.
    ///
    /// # Safety
    /// The owner's lock is held. Each waiter is then made ready, so that no record is waited on in
    /// vain.
    pub(crate) unsafe fn take(&self) -> Self {
        Self {
            head: Cell::new(self.head.replace(ptr::null())),
            tail: Cell::new(self.tail.replace(ptr::null())),
        }
    }

    /// Makes everyone ready, the longest waiting first.
    ///
    /// # Safety
    /// The queue is the caller's own ([`take`](Self::take)).
    pub(crate) unsafe fn ready_all(self) {
        // SAFETY: nobody else uses the queue, and nobody in it has been made ready yet.
        while let Some(waiter) = unsafe { self.pop() } {
            // SAFETY: as above: the record is there until its task is made ready.
            let task = unsafe { waiter.as_ref() }.task();
            // SAFETY: it was in this queue alone.
            unsafe { ready(task) };
        }
    }
}
