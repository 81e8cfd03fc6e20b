//! The monitor: a thread without a P that watches the others.
//!
//! How long it sleeps between looks is in `pace.rs`; while every P is idle it sleeps until it is
//! roused, and costs nothing. At a look it
//! * wakes a thread for a goroutine that lies in `runnext` of a P that does not move (`ready.rs`);
//! * calls a P back from a goroutine that is in a declared call, blocks its thread or hogs it, while
//!   others wait for that P, and hands it to another M (`retake.rs`);
//! * wakes a thread for timers that are overdue;
//! * does what has to be done from time to time (`chores.rs`);
//! * and before the deep sleep, looks for a deadlock (`deadlock.rs`).
//!
//! It takes no signals but faults, is never locked to anything, and clones threads for itself.

use super::chores::Chores;
use super::pace::{Found, LONG_US, Pace, QUICK_US, SLOW_US};
use super::retake::Watch;
use super::trace::Trace;
use super::{Inner, SCHED, clock, deadlock, idle};
use crate::base::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::base::width::Wide;
use crate::g::GRef;
use crate::sys;
use crate::sys::clock::NEVER;
use crate::sys::note::Note;
use std::sync::OnceLock;

/// A sleep longer than this, in µs, can be cut short by [`hurry`].
const SHORT_US: u64 = 100;

/// Ends its sleeps, the long and the deep.
static NOTE: Note = Note::new();
/// There are Ps to look at.
static READY: Note = Note::new();
/// It is in a sleep that [`hurry`] would shorten, or about to be; and somebody has asked for that.
/// Relaxed: a hint that comes too late, or is lost, costs one such sleep.
static SLOW: AtomicBool = AtomicBool::new(false);
static HURRY: AtomicBool = AtomicBool::new(false);
/// Its thread.
static TID: AtomicU32 = AtomicU32::new(0);

/// What SIGQUIT calls for, and that it came.
static ON_QUIT: OnceLock<fn()> = OnceLock::new();
static QUIT: AtomicBool = AtomicBool::new(false);

/// Seconds since the monitor began, as it last looked: what a park can afford to know of time.
#[inline]
pub(super) fn second() -> u32 {
    SCHED.steady.second.load(Ordering::Relaxed)
}

/// Sets that clock.
fn tell(now: u64) {
    let second = (now.saturating_sub(STARTED.load(Ordering::Relaxed)) / SECOND_NS) as u32;
    if second != self::second() {
        SCHED.steady.second.store(second, Ordering::Relaxed);
    }
}

/// For how long a goroutine has been parked.
pub(crate) fn waited_seconds(g: GRef) -> u64 {
    let now = sys::clock::now().saturating_sub(STARTED.load(Ordering::Relaxed)) / SECOND_NS;
    now.saturating_sub(u64::from(g.since.load(Ordering::Relaxed)))
}

static STARTED: Wide = Wide::new(0);
const SECOND_NS: u64 = 1_000_000_000;

/// On SIGQUIT the monitor calls `report`, which ends the process; unless somebody else has taken the
/// signal before.
pub(crate) fn on_quit(report: fn()) {
    ON_QUIT.get_or_init(|| report);
    sys::signal::take_quit(|| {
        // SeqCst, as in `deep_sleep`: either that sees the flag, or this wakes it.
        QUIT.store(true, Ordering::SeqCst);
        NOTE.wake();
    });
}

fn quit_if_told() {
    if QUIT.load(Ordering::SeqCst)
        && let Some(report) = ON_QUIT.get()
    {
        report();
    }
}

/// Starts the monitor's thread, which waits until it may [`begin`].
///
/// # Errors
/// When the system refuses the thread.
pub(super) fn start() -> std::io::Result<()> {
    // Here, and not on that thread: somebody may ask how long a goroutine has waited before it runs.
    STARTED.store(sys::clock::now(), Ordering::Relaxed);
    sys::thread::start(c"gort-sysmon", || {
        READY.sleep();
        TID.store(sys::thread::id(), Ordering::Relaxed);
        main()
    })
}

/// The runtime is set up: the monitor may change it from now on.
pub(super) fn begin() {
    READY.wake();
}

/// Whether the caller is the monitor.
pub(super) fn is_here() -> bool {
    TID.load(Ordering::Relaxed) == sys::thread::id()
}

/// Ends a deep sleep, or a long one: somebody starts to work. Under the scheduler's lock.
pub(super) fn rouse(inner: &mut Inner) {
    if inner.sysmon_asleep {
        inner.sysmon_asleep = false;
        tell(sys::clock::now());
        NOTE.wake();
    }
}

/// Whether the next look is more than a moment away, as far as one can tell.
#[inline]
pub(super) fn is_slow() -> bool {
    SLOW.load(Ordering::Relaxed)
}

/// Makes the next looks come soon: a goroutine may be away for long while others wait for its P.
#[cold]
pub(super) fn hurry() {
    if !HURRY.swap(true, Ordering::Relaxed) {
        NOTE.wake();
    }
}

fn main() -> ! {
    let mut pace = Pace::new();
    let mut watch = Watch::new();
    let mut trace = Trace::from_env();
    let mut found = Found::default();
    let mut chores = Chores::new(STARTED.load(Ordering::Relaxed));
    loop {
        let mut delay = pace.next(found);
        if pace.at_rest(found) && trace.is_none() {
            SLOW.store(true, Ordering::Relaxed);
            if deep_sleep(&chores) {
                delay = pace.rouse();
            }
        }
        match nap(delay) {
            Woken::InTime => {}
            Woken::Hurried => sys::thread::nap(pace.hurry()),
            Woken::Roused => sys::thread::nap(pace.rouse()),
        }
        quit_if_told();
        let now = sys::clock::now();
        tell(now);
        found = watch.look(now, pace.is_calm());
        if clock::earliest() < now.saturating_sub(QUICK_US * 1000) {
            idle::wake_one();
        }
        chores.look(now);
        if let Some(trace) = &mut trace {
            trace.look(now);
        }
    }
}

/// How a sleep ended.
enum Woken {
    /// The time was over.
    InTime,
    /// A declared call wants to be seen.
    Hurried,
    /// A P stopped being idle.
    Roused,
}

fn nap(us: u64) -> Woken {
    if us <= SHORT_US {
        sys::thread::nap(us);
        return Woken::InTime;
    }
    NOTE.clear();
    SLOW.store(true, Ordering::Relaxed);
    let is_long = us > LONG_US;
    if is_long {
        SCHED.inner.lock().sysmon_asleep = true;
    }
    if !HURRY.load(Ordering::Relaxed) {
        NOTE.sleep_for(us * 1000);
    }
    SLOW.store(false, Ordering::Relaxed);
    let slept_on = !is_long || std::mem::take(&mut SCHED.inner.lock().sysmon_asleep);
    match HURRY.swap(false, Ordering::Relaxed) {
        true => Woken::Hurried,
        false if slept_on => Woken::InTime,
        false => Woken::Roused,
    }
}

/// With every P idle, sleeps until somebody starts to work, or a chore is due. False if somebody
/// works. Watches for a deadlock meanwhile: a thread of the program's own may end at any time and
/// make it one.
fn deep_sleep(chores: &Chores) -> bool {
    let mut pause_us = SLOW_US;
    {
        let mut inner = SCHED.inner.lock();
        if inner.idle_ps.len() < SCHED.procs() || SCHED.stopping() {
            return false;
        }
        NOTE.clear();
        inner.sysmon_asleep = true;
    }
    loop {
        quit_if_told();
        let until = if deadlock::check() { sys::clock::now() + pause_us * 1000 } else { NEVER };
        let until = until.min(chores.wake());
        let woken = if until == NEVER {
            NOTE.sleep();
            true
        } else {
            NOTE.sleep_for(until.saturating_sub(sys::clock::now()))
        };
        if woken || sys::clock::now() >= chores.wake() {
            // Woken by a signal or a chore it is awake all the same.
            SCHED.inner.lock().sysmon_asleep = false;
            return true;
        }
        pause_us = (pause_us * 2).min(1_000_000);
    }
}
