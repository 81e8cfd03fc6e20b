//! Goroutines that somebody waits for.

use super::entry::{self, Call};
use super::runtime::start;
use super::{Handle, Until, gort_function, status};
use crate::panic::{End, catch};
use crate::switch::Caught;
use crate::sys::errno::{ECANCELED, EINVAL, ENOTRECOVERABLE};
use crate::{Receiver, RecvTimeoutError};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// A goroutine that can be joined.
pub struct gort_task {
    id: u64,
    end: Arc<Ending>,
    /// Closed by the goroutine's end.
    ended: Receiver<()>,
}

impl Handle for gort_task {
    const MARK: usize = 0x7461_736b;
}

/// How it ended; written before `ended` is closed.
struct Ending {
    error: AtomicI32,
    result: AtomicPtr<c_void>,
}

/// Starts a goroutine that runs `f(arg)` and can be joined; `*task` is its handle.
///
/// 0; -EINVAL; -EAGAIN if no goroutine can be made.
#[unsafe(no_mangle)]
pub extern "C" fn gort_task_go(
    task: *mut *mut gort_task,
    f: Option<unsafe extern "C-unwind" fn(arg: *mut c_void) -> *mut c_void>,
    arg: *mut c_void,
) -> c_int {
    status(go(task, f, arg))
}

/// What the goroutine of a task calls through the door for foreign functions, which has no result.
struct Wanted {
    f: unsafe extern "C-unwind" fn(arg: *mut c_void) -> *mut c_void,
    arg: *mut c_void,
    result: Cell<*mut c_void>,
}

/// # Safety
/// `arg` is a [`Wanted`] that outlives the call.
unsafe extern "C-unwind" fn wanted(arg: *mut c_void) {
    // SAFETY: `go` passes one that outlives the call.
    let wanted = unsafe { &*arg.cast::<Wanted>() };
    // SAFETY: the header's contract: a function that takes this argument.
    wanted.result.set(unsafe { (wanted.f)(wanted.arg) });
}

fn go(
    task: *mut *mut gort_task,
    f: Option<unsafe extern "C-unwind" fn(arg: *mut c_void) -> *mut c_void>,
    arg: *mut c_void,
) -> Result<(), c_int> {
    /// What passes to the goroutine.
    struct Body(Arc<Ending>, crate::Sender<()>, Wanted);
    // SAFETY: whoever gives a function to another goroutine vouches for the argument (the header's
    // contract).
    unsafe impl Send for Body {}

    let f = f.filter(|_| !task.is_null()).ok_or(EINVAL)?;
    let end =
        Arc::new(Ending { error: AtomicI32::new(0), result: AtomicPtr::new(ptr::null_mut()) });
    let (ending, ended) = crate::channel(0);
    let body = Body(end.clone(), ending, Wanted { f, arg, result: Cell::new(ptr::null_mut()) });
    let id = start(move || {
        let Body(end, ending, body) = { body };
        let body_at = (&raw const body).cast_mut().cast();
        let call: gort_function = Some(wanted);
        let error = match catch(|| Call::new(call, body_at).map(entry::run)) {
            End::Returned(_) => 0,
            End::Exited => -ECANCELED,
            End::Panicked(panic) => {
                drop(panic.into_payload());
                -ENOTRECOVERABLE
            }
        };
        end.result.store(body.result.get(), Ordering::Relaxed);
        end.error.store(error, Ordering::Relaxed);
        drop(ending);
    })?;
    let handle = gort_task { id, end, ended }.hand_out();
    // SAFETY: not null; the header's contract: a place for a handle.
    unsafe { task.write(handle) };
    Ok(())
}

/// Waits for the task's end, and frees the handle; `*result`, unless null, is what its function
/// returned.
///
/// 0; -ECANCELED if it ended by `gort_exit`; -ENOTRECOVERABLE if it panicked. -EAGAIN or -ETIMEDOUT if
/// it has not ended by `deadline`: then the handle stays.
#[unsafe(no_mangle)]
pub extern "C" fn gort_task_join(
    task: *mut gort_task,
    result: *mut *mut c_void,
    deadline: i64,
) -> c_int {
    match join(task, deadline) {
        Ok(task) => {
            if !result.is_null() {
                // SAFETY: the header's contract: a place for a pointer.
                unsafe { result.write(task.end.result.load(Ordering::Relaxed)) };
            }
            task.end.error.load(Ordering::Relaxed)
        }
        Err(error) => -error,
    }
}

fn join(task: *mut gort_task, deadline: i64) -> Result<gort_task, c_int> {
    // SAFETY: the header's contract.
    let this = unsafe { gort_task::borrow(task) }?;
    let _caught = Caught::take();
    let until = Until::of(deadline);
    let ended = match until.left() {
        None => this.ended.recv().is_err(),
        Some(left) => this.ended.recv_timeout(left) == Err(RecvTimeoutError::Closed),
    };
    if !ended {
        return Err(until.error());
    }
    // SAFETY: the header's contract: only one joins.
    unsafe { gort_task::take_back(task) }
}

/// Gives the handle up; the goroutine goes on. If it panics nobody hears of it.
#[unsafe(no_mangle)]
pub extern "C" fn gort_task_detach(task: *mut gort_task) -> c_int {
    // SAFETY: the header's contract.
    status(unsafe { gort_task::take_back(task) }.map(drop))
}

/// The number of the task's goroutine; 0 for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn gort_task_id(task: *const gort_task) -> u64 {
    // SAFETY: the header's contract.
    unsafe { gort_task::borrow(task) }.map_or(0, |task| task.id)
}
