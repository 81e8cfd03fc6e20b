//! The crate's only thread-locals: which M the calling thread is, what is known of the panic on its
//! way through a plain thread, and where such a thread's stack lies.
//!
//! A goroutine may be resumed by another thread than the one that suspended it, so nothing may
//! keep a thread-local's address across a suspension. The word is read and written only through
//! functions that are never inlined; after a suspension the M comes from the switch itself (the
//! carrier word), not from here.
//!
//! Where goroutines have thread-locals of their own there is one such word in each block. It is
//! written from outside, before the thread register is pointed at the block (`own.rs`); a null is
//! `None`.

use super::m::M;
use crate::stack::Segments;
use std::any::Any;
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<&'static M>> = const { Cell::new(None) };
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
    static STACK: ThreadStack = const { ThreadStack::new() };
}

/// The stack of a thread that runs no goroutine.
#[derive(Debug)]
pub(super) struct ThreadStack {
    /// Lowest and one past the highest address; (0, 0): not known yet.
    bounds: Cell<(usize, usize)>,
    pub(super) segments: Segments,
}

impl ThreadStack {
    const fn new() -> Self {
        Self { bounds: Cell::new((0, 0)), segments: Segments::none() }
    }

    /// Lowest and one past the highest address.
    #[inline]
    pub(super) fn bounds(&self) -> (usize, usize) {
        match self.bounds.get() {
            (0, 0) => self.find_bounds(),
            known => known,
        }
    }

    #[cold]
    fn find_bounds(&self) -> (usize, usize) {
        let found = crate::sys::thread::stack();
        self.bounds.set(found);
        found
    }
}

impl Drop for ThreadStack {
    fn drop(&mut self) {
        self.segments.tidy();
    }
}

/// Calls `f` with the calling thread's stack, for a caller that is not on a goroutine; while the
/// thread's locals go away, with one that has no room left.
#[inline(never)]
pub(super) fn on_thread_stack<R>(f: impl FnOnce(&ThreadStack) -> R) -> R {
    let mut f = Some(f);
    let mut call = |stack: &ThreadStack| f.take().map(|f| f(stack));
    let known = STACK.try_with(&mut call).ok().flatten();
    known.or_else(|| call(&ThreadStack::new())).expect("called once")
}

/// The M of the calling thread; `None` on a thread that is not the runtime's. Also callable in a
/// signal handler: the cell needs no lazy initialisation.
#[inline(never)]
pub(crate) fn current() -> Option<&'static M> {
    CURRENT.get()
}

/// Where the word is, in the thread-locals that the thread register points at.
#[inline(never)]
pub(super) fn place() -> usize {
    CURRENT.with(|word| std::ptr::from_ref(word).expose_provenance())
}

/// Makes the calling thread the M `m`, or a plain thread again.
#[inline(never)]
pub(super) fn set(m: Option<&'static M>) {
    CURRENT.set(m);
}

/// Exchanges what the panic room keeps for a plain thread; nothing is kept once the thread's
/// destructors have run.
#[inline(never)]
pub(crate) fn swap_panic(new: Option<Box<dyn Any + Send>>) -> Option<Box<dyn Any + Send>> {
    PANIC.try_with(|panic| panic.replace(new)).ok().flatten()
}
