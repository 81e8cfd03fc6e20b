//! A function to be called later, in a goroutine of its own.
//!
//! `when` says under the lock what is wanted; an alarm that rings for something else is stale. The
//! heap's reference to the function passes to the goroutine that calls it, or, if the ring was
//! stale, to one that drops it: user code (the function's drop, too) never runs on the scheduler's
//! stack.

use crate::panic::end_by_report;
use crate::sched::{Alarm, Ringer};
use crate::sys::clock::{self, NEVER};
use crate::sys::lock::Lock;
use std::sync::Arc;

/// See the head.
pub(super) struct Func {
    /// When to call it; [`NEVER`]: not.
    when: Lock<u64>,
    alarm: Alarm,
    f: Box<dyn Fn() + Send + Sync>,
}

// SAFETY: the alarm is used under the lock of `when`; the function is Send + Sync.
unsafe impl Sync for Func {}
// SAFETY: as above.
unsafe impl Send for Func {}

impl Func {
    /// Calls `f` at `when`.
    pub(super) fn start(when: u64, f: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let func = Arc::new(Self { when: Lock::new(NEVER), alarm: Alarm::new(ring), f });
        func.reset(when);
        func
    }

    /// Calls it at `when`, or not ([`NEVER`]), instead of when it was to be called. Returns whether
    /// it was to be.
    pub(super) fn reset(self: &Arc<Self>, when: u64) -> bool {
        let mut wanted = self.when.lock();
        let was = std::mem::replace(&mut *wanted, when) != NEVER;
        self.unset();
        if when != NEVER {
            self.alarm.set(when, Arc::into_raw(self.clone()).cast());
        }
        was
    }

    /// Calls the alarm off. Under the lock.
    fn unset(&self) {
        if let Some(word) = self.alarm.call_off() {
            // SAFETY: `reset` made it. Not the last reference: the caller has one.
            drop(unsafe { Arc::from_raw(word.as_ptr().cast::<Self>()) });
        }
    }
}

/// # Safety
/// `word` is an `Arc<Func>` made into a pointer, which passes to this.
unsafe fn ring(word: *const (), ringer: &mut Ringer) {
    // SAFETY: passed on.
    let func = unsafe { Arc::from_raw(word.cast::<Func>()) };
    let due = {
        let mut when = func.when.lock();
        let due = *when != NEVER && clock::now() >= *when;
        if due {
            *when = NEVER;
            func.unset();
        }
        due
    };
    ringer.go(end_by_report(
        move || {
            if due {
                (func.f)();
            }
        },
        || (),
    ));
}
