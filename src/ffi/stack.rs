//! Stacks: what is left, and calls on further segments.

use super::entry::Call;
use super::{gort_function, status};
use crate::sched::grow;
use crate::sys::errno::ENOMEM;
use std::ffi::{c_int, c_void};

/// Bytes left on the piece of stack that the caller runs on.
#[unsafe(no_mangle)]
pub extern "C" fn gort_stack_remaining() -> usize {
    grow::remaining()
}

/// The most bytes of stack that the calling goroutine can have in use.
#[unsafe(no_mangle)]
pub extern "C" fn gort_stack_limit() -> usize {
    grow::limit()
}

/// Calls `f(arg)` with at least `bytes` of stack: here if there is as much left, else on a further
/// piece, which is released when `f` ends. For recursions whose depth the input decides; works on plain
/// threads, too.
///
/// 0; -EINVAL without a function; -ENOMEM, and `f` has not been called, if that would exceed the limit
/// or the system has no memory.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_stack_ensure(
    bytes: usize,
    f: gort_function,
    arg: *mut c_void,
) -> c_int {
    let ran =
        Call::new(f, arg).and_then(|call| grow::ensure(bytes, || call.run()).map_err(|_| ENOMEM));
    status(ran)
}
