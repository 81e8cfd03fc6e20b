//! What a stack has left, and calls on further segments; published as `gort::stack`.

use crate::sched::grow::{self, Refused};

/// Bytes left on the segment of stack that the caller runs on, before its guard.
///
/// On a plain thread, what is left of the thread's stack.
///
/// ```
/// gort::run(|| assert!(gort::stack::remaining() > 1 << 20));
/// ```
#[must_use]
pub fn remaining() -> usize {
    grow::remaining()
}

/// The most bytes of stack the calling goroutine can have in use, all its segments together:
/// [`Builder::stack_size`](crate::Builder::stack_size) or else
/// [`Config::max_stack`](crate::Config::max_stack), rounded up to a power of two.
///
/// ```
/// let h = gort::Builder::new().stack_size(1 << 20).spawn(gort::stack::limit).unwrap();
/// assert_eq!(h.join().unwrap(), 1 << 20);
/// ```
#[must_use]
pub fn limit() -> usize {
    grow::limit()
}

/// Bytes of stack the caller has in use, on all its segments.
#[must_use]
pub fn in_use() -> usize {
    grow::in_use()
}

/// Of how many pieces the caller's stack consists: 1, and one more inside each [`grow()`] and each
/// [`ensure`] that needed one.
#[must_use]
pub fn segments() -> usize {
    grow::segments()
}

/// Bytes of stack memory given back to the system since the program began: pages below the frames of
/// goroutines that have been parked for a while or have ended, and of segments in no use.
#[must_use]
pub fn released() -> u64 {
    crate::sched::scavenge::returned()
}

/// Runs `f` with at least `bytes` of stack: here if there is as much left, else on a further segment,
/// which is released when `f` returns or unwinds.
///
/// Call it in a recursion whose depth the input decides, with the most that one level needs. A level
/// that finds enough pays for a comparison; a segment is twice as large as the one before, so that few
/// are needed. `f` may do everything: block (and go on on another thread), panic, call `ensure` again.
/// Backtraces go through.
///
/// Works on plain threads, too.
///
/// # Panics
/// With a message that contains `stack overflow` when more than [`limit`] bytes would be in use, or
/// when the system has no memory for a segment.
///
/// ```
/// enum Expression { Number(u64), Sum(Box<Expression>, Box<Expression>) }
///
/// fn value(e: &Expression) -> u64 {
///     gort::stack::ensure(32 << 10, || match e {
///         Expression::Number(n) => *n,
///         Expression::Sum(a, b) => value(a) + value(b),
///     })
/// }
///
/// let mut deep = Expression::Number(0);
/// for n in 0..1000 {
///     deep = Expression::Sum(Box::new(deep), Box::new(Expression::Number(n)));
/// }
/// assert_eq!(value(&deep), 499_500);
/// ```
#[inline]
pub fn ensure<T>(bytes: usize, f: impl FnOnce() -> T) -> T {
    match grow::ensure(bytes, f) {
        Ok(value) => value,
        Err(refused) => overflow(&refused),
    }
}

/// Runs `f` on a further segment, twice as large as the present one if [`limit`] allows that.
///
/// # Panics
/// As [`ensure`].
///
/// ```
/// gort::run(|| {
///     assert_eq!(gort::stack::segments(), 1);
///     assert_eq!(gort::stack::grow(gort::stack::segments), 2);
/// });
/// ```
pub fn grow<T>(f: impl FnOnce() -> T) -> T {
    match grow::grow(f) {
        Ok(value) => value,
        Err(refused) => overflow(&refused),
    }
}

#[cold]
#[inline(never)]
fn overflow(refused: &Refused) -> ! {
    crate::panic::overflow_at_call(&refused)
}
