//! The C interface. `include/gort.h` is made from this room by cbindgen, comments and all
//! (`tests/ffi.rs` compares), so what stands above an item here is written for people who read C.
//!
//! Thin: it turns pointers and numbers into what the rest of the crate takes, and back. Rules:
//! * Nothing unwinds into C. The functions are `extern "C"`, which ends the process where that would
//!   happen, but for `gort_exit` and `gort_panic`, whose purpose it is.
//! * C's functions are called through `entry::call` only: a foreign exception is stopped there.
//! * What may wait holds a `switch::Caught`: C++'s exceptions go with the goroutine.
//! * What C gets is the address of a box with a [`Handle`]'s mark in it; debug builds look at the mark.
//! * The functions are safe to Rust because Rust cannot call them: the room is private, and what C
//!   has to keep to stands in the header. `SAFETY` lines below call that "the header's contract".
#![allow(non_camel_case_types, unreachable_pub)]
#![allow(clippy::not_unsafe_ptr_arg_deref)]

mod runtime;

mod chan;
mod entry;
mod fd;
mod local;
mod monitor;
mod panics;
mod select;
mod stack;
mod sync;
mod task;
mod time;

use crate::sys::clock;
use crate::sys::errno::{EAGAIN, EINVAL, ETIMEDOUT};
use std::ffi::{c_int, c_void};
use std::time::Duration;

/// A function that the library calls, with the argument given along with it.
pub type gort_function = Option<unsafe extern "C-unwind" fn(arg: *mut c_void)>;

/// The deadline of a call that waits as long as it takes. (The deadline 0 is "now": the call does not
/// wait at all.)
pub const GORT_FOREVER: i64 = -1;

/// A deadline as C writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Now,
    Never,
    At(u64),
}

impl Until {
    fn of(deadline: i64) -> Self {
        match u64::try_from(deadline) {
            Err(_) => Self::Never,
            Ok(0) => Self::Now,
            Ok(at) => Self::At(at),
        }
    }

    /// The error of a call that could not go on until then.
    fn error(self) -> c_int {
        if self == Self::Now { EAGAIN } else { ETIMEDOUT }
    }

    /// The point of the clock up to which to wait, as the rooms below have it: 0 is not at all.
    fn point(self) -> u64 {
        match self {
            Self::Never => clock::NEVER,
            Self::Now => 0,
            Self::At(at) => at,
        }
    }

    /// How long to wait; `None` for ever.
    fn left(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Now => Some(Duration::ZERO),
            Self::At(at) => Some(Duration::from_nanos(at.saturating_sub(clock::now()))),
        }
    }
}

/// 0 or the negative error.
fn status(result: Result<(), c_int>) -> c_int {
    result.map_or_else(|error| -error, |()| 0)
}

/// What C gets the address of: a mark, and the object.
#[repr(C)]
struct Marked<T> {
    mark: usize,
    object: T,
}

/// An object that C knows by its address.
trait Handle: Sized {
    /// Tells the object's type in its memory.
    const MARK: usize;

    /// Hands it to C.
    fn hand_out(self) -> *mut Self {
        Box::into_raw(Box::new(Marked { mark: Self::MARK, object: self })).cast()
    }

    /// The object behind an address from C.
    ///
    /// # Errors
    /// `EINVAL` if that cannot be one.
    ///
    /// # Safety
    /// The address is null or from `hand_out`, of an object which lives as long as `'a` (the header's
    /// contract).
    unsafe fn borrow<'a>(at: *const Self) -> Result<&'a Self, c_int> {
        let at = at.cast::<Marked<Self>>();
        if at.is_null() || !at.is_aligned() {
            return Err(EINVAL);
        }
        // SAFETY: the caller's promise.
        let marked = unsafe { &*at };
        if cfg!(debug_assertions) && marked.mark != Self::MARK {
            return Err(EINVAL);
        }
        Ok(&marked.object)
    }

    /// Takes the object back from C.
    ///
    /// # Errors
    /// `EINVAL` if the address cannot be one.
    ///
    /// # Safety
    /// As [`borrow`](Self::borrow), and nobody uses the object any more.
    unsafe fn take_back(at: *mut Self) -> Result<Self, c_int> {
        // SAFETY: passed on.
        unsafe { Self::borrow(at) }?;
        // SAFETY: `hand_out` made it from a box, which is ours now.
        let mut marked = unsafe { Box::from_raw(at.cast::<Marked<Self>>()) };
        // A second free finds none.
        // SAFETY: a place of ours; volatile because nothing else will look at it in this life.
        unsafe { (&raw mut marked.mark).write_volatile(0) };
        Ok(marked.object)
    }

    /// Frees the object; null is not an error. 0 or the negative error.
    ///
    /// # Safety
    /// As [`take_back`](Self::take_back).
    unsafe fn free(at: *mut Self) -> c_int {
        if at.is_null() {
            return 0;
        }
        // SAFETY: passed on.
        status(unsafe { Self::take_back(at) }.map(drop))
    }
}
