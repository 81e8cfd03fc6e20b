//! When: a P's sleepers, in a heap by due time.
//!
//! Invariants: `next` equals the earliest due time in the heap (or [`NEVER`]) whenever the heap's
//! lock is free, so that looking costs one load; the room hands due items to its caller and calls
//! nothing itself.

use crate::base::atomic::{AtomicU64, Ordering};
use crate::base::heap::{Entry, Heap};
use crate::sys::clock::NEVER;
use crate::sys::lock::Lock;

/// Items with due times.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    next: AtomicU64,
    heap: Lock<Ordered<T>>,
}

/// The heap, and a count that keeps items with one due time in the order of their coming.
#[derive(Debug)]
struct Ordered<T> {
    heap: Heap<T>,
    seq: u64,
}

impl<T: Copy> Ordered<T> {
    fn next(&self) -> u64 {
        self.heap.peek().map_or(NEVER, |e| e.when)
    }
}

impl<T: Copy> Timers<T> {
    pub(crate) fn new() -> Self {
        Self { next: AtomicU64::new(NEVER), heap: Lock::new(Ordered { heap: Heap::new(), seq: 0 }) }
    }

    /// Earliest due time, [`NEVER`] if there is none.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Adds an item. The store of `next` comes before the caller's fence in `clock::nudge`.
    pub(crate) fn add(&self, when: u64, item: T) {
        let mut heap = self.heap.lock();
        heap.seq += 1;
        let seq = heap.seq;
        heap.heap.push(Entry { when, seq, item }, |_, _| {});
        self.next.store(heap.next(), Ordering::Release);
    }

    /// Calls `f` with everything due at `now`, earliest first, without holding the lock.
    pub(crate) fn take_due(&self, now: u64, mut f: impl FnMut(T)) {
        while self.next() <= now {
            let due = {
                let mut heap = self.heap.lock();
                let due = if heap.next() <= now { heap.heap.pop(|_, _| {}) } else { None };
                self.next.store(heap.next(), Ordering::Release);
                due
            };
            match due {
                Some(due) => f(due.item),
                None => return,
            }
        }
    }

    /// Moves everything to `other`: the P goes away.
    pub(crate) fn move_to(&self, other: &Self) {
        loop {
            let moved = {
                let mut heap = self.heap.lock();
                self.next.store(NEVER, Ordering::Release);
                heap.heap.pop(|_, _| {})
            };
            match moved {
                Some(e) => other.add(e.when, e.item),
                None => return,
            }
        }
    }
}
