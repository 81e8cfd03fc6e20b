//! Sleeping until a point of the monotonic clock.

use super::alarm::{self, Timed};
use super::task::Me;
use super::{clock, park};
use crate::g::WaitReason;
use crate::sys;

/// Blocks the caller until `when` ([`sys::clock::NEVER`] sleeps as long as the clock counts).
pub(crate) fn sleep_until(when: u64) {
    let me = Me::new();
    if me.goroutine().is_none() {
        let now = sys::clock::now();
        return sys::thread::nap(when.saturating_sub(now) / 1000 + 1);
    }
    let task = me.task();
    park::park(&me, WaitReason::Sleep, || {
        // The goroutine is parked, this is its M: the timer cannot fire too early.
        // Also with one P, which this M holds: another M without a P may keep the clock, and mean to
        // sleep longer.
        if alarm::add(when, Timed::Sleep(task)) {
            clock::nudge(when);
        }
        true
    });
}
