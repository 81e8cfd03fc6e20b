//! Free lists in two levels: one per P that needs no atomics, one for everybody.
//!
//! Go's numbers (a P keeps up to 64 dead Gs, spills and refills 32 at a time) with the shape of
//! Bonwick's magazines ("Magazines and Vmem", USENIX 2001): a P has two magazines of at most 32. It
//! pushes to and pops from the hot one; when both are full the cold one goes to the global list, as
//! it is, in one queue operation. What leaves is what has been unused longest, so its memory is cold
//! already.
//!
//! A magazine is an array of pointers, not a list through the elements: a pop touches no element,
//! and the owner can see ahead ([`FreeLocal::peek`]) and prefetch what it is going to reuse.
//!
//! ```text
//!            push / pop                     both full: cold leaves    +--------+
//!   P:  hot  x-x-x-x-x    cold  x-x-x ... x ----------------------->  | (x, n) |  FreeGlobal
//!            0..=32             0 or 32      <----------------------  | (x, n) |
//!                                            both empty: one comes    +--------+
//! ```
//!
//! Invariants: the first `len` places of a magazine are filled; an element is in at most one magazine;
//! whoever holds a magazine owns its elements. The queue's push and pop are a Release/Acquire pair, so
//! what was written to an element before a spill is seen after a refill.

use super::queue::Queue;
use core::cell::Cell;
use core::ptr::NonNull;

/// Elements in a full magazine: half of what a P may keep, all of what one spill or refill moves.
pub(crate) const MAGAZINE: usize = if cfg!(any(loom, shuttle)) { 2 } else { 32 };

/// Up to [`MAGAZINE`] elements. Owned by value: moving it moves the elements. Its room is allocated
/// with the first element and goes with the magazine.
struct Magazine<T> {
    room: Option<Box<[Option<NonNull<T>>; MAGAZINE]>>,
    len: usize,
}

impl<T> Magazine<T> {
    const EMPTY: Self = Self { room: None, len: 0 };

    /// Adds `x`; there is room.
    fn push(&mut self, x: NonNull<T>) {
        let room = self.room.get_or_insert_with(|| Box::new([None; MAGAZINE]));
        room[self.len] = Some(x);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<NonNull<T>> {
        self.len = self.len.checked_sub(1)?;
        self.room.as_ref()?[self.len]
    }

    /// What the pop after `ahead` others will return.
    fn peek(&self, ahead: usize) -> Option<NonNull<T>> {
        self.room.as_ref()?[self.len.checked_sub(ahead + 1)?]
    }
}

/// A P's free list. Its owner alone may use it, which the missing `Sync` says.
pub(crate) struct FreeLocal<T> {
    /// Where elements come and go.
    hot: Cell<Magazine<T>>,
    /// Empty or full; the next to spill.
    cold: Cell<Magazine<T>>,
}

impl<T> FreeLocal<T> {
    pub(crate) const fn new() -> Self {
        Self { hot: Cell::new(Magazine::EMPTY), cold: Cell::new(Magazine::EMPTY) }
    }

    /// Frees `x`; a full magazine spills to `global`.
    ///
    /// # Safety
    /// `x` is valid until it is popped, from here or from `global`, and the caller gives it up.
    #[inline]
    pub(crate) unsafe fn push(&self, x: NonNull<T>, global: &FreeGlobal<T>) {
        let mut hot = self.hot.replace(Magazine::EMPTY);
        if hot.len == MAGAZINE {
            global.push_magazine(self.cold.replace(hot));
            hot = Magazine::EMPTY;
        }
        hot.push(x);
        self.hot.set(hot);
    }

    /// A free element, the one freed last if there is one here, else from `global`.
    #[inline]
    pub(crate) fn pop(&self, global: &FreeGlobal<T>) -> Option<NonNull<T>> {
        let mut hot = self.hot.replace(Magazine::EMPTY);
        if hot.len == 0 {
            hot = self.cold.replace(Magazine::EMPTY);
            if hot.len == 0 {
                hot = global.pop_magazine()?;
            }
        }
        let x = hot.pop();
        self.hot.set(hot);
        x
    }

    /// The element freed last, if there is one here.
    #[inline]
    pub(crate) fn pop_here(&self) -> Option<NonNull<T>> {
        let mut hot = self.hot.replace(Magazine::EMPTY);
        if hot.len == 0 {
            hot = self.cold.replace(Magazine::EMPTY);
        }
        let x = hot.pop();
        self.hot.set(hot);
        x
    }

    /// What the [`pop`](Self::pop) after `ahead` others will return, if it is near: for the owner to
    /// prefetch.
    #[inline]
    pub(crate) fn peek(&self, ahead: usize) -> Option<NonNull<T>> {
        let hot = self.hot.replace(Magazine::EMPTY);
        let x = hot.peek(ahead);
        self.hot.set(hot);
        x
    }

    /// Elements here.
    pub(crate) fn len(&self) -> usize {
        let (hot, cold) = (self.hot.replace(Magazine::EMPTY), self.cold.replace(Magazine::EMPTY));
        let len = hot.len + cold.len;
        self.hot.set(hot);
        self.cold.set(cold);
        len
    }

    /// Gives everything to `global`: the P goes away.
    pub(crate) fn flush(&self, global: &FreeGlobal<T>) {
        global.push_magazine(self.cold.replace(Magazine::EMPTY));
        global.push_magazine(self.hot.replace(Magazine::EMPTY));
    }
}

impl<T> core::fmt::Debug for FreeLocal<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FreeLocal").field("len", &self.len()).finish()
    }
}

/// Everybody's free list: a queue of magazines.
pub(crate) struct FreeGlobal<T> {
    /// Magazines of 1 to MAGAZINE elements.
    magazines: Queue<Magazine<T>>,
}

// SAFETY: elements are owned by whoever holds their magazine, and a magazine is moved through the queue,
// which orders the two holders; what lies behind the pointers is the contract of `push`.
unsafe impl<T> Send for FreeGlobal<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for FreeGlobal<T> {}

impl<T> FreeGlobal<T> {
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new() -> Self {
        Self { magazines: Queue::new() }
    }

    /// The checkers' atomics have no const constructor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn new() -> Self {
        Self { magazines: Queue::new() }
    }

    /// Frees one element from a thread without a P.
    ///
    /// # Safety
    /// `x` is valid until it is popped, and the caller gives it up.
    pub(crate) unsafe fn push(&self, x: NonNull<T>) {
        let mut one = Magazine::EMPTY;
        one.push(x);
        self.push_magazine(one);
    }

    /// One free element for a thread without a P. While it holds the rest of a magazine others may
    /// find nothing; they make a new element then, which is what an empty list means anyway.
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        let mut magazine = self.pop_magazine()?;
        let x = magazine.pop();
        self.push_magazine(magazine);
        x
    }

    fn push_magazine(&self, magazine: Magazine<T>) {
        if magazine.len > 0 {
            self.magazines.push(magazine);
        }
    }

    fn pop_magazine(&self) -> Option<Magazine<T>> {
        if self.magazines.is_empty() { None } else { self.magazines.pop() }
    }
}

impl<T> core::fmt::Debug for FreeGlobal<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FreeGlobal").field("magazines", &self.magazines.len()).finish()
    }
}
