//! A P's local run queue: a fixed ring with one owner and any number of thieves.
//!
//! The algorithm is Go's (`runtime/proc.go`: runqput, runqget, runqgrab), without `runnext`, which
//! is the owner's private business and lives in the P.
//!
//! ```text
//!   head: taken up to here          tail: written up to here
//!     | CAS by anyone                 | stored by the owner only
//!     v                               v
//!   [ . . x x x x x x x x x x x x x x . . ]     slot = index mod CAP, indices wrap at 2^32
//! ```
//!
//! Invariants, in the modification orders of the two indices:
//! * `head <= tail <= head + CAP` (wrapping);
//! * slots `head..tail` hold elements, each of them in exactly one ring;
//! * only the owner writes slots, and only those outside `head..tail`.
//!
//! Orderings and what they pair with:
//! * (1) `tail` store Release in `push`/`steal_into`(dst) -> `tail` load Acquire in `steal_into`:
//!   a thief that sees the index sees the slot and the element behind it.
//! * (2) `head` CAS Release by whoever takes -> `head` load Acquire by the owner before it writes a
//!   slot: the taker's reads of the slots come before they are written again. A thief that read a
//!   slot too late therefore fails its CAS and throws the read away.
//! * (3) `head` load Acquire -> `tail` load in thieves and observers: the tail is at least as new as
//!   the head, so `tail - head` is never negative. It may exceed CAP when the head is old.
//!
//! `is_empty` and `len` are answers about a moment that is over. What they promise: an element that
//! was published before (the caller's fence, see `sched/spin.rs`) and stays is seen.

use crate::base::atomic::{AtomicPtr, AtomicU32, Ordering, spin_loop};
use core::ptr::{self, NonNull};
use crossbeam_utils::CachePadded;

/// Slots in a ring, a power of two. Small under the checkers, so that full, wrapped and half-stolen
/// rings are reached in a few steps.
pub(crate) const CAP: u32 = if cfg!(any(loom, shuttle)) { 4 } else { 256 };

const _: () = assert!(CAP.is_power_of_two() && CAP >= 2);

/// The ring. The two indices have a cache line each: thieves hammer one, the owner the other.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    /// First element not yet taken.
    head: CachePadded<AtomicU32>,
    /// First slot not yet written. Stored by the owner only.
    tail: CachePadded<AtomicU32>,
    /// Atomic because a late thief may read a slot while the owner writes it.
    slots: [AtomicPtr<T>; CAP as usize],
}

impl<T> Ring<T> {
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new() -> Self {
        Self {
            head: CachePadded::new(AtomicU32::new(0)),
            tail: CachePadded::new(AtomicU32::new(0)),
            slots: [const { AtomicPtr::new(ptr::null_mut()) }; CAP as usize],
        }
    }

    /// The checkers' atomics have no const constructor. Starts just below the wrap of the indices.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn new() -> Self {
        Self {
            head: CachePadded::new(AtomicU32::new(u32::MAX - 1)),
            tail: CachePadded::new(AtomicU32::new(u32::MAX - 1)),
            slots: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// Appends `x`. When the ring is full, its older half and then `x` go to `overflow`, in queue
    /// order, so that a burst of pushes pays for the global queue once per CAP/2 elements.
    ///
    /// # Safety
    /// The caller is the ring's owner; `overflow` does not unwind and does not touch this ring.
    #[inline]
    pub(crate) unsafe fn push(&self, x: NonNull<T>, overflow: impl FnMut(NonNull<T>)) {
        // Acquire: pairs with the takers' CAS (2); their reads of the slot we write are over.
        let head = self.head.load(Ordering::Acquire);
        // Relaxed: our own stores.
        let tail = self.tail.load(Ordering::Relaxed);
        if tail.wrapping_sub(head) < CAP {
            self.slot(tail).store(x.as_ptr(), Ordering::Relaxed);
            self.tail.store(tail.wrapping_add(1), Ordering::Release); // (1)
        } else {
            self.push_slow(x, head, tail, overflow);
        }
    }

    /// The ring was full at `head`. Nobody but the owner (our caller) may be here.
    #[cold]
    fn push_slow(&self, x: NonNull<T>, head: u32, tail: u32, mut overflow: impl FnMut(NonNull<T>)) {
        const HALF: u32 = CAP / 2;
        let taken = head.wrapping_add(HALF);
        match self.head.compare_exchange(head, taken, Ordering::Release, Ordering::Acquire) {
            // The slots stay ours to read: only the owner writes them.
            Ok(_) => (0..HALF).for_each(|i| overflow(self.element(head.wrapping_add(i)))),
            // A thief made room, and the failed exchange acquired its reads (2).
            Err(_) => {
                self.slot(tail).store(x.as_ptr(), Ordering::Relaxed);
                return self.tail.store(tail.wrapping_add(1), Ordering::Release); // (1)
            }
        }
        overflow(x);
    }

    /// Takes the oldest element.
    ///
    /// # Safety
    /// The caller is the ring's owner.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Option<NonNull<T>> {
        let tail = self.tail.load(Ordering::Relaxed);
        let mut head = self.head.load(Ordering::Relaxed);
        while head != tail {
            let next = head.wrapping_add(1);
            // Release continues the chain (3) that thieves acquire; the element is our own push.
            match self.head.compare_exchange_weak(head, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return Some(self.element(head)),
                Err(now) => head = now,
            }
        }
        None
    }

    /// The element `ahead` places behind the oldest, if there is one: for the owner to look at (it
    /// may be stolen at any time), say to prefetch it.
    #[inline]
    pub(crate) fn peek(&self, ahead: u32) -> Option<NonNull<T>> {
        let head = self.head.load(Ordering::Relaxed);
        let len = self.tail.load(Ordering::Relaxed).wrapping_sub(head);
        (ahead < len).then(|| self.element(head.wrapping_add(ahead)))
    }

    /// Takes half of this ring, rounded up, limited by the room in `dst`: the last one taken is
    /// returned, to be run now, the others are appended to `dst`.
    ///
    /// # Safety
    /// The caller owns `dst`, and `dst` is not this ring.
    pub(crate) unsafe fn steal_into(&self, dst: &Ring<T>) -> Option<NonNull<T>> {
        debug_assert!(!ptr::eq(self, dst));
        let dst_tail = dst.tail.load(Ordering::Relaxed);
        // Acquire: the takers of `dst` have read the slots we are going to write (2).
        let room = CAP - dst_tail.wrapping_sub(dst.head.load(Ordering::Acquire));
        loop {
            let head = self.head.load(Ordering::Acquire); // (3)
            let tail = self.tail.load(Ordering::Acquire); // (1)
            let len = tail.wrapping_sub(head);
            if len == 0 {
                return None;
            }
            if len > CAP {
                // The head is out of date by more than a lap; taking from it would fail.
                spin_loop();
                continue;
            }
            let rest = (len - len / 2 - 1).min(room);
            for i in 0..rest {
                let x = self.slot(head.wrapping_add(i)).load(Ordering::Relaxed);
                dst.slot(dst_tail.wrapping_add(i)).store(x, Ordering::Relaxed);
            }
            let last = self.slot(head.wrapping_add(rest)).load(Ordering::Relaxed);
            let next = head.wrapping_add(rest).wrapping_add(1);
            // Release: our reads above come before the owner's next writes (2).
            if self.head.compare_exchange(head, next, Ordering::Release, Ordering::Relaxed).is_ok()
            {
                if rest > 0 {
                    dst.tail.store(dst_tail.wrapping_add(rest), Ordering::Release); // (1)
                }
                return NonNull::new(last);
            }
            spin_loop();
        }
    }

    /// Takes everything, oldest first.
    ///
    /// # Safety
    /// The caller is the ring's owner.
    pub(crate) unsafe fn drain(&self, mut each: impl FnMut(NonNull<T>)) {
        // SAFETY: the caller is the owner, as our own contract says.
        while let Some(x) = unsafe { self.pop() } {
            each(x);
        }
    }

    /// How many elements there were a moment ago.
    pub(crate) fn len(&self) -> usize {
        let head = self.head.load(Ordering::Acquire); // (3)
        self.tail.load(Ordering::Acquire).wrapping_sub(head).min(CAP) as usize
    }

    /// True only if the ring was empty at the moment its head was read.
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Acquire); // (3)
        self.tail.load(Ordering::Acquire) == head
    }

    fn slot(&self, index: u32) -> &AtomicPtr<T> {
        &self.slots[(index % CAP) as usize]
    }

    /// Reads a slot that the owner has just taken, so it was written and is not written again.
    fn element(&self, index: u32) -> NonNull<T> {
        let x = NonNull::new(self.slot(index).load(Ordering::Relaxed));
        // SAFETY: slots between head and tail were stored from a NonNull (invariant 2).
        unsafe { x.unwrap_unchecked() }
    }
}
