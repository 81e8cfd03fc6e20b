//! `spawn`, `JoinHandle`, `Builder`.

use crate::base::oneshot::Oneshot;
use crate::g::{Site, WaitReason};
use crate::panic::{End, Goexit, catch, drop_quietly, refuse, start_goroutine};
use crate::sched::join::{self, Cell};
use crate::sched::{Choice, Me, Options, Task, farewell, park, ready};
use crate::stack;
use std::any::Any;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::thread;

/// The right to join a goroutine: to wait for its end and take its result. Dropping it detaches.
pub struct JoinHandle<T> {
    cell: NonNull<Cell>,
    id: u64,
    _result: PhantomData<T>,
}

// SAFETY: the handle moves a T out of the cell, nothing else.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through a shared handle only `is_finished` and `id` can be called.
unsafe impl<T> Sync for JoinHandle<T> {}
/// As `std::thread::JoinHandle`.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

/// Starts a goroutine and returns a handle to its result, as `std::thread::spawn`.
///
/// # Panics
/// When no stack can be had for it.
///
/// ```
/// gort::run(|| {
///     let h = gort::spawn(|| 6 * 7);
///     assert_eq!(h.join().unwrap(), 42);
///     let h = gort::spawn(|| -> () { panic!("oops") });
///     assert_eq!(*h.join().unwrap_err().downcast::<&str>().unwrap(), "oops");
/// });
/// ```
#[inline(always)]
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: `f` and its result are 'static.
    unsafe { spawn_unchecked(Options::here(), (), f) }.unwrap_or_else(|e| refuse(&e))
}

/// Who wants to know how a joinable goroutine ended. Dropped as the very last thing it does.
pub(super) trait Watch {
    /// It panicked, and nobody will join it.
    fn unjoined_panic(&self);
}

impl Watch for () {
    fn unjoined_panic(&self) {}
}

/// Starts a joinable goroutine.
///
/// # Errors
/// When no stack can be had.
///
/// # Safety
/// What `f`, its result and `watch` borrow outlives the goroutine and the use of the handle.
#[inline]
pub(super) unsafe fn spawn_unchecked<F, T, W>(
    options: Options,
    watch: W,
    f: F,
) -> Result<JoinHandle<T>, stack::Exhausted>
where
    F: FnOnce() -> T,
    W: Watch,
{
    crate::panic::ensure_started();
    let cell = join::take();
    let body = move || {
        let result = match catch(f) {
            End::Returned(value) => Ok(value),
            End::Exited => Err(Box::new(Goexit) as Box<dyn Any + Send>),
            End::Panicked(panic) => Err(panic.into_payload()),
        };
        farewell();
        // SAFETY: the cell was made for this goroutine, which finishes once.
        unsafe { finish(cell, result, &watch) };
        drop(watch);
    };
    // SAFETY: passed on; started above.
    match unsafe { start_goroutine(options, body) } {
        Ok(id) => Ok(JoinHandle { cell, id, _result: PhantomData }),
        Err(e) => {
            // SAFETY: the goroutine was not made, so the cell is ours alone and empty.
            unsafe { join::give(cell) };
            Err(e)
        }
    }
}

/// Leaves the result to the handle, or disposes of it if the handle is gone.
///
/// # Safety
/// `cell` is the goroutine's own, and has not been finished yet.
unsafe fn finish<T>(cell: NonNull<Cell>, result: thread::Result<T>, watch: &impl Watch) {
    // SAFETY: cells live for ever, and until the word fires this one is ours.
    let this = unsafe { cell.as_ref() };
    // SAFETY: before firing, once.
    unsafe { this.put(result) };
    let Some(waiter) = this.word.fire() else { return };
    if !Oneshot::is_detached(waiter) {
        // SAFETY: `join` armed the word with its task.
        return unsafe { ready(Task::from_ptr(waiter)) };
    }
    // SAFETY: nobody will join: we are left with the cell, and take the result just put.
    let unwanted = unsafe { this.get::<thread::Result<T>>() };
    // SAFETY: the last use of the cell.
    unsafe { join::give(cell) };
    if is_panic(&unwanted) {
        watch.unjoined_panic();
    }
    drop_quietly(unwanted);
    farewell();
}

/// Whether a goroutine ended by a panic.
pub(super) fn is_panic<T>(result: &thread::Result<T>) -> bool {
    matches!(result, Err(payload) if !payload.is::<Goexit>())
}

impl<T> JoinHandle<T> {
    fn cell(&self) -> &Cell {
        // SAFETY: cells live for ever.
        unsafe { self.cell.as_ref() }
    }

    /// Waits for the goroutine to end and returns its result; `Err` with the payload if it panicked,
    /// or with [`Goexit`].
    ///
    /// # Errors
    /// The panic's payload, as `std::thread::JoinHandle::join`.
    #[inline]
    pub fn join(self) -> thread::Result<T> {
        crate::sched::goexit::point();
        if !self.cell().word.is_fired() {
            let me = Me::new();
            park(&me, WaitReason::Join, || self.cell().word.arm(me.task().as_ptr()));
        }
        let cell = self.cell;
        std::mem::forget(self);
        // SAFETY: the word has fired: the result is there, and the cell is ours alone.
        let result = unsafe { cell.as_ref().get::<thread::Result<T>>() };
        // SAFETY: the last use of the cell.
        unsafe { join::give(cell) };
        result
    }

    /// Whether the goroutine has ended, so that [`join`](Self::join) would not block.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.cell().word.is_fired()
    }

    /// The goroutine's number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl<T> JoinHandle<T> {
    /// Gives the handle up; returns the result if it is there already.
    fn detach(&self) -> Option<thread::Result<T>> {
        if self.cell().word.detach() {
            return None;
        }
        // SAFETY: it has fired: the result is there, and the cell is ours alone.
        let unwanted = unsafe { self.cell().get::<thread::Result<T>>() };
        // SAFETY: the last use of the cell.
        unsafe { join::give(self.cell) };
        Some(unwanted)
    }

    /// As dropping the handle, but hands out a result that is there already.
    pub(super) fn abandon(self) -> Option<thread::Result<T>> {
        let this = std::mem::ManuallyDrop::new(self);
        this.detach()
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        drop(self.detach());
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id)
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Starts goroutines with a name or a stack size of their own, as `std::thread::Builder`.
///
/// ```
/// gort::run(|| {
///     let h = gort::Builder::new().name("deep".into()).stack_size(64 << 20).spawn(|| 1).unwrap();
///     assert_eq!(h.join().unwrap(), 1);
/// });
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// No name, the ladder's stack.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name, shown in tracebacks.
    pub fn name(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// How large the stack can become, in bytes, rounded up to a power of two. It is this goroutine's
    /// [`limit`](crate::stack::limit), in place of [`Config::max_stack`](crate::Config::max_stack),
    /// and reserved in one piece.
    pub fn stack_size(mut self, max_bytes: usize) -> Self {
        self.stack_size = Some(max_bytes);
        self
    }

    /// Starts a goroutine, as [`spawn`].
    ///
    /// # Errors
    /// `InvalidInput` for a stack above [`Config::max_stack`](crate::Config::max_stack); the
    /// system's error when no stack can be had.
    #[inline(always)]
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        crate::panic::ensure_started();
        let options = self.options(Some(Site::here()))?;
        // SAFETY: `f` and its result are 'static.
        unsafe { spawn_unchecked(options, (), f) }
            .map_err(|e| io::Error::new(e.error.kind(), e.describe()))
    }

    fn options(self, site: Option<Site>) -> io::Result<Options> {
        let class = self.stack_size.map(class_of).transpose()?;
        let choice = Choice { class, name: self.name.map(Into::into), is_main: false };
        Ok(Options { site, choice: Some(Box::new(choice)) })
    }
}

/// The size class for a stack of `bytes`.
fn class_of(bytes: usize) -> io::Result<u8> {
    let max = crate::sched::cap::max_stack();
    stack::class_for(bytes).filter(|_| bytes <= max).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("stack_size {bytes} exceeds Config::max_stack, {max}"),
        )
    })
}
