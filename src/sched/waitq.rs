//! Waiter records and the queues they stand in (Go's `sudog` and `waitq`).
//!
//! A record lies on the stack of the party that waits, which stays put until its wait has ended. It
//! is linked both ways, so that a waiter that gives up (a select that was served elsewhere, a
//! timeout) leaves in constant time. A queue is used under its owner's lock alone, but for
//! [`WaitQueue::looks_empty`].
//!
//! A record whose wait may end elsewhere carries that wait's [`Claim`]. Taking it from a queue means
//! winning the claim; a record that lost it is dropped on the way. Its party passes through the
//! queue's lock before its stack goes on ([`WaitQueue::remove`]), so a record is alive while
//! somebody who holds the lock looks at it.

use super::{Me, Task, ready};
use crate::base::atomic::{AtomicPtr, Ordering};
use crate::base::claim::Claim;
use crate::base::const_fn;
use std::cell::Cell;
use std::marker::PhantomPinned;
use std::ptr::{self, NonNull};

/// One party waiting in one queue.
#[derive(Debug)]
pub(crate) struct Waiter {
    prev: Cell<*const Waiter>,
    next: Cell<*const Waiter>,
    task: Task,
    /// What must be won to end the wait; null if this queue alone ends it.
    claim: *const Claim,
    /// Where a value is to be put, or is to be taken from; the queue's owner knows its type.
    pub(crate) slot: *mut (),
    /// Whether the wait ended with what it was for (a value passed), not with a close.
    pub(crate) served: Cell<bool>,
    /// In a queue. Kept for records with a claim only.
    queued: Cell<bool>,
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
            claim: ptr::null(),
            slot,
            served: Cell::new(false),
            queued: Cell::new(false),
            _pin: PhantomPinned,
        }
    }

    /// A record for a wait that may also end elsewhere, which `claim` decides.
    #[inline]
    pub(crate) fn racing(me: &Me, slot: *mut (), claim: &Claim) -> Self {
        Self { claim, ..Self::new(me, slot) }
    }

    /// Who to make ready.
    #[inline]
    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// Its address, as the claim knows it.
    #[inline]
    pub(crate) fn key(&self) -> NonNull<()> {
        NonNull::from(self).cast()
    }

    /// Whether whoever has just taken this record from its queue may end its wait.
    #[inline]
    fn won(&self) -> bool {
        if self.claim.is_null() {
            return true;
        }
        self.queued.set(false);
        // SAFETY: the claim lies beside the record, which is alive under the queue's lock.
        unsafe { &*self.claim }.take(self.key())
    }
}

/// First come, first served.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    /// Also looked at without the lock.
    head: AtomicPtr<Waiter>,
    tail: Cell<*const Waiter>,
}

impl WaitQueue {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self { head: AtomicPtr::new(ptr::null_mut()), tail: Cell::new(ptr::null()) }
        }
    }

    #[inline]
    fn head(&self) -> *const Waiter {
        self.head.load(Ordering::Relaxed)
    }

    #[inline]
    fn set_head(&self, w: *const Waiter) {
        // Release: pairs with `looks_empty`.
        self.head.store(w.cast_mut(), Ordering::Release);
    }

    /// Whether nobody waits. Exact under the lock; without it, what was so at some moment of the
    /// call.
    #[inline]
    pub(crate) fn looks_empty(&self) -> bool {
        self.head.load(Ordering::Acquire).is_null()
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
        w.queued.set(true);
        // SAFETY: a record in the queue is alive, says the contract.
        match unsafe { tail.as_ref() } {
            Some(tail) => tail.next.set(w),
            None => self.set_head(w),
        }
    }

    /// Puts `w` at the end, or before everyone.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    pub(crate) unsafe fn push_at(&self, w: &Waiter, first: bool) {
        // SAFETY: under the lock the records are alive.
        let Some(head) = (unsafe { self.head().as_ref() }).filter(|_| first) else {
            // SAFETY: passed on.
            return unsafe { self.push(w) };
        };
        w.prev.set(ptr::null());
        w.next.set(head);
        w.queued.set(true);
        head.prev.set(w);
        self.set_head(w);
    }

    /// The one that has waited longest, in a queue whose records have no claim.
    ///
    /// # Safety
    /// The owner's lock is held.
    pub(crate) unsafe fn first(&self) -> Option<NonNull<Waiter>> {
        NonNull::new(self.head().cast_mut())
    }

    /// Takes the one that has waited longest, and with it the right and the duty to end its wait.
    /// The record is alive until its task is made ready.
    ///
    /// # Safety
    /// The owner's lock is held.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Option<NonNull<Waiter>> {
        loop {
            // SAFETY: passed on.
            let w = unsafe { self.pop_any() }?;
            // SAFETY: under the lock the record is alive.
            if unsafe { w.as_ref() }.won() {
                return Some(w);
            }
        }
    }

    /// Takes the first, whoever may end its wait.
    ///
    /// # Safety
    /// The owner's lock is held.
    #[inline]
    unsafe fn pop_any(&self) -> Option<NonNull<Waiter>> {
        // SAFETY: a record in the queue is alive.
        let w = unsafe { self.head().as_ref() }?;
        let next = w.next.get();
        self.set_head(next);
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(ptr::null()),
            None => self.tail.set(ptr::null()),
        }
        Some(NonNull::from(w))
    }

    /// Takes `w` out, if it has not been taken.
    ///
    /// # Safety
    /// The owner's lock is held; `w` has a claim, and was pushed to this queue.
    pub(crate) unsafe fn remove(&self, w: &Waiter) {
        if !w.queued.replace(false) {
            return;
        }
        let (prev, next) = (w.prev.get(), w.next.get());
        // SAFETY: (both) neighbours in the queue are alive.
        match unsafe { prev.as_ref() } {
            Some(prev) => prev.next.set(next),
            None => self.set_head(next),
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.tail.set(prev),
        }
    }

    /// Takes everyone whose wait may be ended, into a queue of the caller's own.
    ///
    /// # Safety
    /// The owner's lock is held. Each waiter is then made ready, so that no record is waited on in
    /// vain.
    pub(crate) unsafe fn take(&self) -> Self {
        let all = Self::new();
        // SAFETY: the lock is held; a record that is won stays until it is made ready.
        while let Some(w) = unsafe { self.pop() } {
            // SAFETY: as above, and it is in no queue now.
            let w = unsafe { w.as_ref() };
            // SAFETY: as above.
            unsafe { all.push(w) };
            w.queued.set(false);
        }
        all
    }

    /// Makes everyone ready, the longest waiting first.
    ///
    /// # Safety
    /// The queue is the caller's own ([`take`](Self::take)).
    pub(crate) unsafe fn ready_all(self) {
        // SAFETY: nobody else uses the queue, and nobody in it has been made ready yet.
        while let Some(waiter) = unsafe { self.pop_any() } {
            // SAFETY: as above: the record is there until its task is made ready.
            let task = unsafe { waiter.as_ref() }.task();
            // SAFETY: it was in this queue alone, or its claim was won.
            unsafe { ready(task) };
        }
    }
}
