//! The one scheduler of the process, and the table of its Ps.

use super::birth::Birth;
use super::clock::Clock;
use super::join::Cell as JoinCell;
use super::m::M;
use super::netpoll::Net;
use super::order::Order;
use super::p::P;
use super::spin::Spin;
use super::world::MAX_PROCS;
use crate::base::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use crate::g::G;
use crate::runq::{FreeGlobal, Global};
use crate::stack::{CLASSES, MAX_RUNGS};
use crate::sys::lock::{Lock, RawLock};
use crate::sys::note::Note;
use std::collections::VecDeque;

/// Default limit of threads (Go's `maxmcount`).
pub(crate) const DEFAULT_MAX_THREADS: usize = 10_000;

/// Everything the Ms share.
pub(crate) struct Sched {
    /// What every operation reads.
    pub(super) steady: Steady,
    /// Runnable goroutines of nobody in particular.
    pub(crate) global: Global<G>,
    /// Who looks for work, and how many Ps are idle.
    pub(super) spin: Spin,
    /// Who sleeps until the next timer.
    pub(super) clock: Clock,
    /// Who asks the poller.
    pub(super) net: Net,
    /// Idle lists and thread counts.
    pub(super) inner: Lock<Inner>,
    /// Steal order for the present number of Ps. Remade while the world is stopped.
    order: AtomicPtr<Order>,
    /// One stopper of the world at a time.
    pub(super) world: RawLock,
    /// Tells the stopper that the last P has stopped.
    pub(super) stopped: Note,
    /// One revoker of leases at a time.
    pub(super) revoke: Lock<()>,
    /// Dead goroutines by rung, and how many each rung has made.
    pub(super) free: [FreeGlobal<G>; MAX_RUNGS],
    pub(super) made: [AtomicUsize; MAX_RUNGS],
    /// Dead goroutines of `Builder::stack_size`, by class.
    pub(super) off_ladder: [FreeGlobal<G>; CLASSES],
    /// Unused join cells.
    pub(super) cells: FreeGlobal<JoinCell>,
    /// Unused birth records.
    pub(super) births: FreeGlobal<Birth>,
}

/// In [`Steady::odd`]: the runtime has not been started.
pub(super) const NOT_STARTED: u32 = 1 << 31;

/// In [`Steady::calls`]: the world is being stopped, every M gives its P up when it looks for work.
const STOPPING: u32 = 1;
/// In [`Steady::calls`]: a P has timers that are due and cannot see to them, since its goroutine
/// computes and keeps it.
const OVERDUE: u32 = 2;

/// What is read at every operation and written rarely: alone on its cache lines.
#[repr(align(128))]
#[derive(Debug)]
pub(super) struct Steady {
    /// Number of Ps in use: `GOMAXPROCS`. Changes only while the world is stopped.
    procs: AtomicU32,
    /// What an M that looks for work must heed first: [`STOPPING`], [`OVERDUE`]; 0 as a rule.
    calls: AtomicU32,
    /// GOMAXPROCS was set by a person: no automatic updates.
    pub(super) custom_procs: AtomicBool,
    /// 0 as a rule. [`NOT_STARTED`], and how many goroutines have called goexit and have not ended
    /// (`goexit.rs`): what a call into the runtime asks first, in one load.
    pub(super) odd: AtomicU32,
    /// The monitor's clock (`sysmon.rs`).
    pub(super) second: AtomicU32,
}

/// What the scheduler's lock guards.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) idle_ms: Vec<&'static M>,
    pub(super) idle_ps: Vec<&'static P>,
    /// Ms that sleep until their locked goroutine runs, those of `run` not counted.
    pub(super) idle_locked: usize,
    /// Ms that have work of their own and no P (`pinned.rs`), in the order in which they get one.
    pub(super) wanting: VecDeque<&'static M>,
    /// Scheduler threads that exist.
    pub(super) ms: usize,
    pub(super) max_ms: usize,
    /// While the world stops: Ps that still run.
    pub(super) running: usize,
    /// sysmon sleeps until it is roused.
    pub(super) sysmon_asleep: bool,
    /// Threads inside `run`, and those of them that run their main goroutine right now.
    pub(super) runners: usize,
    pub(super) runners_busy: usize,
}

/// The scheduler.
pub(crate) static SCHED: Sched = Sched {
    steady: Steady {
        procs: AtomicU32::new(0),
        calls: AtomicU32::new(0),
        custom_procs: AtomicBool::new(false),
        odd: AtomicU32::new(NOT_STARTED),
        second: AtomicU32::new(0),
    },
    global: Global::new(),
    spin: Spin::new(),
    clock: Clock::new(),
    net: Net::new(),
    inner: Lock::new(Inner {
        idle_ms: Vec::new(),
        idle_ps: Vec::new(),
        wanting: VecDeque::new(),
        idle_locked: 0,
        ms: 0,
        max_ms: DEFAULT_MAX_THREADS,
        running: 0,
        sysmon_asleep: false,
        runners: 0,
        runners_busy: 0,
    }),
    order: AtomicPtr::new(std::ptr::null_mut()),
    world: RawLock::new(),
    stopped: Note::new(),
    revoke: Lock::new(()),
    free: [const { FreeGlobal::new() }; MAX_RUNGS],
    made: [const { AtomicUsize::new(0) }; MAX_RUNGS],
    off_ladder: [const { FreeGlobal::new() }; CLASSES],
    cells: FreeGlobal::new(),
    births: FreeGlobal::new(),
};

impl std::fmt::Debug for Sched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sched").field("procs", &self.procs()).finish_non_exhaustive()
    }
}

impl Sched {
    /// GOMAXPROCS.
    #[inline]
    pub(crate) fn procs(&self) -> usize {
        self.steady.procs.load(Ordering::Relaxed) as usize
    }

    /// Changes the limit of threads, returns the old one. Ends the process if more exist (Go).
    pub(crate) fn set_max_threads(&self, n: usize) -> usize {
        let mut inner = self.inner.lock();
        let old = std::mem::replace(&mut inner.max_ms, n);
        if inner.ms > n {
            drop(inner);
            super::threads::too_many(n);
        }
        old
    }

    /// The walks over the Ps. For an M that holds a P, so that the world is not stopped meanwhile.
    #[inline]
    pub(super) fn order(&self) -> &Order {
        // SAFETY: `set_procs` stored a Box; it is replaced only while nobody holds a P.
        unsafe { &*self.order.load(Ordering::Acquire) }
    }

    /// Changes GOMAXPROCS. At start, or with the world stopped.
    pub(super) fn set_procs(&self, n: usize) {
        let order = Box::into_raw(Box::new(Order::new(n as u32)));
        let old = self.order.swap(order, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: it came from the Box above; only an M with a P looks at it, and none has one.
            drop(unsafe { Box::from_raw(old) });
        }
        self.steady.procs.store(n as u32, Ordering::Release);
    }

    /// Whether calls into the runtime must look twice: it is not started, or somebody exits.
    #[inline]
    pub(crate) fn odd(&self) -> bool {
        // Acquire: pairs with the Release at the end of the start.
        self.steady.odd.load(Ordering::Acquire) != 0
    }

    /// Whether an M that looks for work must heed something first.
    #[inline]
    pub(super) fn calls(&self) -> bool {
        self.steady.calls.load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(super) fn stopping(&self) -> bool {
        self.steady.calls.load(Ordering::Relaxed) & STOPPING != 0
    }

    /// Under the scheduler's lock.
    pub(super) fn set_stopping(&self, stopping: bool) {
        if stopping {
            self.steady.calls.fetch_or(STOPPING, Ordering::SeqCst);
        } else {
            self.steady.calls.fetch_and(!STOPPING, Ordering::SeqCst);
        }
    }

    /// Says that timers of some P are overdue; or takes that back, for the caller to see to it.
    pub(super) fn set_overdue(&self, overdue: bool) {
        if overdue {
            self.steady.calls.fetch_or(OVERDUE, Ordering::Relaxed);
        } else {
            self.steady.calls.fetch_and(!OVERDUE, Ordering::Relaxed);
        }
    }
}

/// All Ps ever made, by number; made once, never freed, those beyond `procs` unused.
static ALL: [AtomicPtr<P>; MAX_PROCS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; MAX_PROCS];
static ALL_LEN: AtomicUsize = AtomicUsize::new(0);

/// P number `id`, which has been made.
#[inline]
pub(super) fn p_at(id: usize) -> &'static P {
    let p = ALL[id].load(Ordering::Acquire);
    // SAFETY: `ensure_p` stored a leaked Box here before anyone learned of this id.
    unsafe { &*p }
}

/// Makes Ps up to number `id`. Under the world lock, or at start.
pub(super) fn ensure_p(id: usize) {
    let have = ALL_LEN.load(Ordering::Relaxed);
    for (i, place) in ALL.iter().enumerate().take(id + 1).skip(have) {
        let p = std::ptr::from_ref(P::create(i as u32)).cast_mut();
        place.store(p, Ordering::Release);
        ALL_LEN.store(i + 1, Ordering::Release);
    }
}

/// Every P ever made, in use or not.
pub(super) fn all_ps() -> impl Iterator<Item = &'static P> {
    (0..ALL_LEN.load(Ordering::Acquire)).map(p_at)
}
