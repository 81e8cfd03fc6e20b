//! Time: sleeping, timers, tickers, time limits.

mod func;
mod timer;

pub use timer::{Elapsed, Ticker, Timer, after, after_func, tick, timeout};

use crate::sched;
use crate::sys::clock;
use std::time::Duration;

/// Blocks the calling goroutine (or plain thread) for at least `d`; returns at once for zero, without
/// yielding (Go).
///
/// ```
/// use std::time::{Duration, Instant};
/// gort::run(|| {
///     let start = Instant::now();
///     gort::time::sleep(Duration::from_millis(2));
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// });
/// ```
pub fn sleep(d: Duration) {
    sched::goexit::point();
    if !d.is_zero() {
        sched::sleep_until(clock::after(d));
    }
}
