//! Free lists in two levels: one per P that needs no atomics, one for everybody.
//!
//! Go's numbers (a P keeps up to 64 dead Gs, spills and refills 32 at a time) with the shape of
//! Bonwick's magazines ("Magazines and Vmem", USENIX 2001): a P has two chains of at most 32. It
//! pushes to and pops from the hot one; when both are full the cold one goes to the global list, as
//! it is, in one queue operation and without a walk along its links. What leaves is what has been
//! unused longest, so its memory is cold already.
//!
//! ```text
//!            push / pop                     both full: cold leaves    +--------+
//!   P:  hot  x-x-x-x-x    cold  x-x-x ... x ----------------------->  | (x, n) |  FreeGlobal
//!            0..=32             0 or 32      <----------------------  | (x, n) |
//!                                            both empty: one comes    +--------+
//! ```
//!
//! Invariants: a chain of length `n` is `n` elements linked by their own `link`, the last one's
//! being `None`; an element is in at most one chain; whoever holds a chain owns its elements. The
//! queue's push and pop are a Release/Acquire pair, so the links written before a spill are seen
//! after a refill.

use super::queue::Queue;
use core::cell::Cell;
use core::ptr::NonNull;

/// Elements in a full chain: half of what a P may keep, all of what one spill or refill moves.
pub(crate) const CHAIN: usize = if cfg!(any(loom, shuttle)) { 2 } else { 32 };

/// Something that carries the link of the free list it is in.
///
/// # Safety
/// `link` returns the same cell each time, and nobody but the free list touches it from the push of
/// the element to its pop.
pub(crate) unsafe trait Linked {
    /// The next free element, while this one is free.
    fn link(&self) -> &Cell<Option<NonNull<Self>>>;
}

/// Elements linked from `head`, `len` of them. Owned by value: moving it moves the elements.
struct Chain<T> {
    head: Option<NonNull<T>>,
    len: usize,
}

impl<T: Linked> Chain<T> {
    const EMPTY: Self = Self { head: None, len: 0 };

    /// # Safety
    /// `x` is valid until it is popped, and the caller gives it up.
    unsafe fn push(&mut self, x: NonNull<T>) {
        // SAFETY: valid and given up to us, says the caller.
        unsafe { x.as_ref() }.link().set(self.head);
        self.head = Some(x);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<NonNull<T>> {
        let x = self.head?;
        // SAFETY: elements of a chain are valid until popped (the contract of `push`).
        self.head = unsafe { x.as_ref() }.link().take();
        self.len -= 1;
        Some(x)
    }
}

/// A P's free list. Its owner alone may use it, which the missing `Sync` says.
pub(crate) struct FreeLocal<T: Linked> {
    /// Where elements come and go.
    hot: Cell<Chain<T>>,
    /// Empty or full; the next to spill.
    cold: Cell<Chain<T>>,
}

impl<T: Linked> FreeLocal<T> {
    pub(crate) const fn new() -> Self {
        Self { hot: Cell::new(Chain::EMPTY), cold: Cell::new(Chain::EMPTY) }
    }

    /// Frees `x`; a full chain spills to `global`.
    ///
    /// # Safety
    /// `x` is valid until it is popped, from here or from `global`, and the caller gives it up.
    #[inline]
    pub(crate) unsafe fn push(&self, x: NonNull<T>, global: &FreeGlobal<T>) {
        let mut hot = self.hot.replace(Chain::EMPTY);
        if hot.len == CHAIN {
            global.push_chain(self.cold.replace(hot));
            hot = Chain::EMPTY;
        }
        // SAFETY: our caller's promise about `x`.
        unsafe { hot.push(x) };
        self.hot.set(hot);
    }

    /// A free element, the one freed last if there is one here, else from `global`.
    #[inline]
    pub(crate) fn pop(&self, global: &FreeGlobal<T>) -> Option<NonNull<T>> {
        let mut hot = self.hot.replace(Chain::EMPTY);
        if hot.len == 0 {
            hot = self.cold.replace(Chain::EMPTY);
            if hot.len == 0 {
                hot = global.pop_chain()?;
            }
        }
        let x = hot.pop();
        self.hot.set(hot);
        x
    }

    /// What [`pop`](Self::pop) will return next, if it is here: for the owner to prefetch.
    #[inline]
    pub(crate) fn peek(&self) -> Option<NonNull<T>> {
        let hot = self.hot.replace(Chain::EMPTY);
        let head = hot.head;
        self.hot.set(hot);
        head
    }

    /// Elements here.
    pub(crate) fn len(&self) -> usize {
        let (hot, cold) = (self.hot.replace(Chain::EMPTY), self.cold.replace(Chain::EMPTY));
        let len = hot.len + cold.len;
        self.hot.set(hot);
        self.cold.set(cold);
        len
    }

    /// Gives everything to `global`: the P goes away.
    pub(crate) fn flush(&self, global: &FreeGlobal<T>) {
        global.push_chain(self.cold.replace(Chain::EMPTY));
        global.push_chain(self.hot.replace(Chain::EMPTY));
    }
}

impl<T: Linked> core::fmt::Debug for FreeLocal<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FreeLocal").field("len", &self.len()).finish()
    }
}

/// Everybody's free list: a queue of chains.
pub(crate) struct FreeGlobal<T: Linked> {
    /// Chains of 1 to CHAIN elements.
    chains: Queue<Chain<T>>,
}

// SAFETY: elements are owned by whoever holds their chain, and a chain is moved through the queue,
// which orders the two holders; what lies behind the pointers is the contract of `push`.
unsafe impl<T: Linked> Send for FreeGlobal<T> {}
// SAFETY: as above.
unsafe impl<T: Linked> Sync for FreeGlobal<T> {}

impl<T: Linked> FreeGlobal<T> {
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new() -> Self {
        Self { chains: Queue::new() }
    }

    /// The checkers' atomics have no const constructor.
    #[cfg(any(loom, shuttle))]
    pub(crate) fn new() -> Self {
        Self { chains: Queue::new() }
    }

    /// Frees one element from a thread without a P.
    ///
    /// # Safety
    /// `x` is valid until it is popped, and the caller gives it up.
    pub(crate) unsafe fn push(&self, x: NonNull<T>) {
        let mut one = Chain::EMPTY;
        // SAFETY: our caller's promise about `x`.
        unsafe { one.push(x) };
        self.push_chain(one);
    }

    /// One free element for a thread without a P. While it holds the rest of a chain others may
    /// find nothing; they make a new element then, which is what an empty list means anyway.
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        let mut chain = self.pop_chain()?;
        let x = chain.pop();
        self.push_chain(chain);
        x
    }

    fn push_chain(&self, chain: Chain<T>) {
        if chain.len > 0 {
            self.chains.push(chain);
        }
    }

    fn pop_chain(&self) -> Option<Chain<T>> {
        if self.chains.is_empty() { None } else { self.chains.pop() }
    }
}

impl<T: Linked> core::fmt::Debug for FreeGlobal<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FreeGlobal").field("chains", &self.chains.len()).finish()
    }
}
