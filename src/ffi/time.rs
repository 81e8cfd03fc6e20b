//! The clock, sleeping, timers.

use super::entry::{self, Call};
use super::{Handle, gort_function};
use crate::switch::Caught;
use crate::sys::clock;
use crate::time::Timer;
use std::ffi::{c_int, c_void};
use std::time::Duration;

/// Nanoseconds of the monotonic clock: what deadlines are counted in (CLOCK_MONOTONIC).
#[unsafe(no_mangle)]
pub extern "C" fn gort_now() -> i64 {
    i64::try_from(clock::now()).unwrap_or(i64::MAX)
}

/// The deadline that is `ns` nanoseconds away.
#[unsafe(no_mangle)]
pub extern "C" fn gort_after(ns: i64) -> i64 {
    gort_now().saturating_add(ns.max(0))
}

/// Blocks the caller until the clock shows `deadline`; not at all for one that has passed, and for ever
/// with GORT_FOREVER.
#[unsafe(no_mangle)]
pub extern "C" fn gort_sleep_until(deadline: i64) {
    let _caught = Caught::take();
    match super::Until::of(deadline).left() {
        Some(left) => crate::time::sleep(left),
        None => loop {
            crate::time::sleep(Duration::MAX);
        },
    }
}

/// Blocks the caller for `ns` nanoseconds.
#[unsafe(no_mangle)]
pub extern "C" fn gort_sleep(ns: i64) {
    let _caught = Caught::take();
    crate::time::sleep(Duration::from_nanos(u64::try_from(ns).unwrap_or(0)));
}

/// Something that is to happen later.
pub struct gort_timer {
    timer: Timer,
}

impl Handle for gort_timer {
    const MARK: usize = 0x7469_6d65;
}

/// Calls `f(arg)` in a goroutine of its own when the clock shows `deadline`. Null without a function.
#[unsafe(no_mangle)]
pub extern "C" fn gort_timer_new(
    deadline: i64,
    f: gort_function,
    arg: *mut c_void,
) -> *mut gort_timer {
    let Ok(call) = Call::new(f, arg) else { return std::ptr::null_mut() };
    let timer = crate::time::after_func(left(deadline), move || entry::run(call));
    gort_timer { timer }.hand_out()
}

fn left(deadline: i64) -> Duration {
    super::Until::of(deadline).left().unwrap_or(Duration::MAX)
}

/// Calls the timer off: 1 if it was to ring, 0 if it had or was off; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_timer_stop(timer: *const gort_timer) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_timer::borrow(timer) }.map_or_else(|e| -e, |t| c_int::from(t.timer.stop()))
}

/// Sets the timer to `deadline` instead: 1 if it was to ring, 0 if it had or was off; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_timer_reset(timer: *const gort_timer, deadline: i64) -> c_int {
    // SAFETY: the header's contract.
    let timer = unsafe { gort_timer::borrow(timer) };
    timer.map_or_else(|e| -e, |t| c_int::from(t.timer.reset(left(deadline))))
}

/// Frees the handle; a timer that is to ring will. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_timer_free(timer: *mut gort_timer) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_timer::free(timer) }
}
