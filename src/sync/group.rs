//! `ErrGroup`: goroutines that fail together.

use super::{Mutex, Semaphore, WaitGroup};
use std::fmt;
use std::sync::Arc;

/// Goroutines that work on parts of one thing, each of which may fail (Go's `errgroup`). The first
/// error counts: it is what [`wait`](Self::wait) returns, and it may tell the others to stop.
///
/// Clones are handles of the same group.
///
/// ```
/// use gort::context::{background, with_cancel};
/// use gort::sync::ErrGroup;
/// gort::run(|| {
///     let (ctx, cancel) = with_cancel(&background());
///     let group = ErrGroup::with_cancel(move || cancel.cancel());
///     group.go(|| "12".parse::<i32>().map(drop));
///     group.go(|| "zwölf".parse::<i32>().map(drop));
///     group.go(move || {
///         _ = ctx.done().recv(); // stops when another one fails
///         Ok(())
///     });
///     assert!(group.wait().is_err());
/// });
/// ```
pub struct ErrGroup<E>(Arc<Group<E>>);

struct Group<E> {
    wg: WaitGroup,
    /// What is to be called at the first error; then that error, until somebody takes it.
    first: Mutex<(Option<Cancel>, Option<E>)>,
    limit: Option<Semaphore>,
}

type Cancel = Box<dyn FnOnce() + Send>;

/// Gives back at the end of a goroutine, however it ends, what its start took.
struct Place<E>(Arc<Group<E>>);

impl<E> Drop for Place<E> {
    fn drop(&mut self) {
        if let Some(limit) = &self.0.limit {
            limit.release(1);
        }
    }
}

impl<E: Send + 'static> ErrGroup<E> {
    /// A group without goroutines.
    #[must_use]
    pub fn new() -> Self {
        Self::make(None, None)
    }

    /// A group that calls `cancel` at the first error, in the goroutine that failed.
    #[must_use]
    pub fn with_cancel(cancel: impl FnOnce() + Send + 'static) -> Self {
        Self::make(Some(Box::new(cancel)), None)
    }

    /// The group, with at most `n` of its goroutines alive: [`go`](Self::go) waits for a place. Set it
    /// before the first one.
    ///
    /// # Panics
    /// If there are other handles of the group.
    #[must_use]
    pub fn limit(self, n: usize) -> Self {
        let group = Arc::into_inner(self.0).expect("the limit is set before the first goroutine");
        Self::make(group.first.into_inner().0, Some(Semaphore::new(n)))
    }

    fn make(cancel: Option<Cancel>, limit: Option<Semaphore>) -> Self {
        let (wg, first) = (WaitGroup::new(), Mutex::new((cancel, None)));
        Self(Arc::new(Group { wg, first, limit }))
    }

    /// Runs `f` in a new goroutine; waits for a place if the group has a limit. A panic that leaves
    /// `f` is unrecovered (see [`OnPanic`](crate::OnPanic)).
    pub fn go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) {
        if let Some(limit) = &self.0.limit {
            limit.acquire(1);
        }
        self.start(f);
    }

    /// As [`go`](Self::go), if that needs no waiting. Returns whether `f` was started.
    pub fn try_go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) -> bool {
        let free = self.0.limit.as_ref().is_none_or(|limit| limit.try_acquire(1));
        if free {
            self.start(f);
        }
        free
    }

    fn start(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) {
        let place = Place(self.0.clone());
        self.0.wg.go(move || {
            if let Err(e) = f() {
                place.0.fail(e);
            }
            drop(place);
        });
    }

    /// Waits until all have ended.
    ///
    /// # Errors
    /// With the first error, for the first to ask.
    pub fn wait(&self) -> Result<(), E> {
        self.0.wg.wait();
        self.0.first.lock().1.take().map_or(Ok(()), Err)
    }
}

impl<E> Group<E> {
    fn fail(&self, e: E) {
        let (cancel, late) = {
            let mut first = self.first.lock();
            let late = if first.1.is_none() { first.1.replace(e) } else { Some(e) };
            (first.0.take(), late)
        };
        drop(late);
        if let Some(cancel) = cancel {
            cancel();
        }
    }
}

impl<E: Send + 'static> Default for ErrGroup<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Clone for ErrGroup<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> fmt::Debug for ErrGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrGroup").field("wg", &self.0.wg).finish_non_exhaustive()
    }
}
