//! Deferred calls, panics and recovery for C.

use super::entry::{Call, function, state};
use super::{gort_function, status};
use crate::sys::errno::ENOTRECOVERABLE;
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};

/// Has `f(arg)` called when the innermost function ends: the body of the innermost `gort_func` or
/// `gort_try`, or the goroutine's own. Deferred calls run last in first out, whether the function
/// returns, panics, or the goroutine ends by `gort_exit`.
///
/// -EPERM in a goroutine that was not started from C, on a plain thread, and in a deferred call (which
/// may use `gort_func`).
#[unsafe(no_mangle)]
pub extern "C" fn gort_defer(f: gort_function, arg: *mut c_void) -> c_int {
    status(Call::new(f, arg).and_then(|call| state()?.defer(call)))
}

/// Calls `body(arg)` as a function with deferred calls of its own. A panic goes on when they have run,
/// unless one of them recovers it.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_func(body: gort_function, arg: *mut c_void) -> c_int {
    let ran = Call::new(body, arg).and_then(|call| {
        function(state()?, |_| call.run());
        Ok(())
    });
    status(ran)
}

/// In a deferred call: stops the panic of the function that deferred it, which will return. Copies at
/// most `size` bytes of the panic's message, zero-terminated, to `message`, unless that is null.
///
/// 1 if there was a panic; 0 if there was none, or it has been recovered; -EPERM outside of deferred
/// calls.
#[unsafe(no_mangle)]
pub extern "C" fn gort_recover(message: *mut c_char, size: usize) -> c_int {
    match state().and_then(|state| state.recover()) {
        Ok(Some(text)) => {
            copy(&text, message, size);
            1
        }
        Ok(None) => 0,
        Err(error) => -error,
    }
}

/// Panics with a message: unwinds the stack, through C frames that have unwind tables (gcc and clang
/// make them by default on 64-bit targets, elsewhere with -fexceptions), running deferred calls and the
/// destructors of C++ and Rust. If nothing recovers it, the goroutine and the process end with Go's
/// report and status 2.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_panic(message: *const c_char) -> ! {
    if message.is_null() {
        std::panic::panic_any("panic from C".to_owned())
    }
    // SAFETY: the header's contract: a zero-terminated string.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    std::panic::panic_any(text)
}

/// Calls `body(arg)` and stops a panic that leaves it: a `gort_func` with a `gort_recover` in it.
/// Copies at most `size` bytes of the panic's message, zero-terminated, to `message`, unless that is
/// null.
///
/// 0; -ENOTRECOVERABLE after a panic; -EPERM as `gort_defer`.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_try(
    body: gort_function,
    arg: *mut c_void,
    message: *mut c_char,
    size: usize,
) -> c_int {
    let stopped = RefCell::new(None);
    let ran = Call::new(body, arg).and_then(|call| {
        let state = state()?;
        let place: *const RefCell<Option<String>> = &raw const stopped;
        function(state, |frame| {
            frame.defer(move |d| {
                if let Some(panic) = d.recover() {
                    // SAFETY: `stopped` outlives the function whose deferred call this is.
                    unsafe { &*place }.replace(Some(panic.message().to_owned()));
                }
            });
            call.run();
        });
        Ok(())
    });
    if let Err(error) = ran {
        return -error;
    }
    match stopped.into_inner() {
        Some(text) => {
            copy(&text, message, size);
            -ENOTRECOVERABLE
        }
        None => 0,
    }
}

/// As much of `text` as fits, and a zero.
pub(super) fn copy(text: &str, to: *mut c_char, size: usize) {
    if to.is_null() || size == 0 {
        return;
    }
    let len = text.len().min(size - 1);
    // SAFETY: the header's contract: `size` bytes of room.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, len);
        to.add(len).write(0);
    }
}
