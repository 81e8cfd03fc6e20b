//! Sleeping until a point of the monotonic clock.

use super::current::current;
use super::task::Me;
use super::{clock, p_at, park};
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
        let p = current().and_then(super::m::M::p).unwrap_or_else(|| p_at(0));
        let earlier = when < p.timers.next();
        p.timers.add(when, task);
        if earlier && super::SCHED.procs() > 1 || current().is_none_or(|m| m.p().is_none()) {
            clock::nudge(when);
        }
        true
    });
}
