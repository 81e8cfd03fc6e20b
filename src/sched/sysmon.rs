//! The monitor: a thread without a P that watches the others.
//!
//! It sleeps 20 µs between looks while it has something to do, doubling to 10 ms after a millisecond
//! of nothing (Go's curve), and until it is roused while every P is idle; after that it begins at half
//! a millisecond, so that a program that works a little every millisecond does not keep it busy. At a
//! look it
//! * wakes a thread for a goroutine that lies in `runnext` of a P that does not move (`ready.rs`);
//! * calls a P back from a goroutine that blocks its thread (about 1 ms) or hogs it (10 ms) while
//!   others wait for that P, and hands it to another M;
//! * wakes a thread for timers that are overdue;
//! * re-reads the CPU limits, at most once a second, unless GOMAXPROCS was set by hand;
//! * and before the deep sleep, looks for a deadlock (`deadlock.rs`).

use super::p::P;
use super::trace::Trace;
use super::{Inner, SCHED, clock, deadlock, idle, world};
use crate::base::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::g::GRef;
use crate::sys;
use crate::sys::note::Note;
use std::sync::OnceLock;

/// Shortest and longest time between looks, in µs.
const QUICK_US: u64 = 20;
const SLOW_US: u64 = 10_000;
/// Time to the first look after a deep sleep, in µs.
const ROUSED_US: u64 = 500;
/// Looks without an event before the time between them starts to double.
const IDLE_LOOKS: u32 = 50;
/// How long a goroutine may run while others wait for its P, in ns (Go: `forcePreemptNS`).
const SLICE_NS: u64 = 10_000_000;
/// How long before a P that does not move is checked for a blocked thread, in ns.
const BLOCKED_NS: u64 = 1_000_000;
/// Time between two looks at the CPU limits, in ns.
const LIMITS_NS: u64 = 1_000_000_000;

static NOTE: Note = Note::new();
/// There are Ps to look at.
static READY: Note = Note::new();

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
    now.saturating_sub(u64::from(g.since.get()))
}

static STARTED: AtomicU64 = AtomicU64::new(0);
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
    sys::thread::start("gort-sysmon", || {
        READY.sleep();
        Monitor { seen: Vec::new(), limits_read: sys::clock::now() }.main()
    })
}

/// The runtime is set up: the monitor may change it from now on.
pub(super) fn begin() {
    READY.wake();
}

/// Ends the deep sleep: somebody starts to work. Under the scheduler's lock.
pub(super) fn rouse(inner: &mut Inner) {
    if inner.sysmon_asleep {
        inner.sysmon_asleep = false;
        tell(sys::clock::now());
        NOTE.wake();
    }
}

/// What was seen of a P at earlier looks.
#[derive(Clone, Copy, Default)]
struct Seen {
    tick: u32,
    since: u64,
}

struct Monitor {
    seen: Vec<Seen>,
    limits_read: u64,
}

impl Monitor {
    fn main(mut self) -> ! {
        let mut quiet = 0;
        let mut delay = QUICK_US;
        let mut trace = Trace::from_env();
        let started = sys::clock::now();
        STARTED.store(started, Ordering::Relaxed);
        loop {
            if quiet == 0 {
                delay = QUICK_US;
            } else if quiet > IDLE_LOOKS {
                delay = (delay * 2).min(SLOW_US);
            }
            if delay == SLOW_US && trace.is_none() && deep_sleep() {
                quiet = IDLE_LOOKS + 1;
                delay = ROUSED_US;
            }
            sys::thread::nap(delay);
            let now = sys::clock::now();
            quit_if_told();
            tell(now);
            if self.look(now) {
                quiet = 0
            } else {
                quiet += 1
            }
            if let Some(trace) = &mut trace {
                trace.look(now);
            }
        }
    }

    /// One round; true if something had to be done.
    fn look(&mut self, now: u64) -> bool {
        let procs = SCHED.procs();
        self.seen.resize(procs, Seen::default());
        let mut acted = false;
        for id in 0..procs {
            acted |= self.look_at(super::p_at(id), now);
        }
        if clock::earliest() < now.saturating_sub(u64::from(QUICK_US as u32) * 1000) {
            idle::wake_one();
        }
        if now - self.limits_read > LIMITS_NS {
            self.limits_read = now;
            follow_limits();
        }
        acted
    }

    fn look_at(&mut self, p: &'static P, now: u64) -> bool {
        let seen = &mut self.seen[p.id as usize];
        if p.m().is_none() || seen.tick != p.tick() {
            *seen = Seen { tick: p.tick(), since: now };
            if !(p.has_next() && SCHED.spin.idle() > 0 && p.m().is_some()) {
                return false;
            }
            // A goroutine lies in `runnext` and a P is idle: look again in a moment.
            sys::thread::nap(QUICK_US);
            if p.tick() == seen.tick && p.has_next() {
                idle::wake_one();
                return true;
            }
            return false;
        }
        let still = now.saturating_sub(seen.since);
        if p.has_next() && SCHED.spin.idle() > 0 {
            idle::wake_one();
        }
        let wanted = p.has_work() || !SCHED.global.is_empty() || p.timers.next() < now;
        if !wanted || still < BLOCKED_NS || !(still >= SLICE_NS || blocked(p)) {
            return false;
        }
        match world::call_back(p) {
            Some(p) => {
                *seen = Seen { tick: p.tick(), since: now };
                idle::hand_off(p);
                true
            }
            None => false,
        }
    }
}

/// Whether the thread that holds `p` sleeps in the kernel.
fn blocked(p: &P) -> bool {
    let tid = p.m().map_or(0, |m| m.tid.load(Ordering::Relaxed));
    tid != 0 && matches!(sys::proc::thread_state(tid), Some(b'S' | b'D'))
}

/// Adapts GOMAXPROCS to the affinity mask and the cgroup's quota.
fn follow_limits() {
    if !SCHED.steady.custom_procs.load(Ordering::Relaxed) {
        let n = sys::cpu::default_procs();
        if n != SCHED.procs() {
            world::follow_procs(n);
        }
    }
}

/// With every P idle, sleeps until somebody starts to work. False if somebody works. Watches for a
/// deadlock meanwhile: a thread of the program's own may end at any time and make it one.
fn deep_sleep() -> bool {
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
        let watch = deadlock::check();
        if !watch {
            NOTE.sleep();
            return true;
        }
        if NOTE.sleep_for(pause_us * 1000) {
            return true;
        }
        pause_us = (pause_us * 2).min(1_000_000);
    }
}
