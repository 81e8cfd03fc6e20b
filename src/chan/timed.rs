//! A channel that a clock fills: what stands behind timers and tickers (Go 1.23's).
//!
//! There is no buffer. The channel knows when its next value is due; a receive that comes later
//! makes the value there and then, with the time at which it was due. So nothing stale can be
//! received: a value exists from its due time until it is received, stopped or reset, and all three
//! happen under the channel's lock. A ticker nobody listens to drops its ticks, and keeps its phase.
//!
//! An alarm is set only while somebody waits on the channel: timers nobody waits for wake no thread,
//! take no place in a heap, and do not keep a deadlock from being one.
//!
//! Everything here is used under the channel's lock.

use super::core::{Core, from_word, give, into_word};
use crate::sched::{Alarm, Ringer};
use crate::sys::clock::{self, NEVER};
use std::cell::Cell;
use std::sync::{Arc, Weak};

/// The clock of a channel.
pub(crate) struct Timed<T> {
    /// When the next value is due; [`NEVER`] if stopped.
    when: Cell<u64>,
    /// Time between values; 0 for one alone.
    period: Cell<u64>,
    /// The value of a due time.
    make: fn(u64) -> T,
    alarm: Alarm,
    core: Weak<Core<T>>,
}

impl<T> Timed<T> {
    /// A channel whose first value is due at `when`.
    pub(super) fn channel(make: fn(u64) -> T, when: u64, period: u64) -> Arc<Core<T>> {
        Arc::new_cyclic(|core| {
            Core::timed(Self {
                when: Cell::new(when),
                period: Cell::new(period),
                make,
                alarm: Alarm::new(ring::<T>),
                core: core.clone(),
            })
        })
    }

    /// The value that is due, if one is.
    pub(super) fn take(&self) -> Option<T> {
        let when = self.when.get();
        if when == NEVER {
            return None;
        }
        let now = clock::now();
        (now >= when).then(|| self.make(when, now))
    }

    /// Makes the value due at `when`, and sets the time of the next.
    fn make(&self, when: u64, now: u64) -> T {
        let period = self.period.get();
        let missed = (now - when).checked_div(period);
        self.when.set(missed.map_or(NEVER, |n| when.saturating_add(period.saturating_mul(n + 1))));
        (self.make)(when)
    }

    /// Somebody waits: be rung in time.
    pub(super) fn set(&self) {
        self.unset();
        if self.when.get() != NEVER
            && let Some(core) = self.core.upgrade()
        {
            self.alarm.set(self.when.get(), into_word(core));
        }
    }

    /// Nobody waits any more.
    pub(super) fn unset(&self) {
        if let Some(word) = self.alarm.call_off() {
            // SAFETY: `set` or `ring` made it of this channel. Not the last: the caller has one.
            drop(unsafe { from_word::<T>(word.as_ptr()) });
        }
    }

    /// Changes the times. Returns whether a value was due or yet to come: it never will be.
    fn change(&self, when: u64, period: u64, awaited: bool) -> bool {
        let was = self.when.replace(when) != NEVER;
        self.period.set(period);
        if awaited {
            self.set();
        }
        was
    }
}

/// Changes the times of a clock's channel: the next value is due at `when` ([`NEVER`]: stopped), and
/// then one each `period` (0: no more). Returns whether there was one to come, or to be received.
pub(super) fn reset<T>(core: &Core<T>, when: u64, period: u64) -> bool {
    core.lock.lock();
    let awaited = !core.receivers().looks_empty();
    let was = core.clock().is_some_and(|timed| timed.change(when, period, awaited));
    core.lock.unlock();
    was
}

/// The alarm rings: somebody waited when it was set.
///
/// # Safety
/// `word` is a reference made by `into_word` from a `Core<T>` with a clock.
unsafe fn ring<T>(word: *const (), ringer: &mut Ringer) {
    // SAFETY: passed on.
    let core = unsafe { from_word::<T>(word) };
    let Some(timed) = core.clock() else { return };
    core.lock.lock();
    let (when, now) = (timed.when.get(), clock::now());
    // Stopped, put off, or received meanwhile by somebody who came by? Then it is not due.
    let due = when != NEVER && now >= when;
    // SAFETY: the lock is held.
    let receiver = if due { unsafe { core.receivers().pop() } } else { None };
    let served = receiver.map(|receiver| {
        let value = timed.make(when, now);
        // SAFETY: the receiver was taken from this channel's queue, so its slot is for a T.
        unsafe { give(receiver, value) }
    });
    // Whoever still waits is rung again, also if this was not due: who came by for the value left no
    // alarm for the next.
    if timed.when.get() != NEVER && !core.receivers().looks_empty() {
        timed.unset();
        ringer.set(&timed.alarm, timed.when.get(), into_word(core.clone()));
    }
    core.lock.unlock();
    if let Some(task) = served {
        // SAFETY: it was taken from the queue.
        unsafe { ringer.ready(task) };
    }
}
