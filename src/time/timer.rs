//! Timers and tickers with the rules of Go 1.23 and later: after `stop` or `reset` nothing of an
//! earlier setting can be received, and a timer nobody waits for costs nothing.

use super::func::Func;
use crate::chan::{Chan, channel};
use crate::panic::ensure_started;
use crate::sys::clock::{self, NEVER};
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// The instant of a reading of the runtime's clock. All are told by one pair of readings, so that they
/// are in the order of what they tell of.
fn instant(due: u64) -> Instant {
    static PAIR: LazyLock<(u64, Instant)> = LazyLock::new(|| {
        // Between the two one may lose the core: the closest of several.
        let read = |_| {
            let (clock, instant) = (clock::now(), Instant::now());
            (clock::now() - clock, (clock, instant))
        };
        (0..8).map(read).min().map_or_else(|| (clock::now(), Instant::now()), |(_, pair)| pair)
    });
    let (clock, instant) = *PAIR;
    let at = match due.checked_sub(clock) {
        Some(later) => instant.checked_add(Duration::from_nanos(later)),
        None => instant.checked_sub(Duration::from_nanos(clock - due)),
    };
    at.unwrap_or(instant)
}

/// One event in the future (Go's `time.Timer`): a value on a channel, or a call ([`after_func`]).
///
/// The value is the time at which the timer was due, even if it is received later. The channel looks
/// unbuffered. Clones are the same timer; dropping does not stop it.
///
/// ```
/// use gort::time::Timer;
/// use std::time::Duration;
/// gort::run(|| {
///     let timer = Timer::new(Duration::from_millis(1));
///     assert!(timer.chan().recv().is_some());
///     assert!(!timer.stop(), "it has been received");
///     assert!(!timer.reset(Duration::from_secs(3600)));
///     assert!(timer.stop());
/// });
/// ```
#[derive(Clone)]
pub struct Timer {
    /// Nil for a call.
    chan: Chan<Instant>,
    func: Option<Arc<Func>>,
}

impl Timer {
    /// A timer whose channel gets a value after `d`.
    #[must_use]
    pub fn new(d: Duration) -> Self {
        ensure_started();
        Self { chan: Chan::timed(instant, clock::after(d), 0), func: None }
    }

    /// Its channel, which one can only receive from; nil for [`after_func`].
    #[must_use]
    pub fn chan(&self) -> &Chan<Instant> {
        &self.chan
    }

    /// Stops the timer. True: it was running, or its value had not been received; nothing will come
    /// any more. False: it had been received or stopped, or the call has begun.
    pub fn stop(&self) -> bool {
        self.set(NEVER)
    }

    /// Sets the timer to `d` from now, whatever it did before. Returns what [`stop`](Self::stop) would.
    pub fn reset(&self, d: Duration) -> bool {
        self.set(clock::after(d))
    }

    fn set(&self, when: u64) -> bool {
        match &self.func {
            Some(func) => func.reset(when),
            None => self.chan.reset_clock(when, 0),
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.func.is_some() { "Timer(func)" } else { "Timer(chan)" })
    }
}

/// Events at a fixed interval (Go's `time.Ticker`). A slow receiver misses ticks; those that come
/// keep the phase. Clones are the same ticker; dropping does not stop it.
///
/// ```
/// use gort::time::Ticker;
/// use std::time::Duration;
/// gort::run(|| {
///     let ticker = Ticker::new(Duration::from_millis(1));
///     let ticks: Vec<_> = ticker.chan().iter().take(3).collect();
///     ticker.stop();
///     assert!(ticks[0] < ticks[1] && ticks[1] < ticks[2]);
/// });
/// ```
#[derive(Clone)]
pub struct Ticker {
    chan: Chan<Instant>,
}

impl Ticker {
    /// A ticker whose channel gets a value each `d`, the first after `d`.
    ///
    /// # Panics
    /// With `non-positive interval for NewTicker`, if `d` is zero.
    #[must_use]
    pub fn new(d: Duration) -> Self {
        assert!(!d.is_zero(), "non-positive interval for NewTicker");
        ensure_started();
        Self { chan: Chan::timed(instant, clock::after(d), nanos(d)) }
    }

    /// Its channel, which one can only receive from.
    #[must_use]
    pub fn chan(&self) -> &Chan<Instant> {
        &self.chan
    }

    /// Stops it. The channel is not closed: a receive waits for ever.
    pub fn stop(&self) {
        self.chan.reset_clock(NEVER, 0);
    }

    /// Starts it anew with the interval `d`.
    ///
    /// # Panics
    /// With `non-positive interval for Ticker.Reset`, if `d` is zero.
    pub fn reset(&self, d: Duration) {
        assert!(!d.is_zero(), "non-positive interval for Ticker.Reset");
        self.chan.reset_clock(clock::after(d), nanos(d));
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticker")
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// A channel that gets one value after `d`: `Timer::new(d).chan()`.
#[must_use]
pub fn after(d: Duration) -> Chan<Instant> {
    Timer::new(d).chan
}

/// A channel that gets a value each `d`: `Ticker::new(d).chan()`. Nil if `d` is zero (Go).
#[must_use]
pub fn tick(d: Duration) -> Chan<Instant> {
    if d.is_zero() { Chan::nil() } else { Ticker::new(d).chan }
}

/// Calls `f` after `d`, in a goroutine of its own. The timer can stop that, and can be set again, also
/// after the call; it has no channel.
///
/// ```
/// use std::time::Duration;
/// gort::run(|| {
///     let c = gort::chan(0);
///     let d = c.clone();
///     let timer = gort::time::after_func(Duration::from_millis(1), move || d.send("called"));
///     assert_eq!(c.recv(), Some("called"));
///     assert!(!timer.stop(), "the call has begun");
/// });
/// ```
pub fn after_func(d: Duration, f: impl Fn() + Send + Sync + 'static) -> Timer {
    ensure_started();
    Timer { chan: Chan::nil(), func: Some(Func::start(clock::after(d), Box::new(f))) }
}

/// Time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

/// Runs `f` in a new goroutine and returns its result, if it comes within `d`.
///
/// # Errors
/// [`Elapsed`] when time is up: `f` is left running, and its result is dropped. Also, at once, if `f`
/// ends without a result (goexit).
///
/// ```
/// use gort::time::{Elapsed, sleep, timeout};
/// use std::time::Duration;
/// gort::run(|| {
///     assert_eq!(timeout(Duration::from_secs(9), || 6 * 7), Ok(42));
///     let slow = || sleep(Duration::from_secs(9));
///     assert_eq!(timeout(Duration::from_millis(1), slow), Err(Elapsed));
/// });
/// ```
pub fn timeout<F, T>(d: Duration, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (tx, rx) = channel(1);
    crate::panic::go(crate::sched::Options::here(), move || drop(tx.try_send(f())));
    rx.recv_timeout(d).map_err(|_| Elapsed)
}
