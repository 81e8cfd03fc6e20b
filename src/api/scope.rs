//! `scope`: goroutines that borrow from the caller, as `std::thread::scope`.

use super::join::{JoinHandle, Watch, is_panic, spawn_unchecked};
use crate::panic::{outlive, refuse};
use crate::sched::Options;
use crate::sync::WaitGroup;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A scope to start goroutines in that may borrow what lives longer than the scope.
pub struct Scope<'scope, 'env: 'scope> {
    group: WaitGroup,
    panicked: Arc<AtomicBool>,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// Runs `f` with a [`Scope`]; returns when `f` has returned and every goroutine of the scope has
/// ended, also if `f` panics or goexits.
///
/// # Panics
/// With `f`'s panic; or if a goroutine started by [`Scope::spawn`] panicked and was not joined.
///
/// ```
/// gort::run(|| {
///     let mut numbers = [1, 2, 3];
///     gort::scope(|s| {
///         for n in &mut numbers {
///             s.go(move || *n *= 2);
///         }
///     });
///     assert_eq!(numbers, [2, 4, 6]);
/// });
/// ```
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let scope = Scope {
        group: WaitGroup::new(),
        panicked: Arc::new(AtomicBool::new(false)),
        scope: PhantomData,
        env: PhantomData,
    };
    let value = outlive(|| f(&scope), || scope.group.wait());
    assert!(!scope.panicked.load(Ordering::Relaxed), "a scoped goroutine panicked");
    value
}

/// A goroutine's tie to its scope: dropped when everything of the goroutine is gone.
struct Tie {
    group: WaitGroup,
    panicked: Arc<AtomicBool>,
}

impl Drop for Tie {
    fn drop(&mut self) {
        self.group.done();
    }
}

impl Watch for Tie {
    fn unjoined_panic(&self) {
        self.panicked.store(true, Ordering::Relaxed);
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a goroutine whose result is dropped. A panic that leaves `f` is unrecovered.
    ///
    /// # Panics
    /// When no goroutine can be made.
    #[inline(always)]
    #[track_caller]
    pub fn go<F, R>(&'scope self, f: F)
    where
        F: FnOnce() -> R + Send + 'scope,
    {
        crate::panic::ensure_started();
        let tie = self.tie();
        let body = crate::panic::end_by_report(f, move || drop(tie));
        // SAFETY: `scope` returns only after `tie` is dropped, hence after `f` and all it borrows
        // have been used for the last time; 'scope outlives that. Started above.
        if let Err(e) = unsafe { crate::panic::start_goroutine(Options::here(), body) } {
            refuse(&e);
        }
    }

    fn tie(&self) -> Tie {
        self.group.add(1);
        Tie { group: self.group.clone(), panicked: self.panicked.clone() }
    }

    /// Starts a goroutine and returns a handle to its result.
    ///
    /// # Panics
    /// When no goroutine can be made.
    #[inline(always)]
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        // SAFETY: `scope` returns only after the tie is dropped, which the goroutine does last; and
        // the handle cannot be used after 'scope.
        let inner = unsafe { spawn_unchecked(Options::here(), self.tie(), f) };
        let inner = inner.unwrap_or_else(|e| refuse(&e));
        ScopedJoinHandle { inner: Some(inner), panicked: &self.panicked }
    }
}

/// The right to join a goroutine of a [`Scope`]. Dropping it leaves the goroutine to the scope, which
/// panics if the goroutine did.
#[derive(Debug)]
pub struct ScopedJoinHandle<'scope, T> {
    /// `None` only while it is dropped or joined.
    inner: Option<JoinHandle<T>>,
    panicked: &'scope AtomicBool,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the goroutine to end and returns its result, as [`JoinHandle::join`].
    ///
    /// # Errors
    /// The panic's payload.
    ///
    /// # Panics
    /// Never.
    pub fn join(mut self) -> thread::Result<T> {
        self.inner.take().expect("a handle is joined once").join()
    }

    /// Whether the goroutine has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.inner.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// The goroutine's number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.inner.as_ref().map_or(0, JoinHandle::id)
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        let unwanted = self.inner.take().and_then(JoinHandle::abandon);
        if unwanted.as_ref().is_some_and(is_panic) {
            self.panicked.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("goroutines", &self.group).finish_non_exhaustive()
    }
}
