//! How C's functions are called, and what a goroutine of C's has: its deferred calls, and its locals.
//!
//! A [`State`] lies in the frame of the goroutine's entry, below all of C's frames, and the goroutine
//! refers to it. Only the goroutine itself uses it, and only while that frame is there.

use super::gort_function;
use crate::panic::{Deferred, Frame, func};
use crate::sched::current::current;
use crate::switch::call_foreign;
use crate::sys::errno::{EINVAL, EPERM};
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::ptr;

/// A function of C's and its argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    f: unsafe extern "C-unwind" fn(*mut c_void),
    arg: *mut c_void,
}

// SAFETY: whoever gives a function to another goroutine vouches for the argument (the header's contract).
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

impl Call {
    /// # Errors
    /// `EINVAL` without a function.
    pub(super) fn new(f: gort_function, arg: *mut c_void) -> Result<Self, c_int> {
        f.map(|f| Self { f, arg }).ok_or(EINVAL)
    }

    /// Calls it.
    pub(super) fn run(self) {
        // SAFETY: the header's contract: a function that takes this argument.
        unsafe { call_foreign(self.f, self.arg) };
    }
}

/// See the head.
#[derive(Debug)]
pub(super) struct State {
    /// The function whose body runs: where `gort_defer` puts its calls. Null while deferred calls run.
    frame: Cell<*const Frame<'static, ()>>,
    /// The function whose deferred calls run, in one of them.
    deferred: Cell<*mut Deferred<'static, ()>>,
    /// Values of `gort_local`, by key.
    pub(super) locals: RefCell<Vec<*mut c_void>>,
}

/// The calling goroutine's.
///
/// # Errors
/// `EPERM` off goroutines, and on those that Rust has started.
pub(super) fn state<'a>() -> Result<&'a State, c_int> {
    let g = current().and_then(|m| m.curg()).ok_or(EPERM)?;
    // SAFETY: `run` below put it there and is a frame of this goroutine, which is below the caller's.
    unsafe { g.foreign.get().cast::<State>().as_ref() }.ok_or(EPERM)
}

/// What a goroutine of C's runs: `call` as a function with deferred calls, and the destructors of its
/// locals, however it ends.
pub(super) fn run(call: Call) {
    /// Ends the state's time.
    struct Over<'a>(&'a State);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            super::local::destroy(&self.0.locals);
            if let Some(g) = current().and_then(|m| m.curg()) {
                g.foreign.set(ptr::null_mut());
            }
        }
    }
    let state = State {
        frame: Cell::new(ptr::null()),
        deferred: Cell::new(ptr::null_mut()),
        locals: RefCell::new(Vec::new()),
    };
    if let Some(g) = current().and_then(|m| m.curg()) {
        g.foreign.set((&raw const state).cast_mut().cast());
    }
    let _over = Over(&state);
    function(&state, |_| call.run());
}

/// Runs `body` as a function with deferred calls of its own.
pub(super) fn function(state: &State, body: impl FnOnce(&Frame<'static, ()>)) {
    /// Restores what stood in a cell.
    struct Restore<'a, T: Copy>(&'a Cell<T>, T);
    impl<T: Copy> Drop for Restore<'_, T> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _frame = Restore(&state.frame, state.frame.get());
    let _deferred = Restore(&state.deferred, state.deferred.replace(ptr::null_mut()));
    func(|frame: &Frame<'static, ()>| {
        state.frame.set(frame);
        // However the body ends, deferred calls cannot reach the frame.
        let _ended = Restore(&state.frame, ptr::null());
        body(frame);
    });
}

impl State {
    /// Has `call` called when the innermost function ends.
    ///
    /// # Errors
    /// `EPERM` in a deferred call.
    pub(super) fn defer(&'static self, call: Call) -> Result<(), c_int> {
        // SAFETY: `function` keeps the cell null but while the frame's body runs.
        let frame = unsafe { self.frame.get().as_ref() }.ok_or(EPERM)?;
        frame.defer(move |d| self.deferred(d, || call.run()));
        Ok(())
    }

    /// Runs a deferred call.
    pub(super) fn deferred(&self, d: &mut Deferred<'_, ()>, call: impl FnOnce()) {
        /// Ends the reference's time.
        struct Over<'a>(&'a State, *mut Deferred<'static, ()>);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.deferred.set(self.1);
            }
        }
        let before = self.deferred.replace(ptr::from_mut(d).cast());
        let _over = Over(self, before);
        call();
    }

    /// Stops the panic of the function whose deferred call this is; its message.
    ///
    /// # Errors
    /// `EPERM` outside of deferred calls.
    pub(super) fn recover(&self) -> Result<Option<String>, c_int> {
        // SAFETY: `deferred` puts a reference there that is not used by anyone else while it stands there.
        let d = unsafe { self.deferred.get().as_mut() }.ok_or(EPERM)?;
        Ok(d.recover().map(|panic| panic.message().to_owned()))
    }
}
