//! What `defer!` leaves in a block: a closure that runs when the block ends.

use super::known::{Known, amend};
use crate::sched::grow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs statements at the end of the enclosing block, however it is left: by its end, `return`, `?`,
/// `break`, a panic, goexit. Several run last in first out. What they use is borrowed until then.
///
/// A panic in them takes the place of the one that unwinds, if one does (Go). To recover, or to
/// change a result, use [`func`](crate::func).
///
/// ```
/// let mut log = Vec::new();
/// {
///     let log = std::cell::RefCell::new(&mut log);
///     gort::defer! { log.borrow_mut().push("deferred first") }
///     gort::defer! { log.borrow_mut().push("deferred last") }
///     log.borrow_mut().push("body");
/// }
/// assert_eq!(log, ["body", "deferred last", "deferred first"]);
/// ```
#[macro_export]
macro_rules! defer {
    ($($statements:tt)*) => {
        let _deferred = $crate::__Defer::new(|| { $($statements)* });
    };
}

/// For [`defer!`](crate::defer!).
#[doc(hidden)]
#[derive(Debug)]
pub struct Defer<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Defer<F> {
    /// Runs `f` when it is dropped.
    #[inline]
    pub fn new(f: F) -> Self {
        Self(Some(f))
    }
}

impl<F: FnOnce()> Drop for Defer<F> {
    #[inline]
    fn drop(&mut self) {
        let Some(f) = self.0.take() else { return };
        if std::thread::panicking() { unwinding(f) } else { f() }
    }
}

/// Stack for statements that run when there may be little left: it may be that which panics.
pub(super) const ROOM: usize = 64 << 10;

/// Runs `f` while a panic or goexit unwinds. A panic must not leave a destructor then; it takes the
/// place of the one under way when that is caught.
#[cold]
fn unwinding(f: impl FnOnce()) {
    let before = super::known::swap(None);
    // What the closure leaves broken is seen by nobody but code that runs in any unwind.
    let end = catch_unwind(AssertUnwindSafe(|| grow::beyond(ROOM, f)));
    let mut newer = None;
    if let Err(mut payload) = end {
        let known = Known::take(&mut payload);
        newer = Some((payload, known));
    }
    super::known::put_back(before);
    if let Some(newer) = newer {
        amend(|known| known.superseded(newer));
    }
}
