//! The two deadlines of a descriptor, as timers that move only when they must.
//!
//! What counts is in the slot: the deadline that was set, and the limit of the call that waits just now,
//! as points of the clock. An alarm in a P's heap rings at that time *or earlier*: one that rings and
//! finds that the time was moved on is set again for what is true then. So a deadline that is put off
//! with each message, or a time limit of 30 s on each read, costs a store, and a heap operation once in 30 s.
//! Nothing stale can strike, since a ring asks the clock and the slot; Go's sequence numbers have no
//! counterpart here.
//!
//! # Why no wait outlasts its deadline
//! A party about to wait reads the time T that counts, sees under the lock to an alarm at T or before,
//! arms the gate, fences, and goes back if what counts is earlier than T now, or past. Who moves the
//! time stores it, fences, and if somebody is at the gate sees to the alarm in its turn. One of the two sees
//! the other. An alarm that rings between "sees to" and "arms" is either early, and set again under the
//! lock for what the party stored before; or in time, and then the clock the party reads after it armed
//! says so.
//!
//! Lock order: ours < a heap's.

use crate::poll::{Direction, Slot};
use crate::sched::netpoll::knock_from;
use crate::sched::{Alarm, Ringer};
use crate::sys::clock::{self, NEVER};
use crate::sys::lock::Lock;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// When waiting ends in a direction: the earlier of the deadline and the present call's limit.
#[inline]
pub(super) fn until(slot: &Slot, direction: Direction) -> u64 {
    let at = direction as usize;
    // Acquire: no more than what the fences give; see the head.
    let deadline = slot.deadlines[at].load(Ordering::Acquire);
    deadline.min(slot.limits[at].load(Ordering::Acquire))
}

/// Whether that time has come.
#[inline]
pub(super) fn is_over(slot: &Slot, direction: Direction) -> bool {
    let until = until(slot, direction);
    until != NEVER && until <= clock::now()
}

/// The alarms of one descriptor; see the head. A heap's reference keeps it while one is set.
#[derive(Debug)]
struct Alarms {
    /// When each is going to ring.
    set: Lock<State>,
    alarms: [Alarm; 2],
    slot: &'static Slot,
}

#[derive(Debug)]
struct State {
    rings: [u64; 2],
    /// The descriptor is gone, and its slot may be somebody else's.
    retired: bool,
}

// SAFETY: the alarms are used under the lock, and rung by the heap that holds a reference.
unsafe impl Sync for Alarms {}
// SAFETY: as above.
unsafe impl Send for Alarms {}

impl Alarms {
    fn new(slot: &'static Slot) -> Arc<Self> {
        Arc::new(Self {
            set: Lock::new(State { rings: [NEVER; 2], retired: false }),
            alarms: [Alarm::new(ring::<0>), Alarm::new(ring::<1>)],
            slot,
        })
    }

    /// Sees to it that the alarm rings at `when` or earlier.
    fn see_to(self: &Arc<Self>, direction: Direction, when: u64) {
        let mut state = self.set.lock();
        let rings = &mut state.rings[direction as usize];
        if when < *rings {
            *rings = when;
            self.unset(direction as usize);
            self.alarms[direction as usize].set(when, Arc::into_raw(self.clone()).cast());
        }
    }

    /// Calls an alarm off. Under the lock.
    fn unset(&self, at: usize) {
        if let Some(word) = self.alarms[at].call_off() {
            // SAFETY: `see_to` or `ring` made it. Not the last reference: the caller has one.
            drop(unsafe { Arc::from_raw(word.as_ptr().cast::<Self>()) });
        }
    }

    fn retire(&self) {
        let mut state = self.set.lock();
        state.retired = true;
        self.unset(0);
        self.unset(1);
    }
}

/// # Safety
/// `word` is an `Arc<Alarms>` made into a pointer, which passes to this.
unsafe fn ring<const AT: usize>(word: *const (), ringer: &mut Ringer) {
    // SAFETY: passed on.
    let this = unsafe { Arc::from_raw(word.cast::<Alarms>()) };
    let direction = Direction::BOTH[AT];
    let mut state = this.set.lock();
    let now = clock::now();
    if state.retired || state.rings[AT] > now {
        return; // it was set anew while this ring was on its way
    }
    this.unset(AT);
    let until = until(this.slot, direction);
    let over = until <= now;
    state.rings[AT] = if over { NEVER } else { until };
    if state.rings[AT] != NEVER {
        ringer.set(&this.alarms[AT], until, Arc::into_raw(this.clone()).cast());
    }
    drop(state);
    if over {
        knock_from(ringer, this.slot.gate(direction));
    }
}

/// The alarms of a descriptor, made when the first is needed.
#[derive(Debug)]
pub(super) struct Deadlines(OnceLock<Arc<Alarms>>);

impl Deadlines {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Sees to it that who waits in `direction` looks at the clock at `when`, or earlier.
    pub(super) fn see_to(&self, slot: &'static Slot, direction: Direction, when: u64) {
        self.0.get_or_init(|| Alarms::new(slot)).see_to(direction, when);
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        if let Some(alarms) = self.0.get() {
            alarms.retire();
        }
    }
}
