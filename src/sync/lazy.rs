//! `LazyLock`: a value made when it is first asked for.

use super::once::{Once, OnceLock};
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

/// A value that the first to ask for it makes; others wait meanwhile (Go's `sync.OnceValue`, std's
/// `LazyLock`). Whoever waits is parked; std's would block the thread.
///
/// ```
/// use gort::sync::LazyLock;
/// static PRIMES: LazyLock<Vec<u32>> = LazyLock::new(|| vec![2, 3, 5, 7]);
/// assert_eq!(PRIMES[3], 7);
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    value: OnceLock<T>,
    made: Once,
    /// Taken by the call that makes the value, within `made`.
    make: Cell<Option<F>>,
}

// SAFETY: `make` is used within `made`, by one party; a value is shared once it is there.
unsafe impl<T: Send + Sync, F: Send> Sync for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// A value that `make` will make.
    #[cfg(not(any(loom, shuttle)))]
    pub const fn new(make: F) -> Self {
        Self { value: OnceLock::new(), made: Once::new(), make: Cell::new(Some(make)) }
    }

    /// The value, made if it has not been.
    ///
    /// # Panics
    /// With `LazyLock instance has previously been poisoned`, if making it panicked.
    pub fn force(this: &Self) -> &T {
        if this.value.get().is_none() {
            this.made.call_once(|| {
                let make = this.make.take().expect("made once");
                assert!(this.value.set(make()).is_ok(), "made once");
            });
        }
        this.value.get().expect("LazyLock instance has previously been poisoned")
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LazyLock").field(&self.value.get()).finish()
    }
}
