//! Which M the calling thread is: the crate's only thread-local.
//!
//! A goroutine may be resumed by another thread than the one that suspended it, so nothing may
//! keep a thread-local's address across a suspension. The word is read and written only through
//! functions that are never inlined; after a suspension the M comes from the switch itself (the
//! carrier word), not from here.

use super::m::M;
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<&'static M>> = const { Cell::new(None) };
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
