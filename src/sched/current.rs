//! The crate's only thread-locals: which M the calling thread is, and what is known of the panic on
//! its way through a plain thread.
//!
//! A goroutine may be resumed by another thread than the one that suspended it, so nothing may
//! keep a thread-local's address across a suspension. The word is read and written only through
//! functions that are never inlined; after a suspension the M comes from the switch itself (the
//! carrier word), not from here.

use super::m::M;
use std::any::Any;
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<&'static M>> = const { Cell::new(None) };
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
}

/// The M of the calling thread; `None` on a thread that is not the runtime's. Also callable in a
/// signal handler: the cell needs no lazy initialisation.
#[inline(never)]
pub(crate) fn current() -> Option<&'static M> {
    CURRENT.get()
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
