//! When: what a P has to do later, in a heap by due time.
//!
//! An item that can be called off has a [`Place`], which knows the heap it is in and its index there,
//! so that calling off takes one lock and O(log n), whichever P the item waits on, and nothing that
//! has been called off stays behind. Items without a place (sleeping goroutines) cost no such
//! bookkeeping.
//!
//! Invariants: `next` equals the earliest due time in the heap (or [`NEVER`]) whenever the heap's
//! lock is free, so that looking costs one load; a place that names a home names the heap its item
//! is in, and both change under that heap's lock; the room hands due items to its caller.
//!
//! Rejected: marking called-off items and skipping them later (Go). It saves the caller a lock of
//! another P, and costs a state machine per timer and heaps full of the dead: each wait with a timeout
//! that is served in time would leave one behind.

use crate::base::atomic::{AtomicU32, Ordering};
use crate::base::heap::{Entry, Heap};
use crate::base::width::Wide;
use crate::sys::clock::NEVER;
use crate::sys::lock::Lock;
use core::cell::Cell;

/// Due items taken at a time: several Ps may be at one heap, and its lock is theirs to share.
const BATCH: usize = 32;

/// `Place::home` of an item that is in no heap.
const NOWHERE: u32 = u32::MAX;

/// Where an item that can be called off waits.
#[derive(Debug)]
pub(crate) struct Place {
    /// The heap's number, or [`NOWHERE`]. Written under that heap's lock.
    home: AtomicU32,
    /// Index in the heap; under its lock.
    index: Cell<usize>,
}

impl Place {
    pub(crate) const fn new() -> Self {
        Self { home: AtomicU32::new(NOWHERE), index: Cell::new(0) }
    }

    /// The number of the heap the item is in, unless that changes meanwhile.
    pub(crate) fn home(&self) -> Option<u32> {
        let home = self.home.load(Ordering::Acquire);
        (home != NOWHERE).then_some(home)
    }
}

/// What can wait in a heap: a handle, copied about freely.
pub(crate) trait Item: Copy {
    /// Its place, if it can be called off. Called under the lock of the heap that it is in.
    fn place(&self) -> Option<&Place>;
}

/// Items with due times.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    next: Wide,
    /// What `Place::home` says of items in this heap.
    id: u32,
    heap: Lock<Ordered<T>>,
}

/// The heap, and a count that keeps items with one due time in the order of their coming.
#[derive(Debug)]
struct Ordered<T> {
    heap: Heap<T>,
    seq: u64,
}

fn moved<T: Item>(item: &T, index: usize) {
    if let Some(place) = item.place() {
        place.index.set(index);
    }
}

impl<T: Item> Ordered<T> {
    fn next(&self) -> u64 {
        self.heap.peek().map_or(NEVER, |e| e.when)
    }

    fn push(&mut self, when: u64, item: T, home: u32) {
        self.seq += 1;
        self.heap.push(Entry { when, seq: self.seq, item }, moved);
        if let Some(place) = item.place() {
            place.home.store(home, Ordering::Release);
        }
    }
}

impl<T: Item> Timers<T> {
    pub(crate) fn new(id: u32) -> Self {
        let heap = Lock::new(Ordered { heap: Heap::new(), seq: 0 });
        Self { next: Wide::new(NEVER), id, heap }
    }

    /// Earliest due time, [`NEVER`] if there is none.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Adds an item that is in no heap; true if it is the earliest now. The store of `next` comes
    /// before the caller's fence in `clock::nudge`.
    pub(crate) fn add(&self, when: u64, item: T) -> bool {
        let mut heap = self.heap.lock();
        heap.push(when, item, self.id);
        let next = heap.next();
        self.next.store(next, Ordering::Release);
        next == when
    }

    /// Calls the item off whose place this is. `None`: it has left this heap.
    pub(crate) fn remove(&self, place: &Place) -> Option<T> {
        let mut heap = self.heap.lock();
        if place.home.load(Ordering::Relaxed) != self.id {
            return None;
        }
        let removed = heap.heap.remove(place.index.get(), moved);
        place.home.store(NOWHERE, Ordering::Release);
        self.next.store(heap.next(), Ordering::Release);
        Some(removed.item)
    }

    /// Takes everything due at `now`, earliest first: `settle` is called with each item under the
    /// lock, where an item with a place cannot be called off, and what it returns goes to `f`, which
    /// is called without the lock.
    pub(crate) fn take_due<D>(
        &self,
        now: u64,
        settle: impl Fn(T) -> Option<D>,
        mut f: impl FnMut(D),
    ) {
        while self.next() <= now {
            let mut batch = [const { None }; BATCH];
            let mut heap = self.heap.lock();
            for slot in &mut batch {
                if heap.next() > now {
                    break;
                }
                *slot = heap.heap.pop(moved).and_then(|due| {
                    let settled = settle(due.item);
                    // Last: whoever finds the item nowhere may take its memory back. Release: pairs
                    // with the Acquire of `Place::home`.
                    if let Some(place) = due.item.place() {
                        place.home.store(NOWHERE, Ordering::Release);
                    }
                    settled
                });
            }
            self.next.store(heap.next(), Ordering::Release);
            drop(heap);
            batch.into_iter().flatten().for_each(&mut f);
        }
    }

    /// Moves everything to `other`: the P goes away. Both heaps are locked meanwhile, so that a
    /// place always names a heap that has its item; one mover at a time.
    pub(crate) fn move_to(&self, other: &Self) {
        let (mut from, mut to) = (self.heap.lock(), other.heap.lock());
        while let Some(e) = from.heap.pop(moved) {
            to.push(e.when, e.item, other.id);
        }
        other.next.store(to.next(), Ordering::Release);
        self.next.store(NEVER, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
