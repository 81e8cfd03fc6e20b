//! The global run queue: what overflows a ring, what yields, what comes from threads without a P.
//!
//! FIFO, unbounded, no lock. There is no counter beside the queue: `is_empty`, which every search
//! for work calls, is two loads of the queue's own indices, and a counter of ours would add an
//! atomic addition on a shared line to each push and pop. `len`, asked once per batch, costs three.
//!
//! `is_empty` orders nothing; `sched/spin.rs` says which fence goes before it.

use super::queue::Queue;
use super::ring;
use core::ptr::NonNull;

/// The queue. Elements are only pointers here; whoever pops one owns it.
#[derive(Debug)]
pub(crate) struct Global<T> {
    queue: Queue<NonNull<T>>,
}

// SAFETY: the queue moves pointers between threads and never looks behind them; the contract on
// what they point to is made by those who push and pop.
unsafe impl<T> Send for Global<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Global<T> {}

impl<T> Global<T> {
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new() -> Self {
        Self { queue: Queue::new() }
    }

    /// The checkers' atomics have no const constructor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn new() -> Self {
        Self { queue: Queue::new() }
    }

    pub(crate) fn push(&self, x: NonNull<T>) {
        self.queue.push(x);
    }

    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        // The queue's own pop executes a full fence before it says "empty".
        if self.is_empty() { None } else { self.queue.pop() }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many of `len` elements one of `procs` Ps should take at once: its fair share, at least
    /// one if there is one, and no more than half a ring so that the rest fits.
    pub(crate) const fn batch(len: usize, procs: usize) -> usize {
        let share = len / procs + 1;
        let half = (ring::CAP / 2) as usize;
        let most = if len < half { len } else { half };
        if share < most { share } else { most }
    }

    /// Puts what `locals` pushes in front of everything queued so far: when GOMAXPROCS shrinks, the
    /// queues of the Ps that go away run before what was already waiting for any P.
    ///
    /// Turns the queue once around instead of copying it. Call it with the world stopped; a push
    /// from a thread without a P that comes in between is kept, somewhere in the middle.
    pub(crate) fn prepend(&self, locals: impl FnOnce(&Self)) {
        let waiting = self.len();
        locals(self);
        for x in (0..waiting).map_while(|_| self.pop()) {
            self.push(x);
        }
    }
}
