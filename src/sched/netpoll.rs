//! Where the poller meets the scheduler. Four parties ask it, none of them while no descriptor is
//! registered:
//! * the keeper of the clock waits in it instead of on its futex (`clock.rs`);
//! * an M that has nothing of its own to run looks, unless the keeper waits there ([`find`]);
//! * so does an M that comes round to being fair ([`refill`]): local work alone may go on for ever;
//! * and the monitor, if nobody else has for 10 ms ([`watch`], a chore of `chores.rs`).
//!
//! *Lulls.* On several Ps an M that has nothing to run does not sleep at once if the last wait for the
//! network was short: it goes on looking, and offers its core to others between two looks ([`Lull`]).
//! Otherwise a busy server puts its Ms to sleep and wakes them with every batch of events, which costs
//! more than the requests do. It keeps its P and looks everywhere each time, so it is an M that takes long to
//! find work, and who submits work may rely on it as on any other.
//!
//! Who waits is handed out by the gates of `poll`, as the word of its task. Nobody is forgotten:
//! while a descriptor is registered, the last M to find nothing becomes the keeper, or sees that there
//! is one; a P that is handed on with nothing to do gets an M that does so (`idle::hand_off`); and
//! whoever registers the first descriptor rings for the keeper, which may be asleep on its futex, or
//! for an M that becomes it ([`registered`]).

use super::alarm::Ringer;
use super::p::P;
use super::park::park;
use super::ready::{ready, submit_global};
use super::runnable::Runnable;
use super::task::{Kind, Me, Sleeper, Task};
use super::{SCHED, clock, idle, pinned};
use crate::base::atomic::{AtomicBool, Ordering, fence};
use crate::base::width::Wide;
use crate::g::{GRef, State, WaitReason};
use crate::poll::{self, Events, Gate, Poller};
use crate::sys::clock::{NEVER, now};
use crate::sys::thread::os_yield;
use std::ptr::NonNull;

/// How long the poller may go without being asked while goroutines run, in ns (Go).
pub(super) const LONG_NS: u64 = 10_000_000;

/// The same while they leave the Ps no time to look for want of work, in ns.
const SHORT_NS: u64 = 1_000_000;

/// A wait for the network that is not worth a sleep, in ns: it costs about that to go to sleep, to be
/// woken on another core, and to wake a second M for the rest of the batch.
const BRIEF_NS: u64 = 50_000;

/// The time in which an M has found nothing to run; see the head.
#[derive(Debug, Default)]
pub(super) struct Lull {
    since: Option<u64>,
}

impl Lull {
    /// Whether the caller, which found nothing, should look again before it sleeps: the network's last
    /// wait was brief, and this one is so far. A core that others want is gone for long at the first
    /// offer, and that is the end of it.
    #[inline]
    pub(super) fn is_brief(&mut self) -> bool {
        let expected = poll::active()
            && SCHED.net.brief.load(Ordering::Relaxed)
            && SCHED.procs() > 1
            && clock::nobody_keeps();
        expected && self.goes_on()
    }

    #[cold]
    fn goes_on(&mut self) -> bool {
        let now = now();
        if now - *self.since.get_or_insert(now) > BRIEF_NS {
            SCHED.net.brief.store(false, Ordering::Relaxed);
            return false;
        }
        os_yield();
        true
    }
}

/// What the askers have to know of each other.
#[derive(Debug)]
pub(super) struct Net {
    /// An M looks just now: one is enough.
    looking: AtomicBool,
    /// When somebody last looked.
    last: Wide,
    /// The last wait was a brief one.
    brief: AtomicBool,
}

impl Net {
    pub(super) const fn new() -> Self {
        Self { looking: AtomicBool::new(false), last: Wide::new(0), brief: AtomicBool::new(false) }
    }

    /// Somebody has waited since `begin`.
    pub(super) fn waited(&self, begin: u64) {
        let now = now();
        self.brief.store(now - begin < BRIEF_NS, Ordering::Relaxed);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Somebody has just asked.
    pub(super) fn asked(&self) {
        self.last.store(now(), Ordering::Relaxed);
    }
}

/// Whether there is anything to ask about.
#[inline]
pub(super) fn active() -> bool {
    poll::active()
}

/// Looks, for an M that has nothing else to run. The first goroutine to go on is returned, the others
/// go to the P's queue.
#[inline]
pub(super) fn find(p: &'static P) -> Option<Runnable> {
    if !poll::active() || clock::is_kept() {
        return None;
    }
    look(p);
    p.pop()
}

/// As [`find`], for an M that has something else to run: all go to the P's queue. Not if somebody
/// has looked a moment ago.
#[inline]
pub(super) fn refill(p: &'static P) {
    let long_ago = || now().saturating_sub(SCHED.net.last.load(Ordering::Relaxed)) > SHORT_NS;
    if poll::active() && clock::nobody_keeps() && long_ago() {
        look(p);
    }
}

#[cold]
fn look(p: &'static P) {
    let Some(poller) = poll::poller() else { return };
    if SCHED.net.looking.swap(true, Ordering::Acquire) {
        return;
    }
    let mut events = Events::new();
    poller.look(&mut events);
    SCHED.net.looking.store(false, Ordering::Release);
    SCHED.net.asked();
    tell(p, poller, &mut events);
}

/// Makes those ready whom `events` concern: on `p`, which the caller holds, in the order of the events.
pub(super) fn tell(p: &'static P, poller: &Poller, events: &mut Events) {
    let mut count = 0;
    poller.tell(events, |word| {
        if let Some(g) = wake(word) {
            p.push(Runnable::goroutine(g));
            count += 1;
        }
    });
    // The first is run by the caller.
    if count > 1 {
        idle::wake_one();
    }
}

/// As [`tell`], for a caller without a P.
pub(super) fn tell_all(poller: &Poller, events: &mut Events) {
    poller.tell(events, |word| {
        if let Some(g) = wake(word) {
            submit_global(g);
        }
    });
}

/// Ends the wait of the party that armed a gate with `word`. A goroutine is returned, to be queued,
/// unless it is pinned.
fn wake(word: NonNull<()>) -> Option<GRef> {
    // SAFETY: `wait` armed the gate with a task's word.
    match unsafe { Task::from_ptr(word) }.kind() {
        Kind::Thread(sleeper) => {
            // SAFETY: the gate hands a waiter out once, and its wait ends with that.
            unsafe { Sleeper::wake(sleeper) };
            None
        }
        Kind::Goroutine(g) => {
            g.status.set(State::Waiting, State::Runnable);
            if let Some(home) = pinned::home(g) {
                pinned::submit(g, home);
                return None;
            }
            Some(g)
        }
    }
}

/// For the monitor, one of its chores: looks if nobody has for long, and nobody waits.
pub(super) fn watch(now: u64) -> u64 {
    let long_ago = || now.saturating_sub(SCHED.net.last.load(Ordering::Relaxed)) > LONG_NS;
    if poll::active()
        && clock::nobody_keeps()
        && long_ago()
        && let Some(poller) = poll::poller()
    {
        let mut events = Events::new();
        poller.look(&mut events);
        SCHED.net.asked();
        tell_all(poller, &mut events);
    }
    NEVER // idle, the process has a keeper
}

/// The first descriptor was registered: sees to it that somebody waits for it. That the caller's M is
/// awake is no reason to leave it to that M: it may have lost its P, and then it goes to sleep, or ends,
/// without a look at the clock.
pub(crate) fn registered() {
    fence(Ordering::SeqCst); // pairs with the fence in `clock::sleep_until_due`
    clock::ring();
}

/// Blocks the caller at `gate`, unless an event was told there or it is `over`. It may return for no
/// reason.
pub(crate) fn wait(gate: &Gate, over: impl Fn() -> bool) {
    let me = Me::new();
    let word = me.task().as_ptr();
    park(&me, WaitReason::Io, || gate.arm(word, over));
}

/// Ends the wait at `gate`, if anybody waits there. What it is to see has been written.
pub(crate) fn knock(gate: &Gate) {
    if let Some(word) = gate.knock() {
        // SAFETY: `wait` armed the gate with a task's word, and the gate handed it out to us alone.
        unsafe { ready(Task::from_ptr(word)) };
    }
}

/// As [`knock`], from a timer.
pub(crate) fn knock_from(ringer: &mut Ringer, gate: &Gate) {
    if let Some(word) = gate.knock() {
        // SAFETY: as in `knock`.
        unsafe { ringer.ready(Task::from_ptr(word)) };
    }
}

/// Whether `m` could wait in the poller: it is there, and there is something to wait for.
pub(super) fn to_wait_in() -> Option<&'static Poller> {
    if poll::active() { poll::poller() } else { None }
}
