//! The monotonic clock, in nanoseconds since an arbitrary start.

use std::time::Duration;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// Nanoseconds of `CLOCK_MONOTONIC` (what `std::time::Instant` reads on Linux).
#[inline]
pub(crate) fn now() -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `ts` is a valid place; CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// `ns` as the kernel takes it; what is longer than it can say becomes the longest.
pub(super) fn timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(ns / 1_000_000_000).unwrap_or(libc::time_t::MAX),
        tv_nsec: (ns % 1_000_000_000) as libc::c_long,
    }
}

/// `now() + d`, saturating: a sleep that would end after the clock does ends with the clock. That is
/// not [`NEVER`]: somebody sleeps, so there is no deadlock (Go).
pub(crate) fn after(d: Duration) -> u64 {
    let ns = u64::try_from(d.as_nanos()).unwrap_or(NEVER);
    now().saturating_add(ns).min(NEVER - 1)
}
