//! P: the right to run goroutines, and what goes with it: a run queue, timers, free lists.
//!
//! *own* fields belong to the M that holds the P, inside the runtime, or to a thread that has
//! borrowed that M's lease; while the P is idle or stopped they belong to the scheduler's lock.
//! `runnext` is *own* although others peek at it: the owner reads and writes it without a
//! read-modify-write, and a thief takes it only under a borrowed lease.

use super::alarm::Timed;
use super::birth::Birth;
use super::current::current;
use super::join::Cell as JoinCell;
use super::m::M;
use super::reserve::Promises;
use super::runnable::Runnable;
use crate::base::rng::{self, Rng};
use crate::base::width::Wide;
use crate::g::{G, Queue};
use crate::runq::{FreeLocal, Ring};
use crate::stack::MAX_RUNGS;
use crate::timer::Timers;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// Goroutine ids a P takes from the process's counter at a time (Go's `_GoidCacheBatch`).
const ID_BATCH: u64 = 16;

/// How far ahead in the ring goroutines are prefetched: each runs about as long as a few misses take.
const AHEAD: u32 = 5;

/// A processor.
#[derive(Debug)]
pub(crate) struct P {
    /// *own*: runs before everything else: what the current goroutine has just made ready.
    runnext: AtomicPtr<G>,
    /// *own*: this P's part of the global queue, used while it is the only P (see `ready.rs`).
    pub(super) yielded: Queue,
    /// *own*: the lone goroutine the last `ready` left here, and how often in a row such a
    /// goroutine was run by this very P (see `ready.rs`).
    pub(super) lone: Cell<Option<Runnable>>,
    pub(super) streak: Cell<u8>,
    /// Counts picks; stored by the owner, read by sysmon to see whether the P moves.
    tick: AtomicU32,
    /// *own*: ids not yet given out: next and end.
    ids: Cell<(u64, u64)>,
    /// Goroutines started and ended here; stored by the owner, summed by anyone.
    spawned: Wide,
    exited: Wide,
    /// *own*: dead goroutines, a list per rung of the ladder.
    pub(super) free: [FreeLocal<G>; MAX_RUNGS],
    /// *own*: unused join cells.
    pub(super) cells: FreeLocal<JoinCell>,
    /// *own*: stacks promised and not needed yet.
    pub(super) promises: Promises,
    /// *own*: unused birth records.
    pub(super) births: FreeLocal<Birth>,
    /// *own*: for steal order and select.
    pub(super) rng: Rng,
    /// Runnable goroutines; anyone may steal.
    pub(super) ring: Ring<G>,
    /// What is to happen here later; anyone may look, under its own lock.
    pub(super) timers: Timers<Timed>,
    /// The M that holds it. Written by that M inside the runtime or under the scheduler's lock.
    m: AtomicPtr<M>,
    /// Its number, an index into the table of all Ps.
    pub(crate) id: u32,
}

// SAFETY: *own* cells are used by one party at a time (see the head); the rest are atomics, or
// have their own protocol.
unsafe impl Sync for P {}

/// Started and ended by threads without a P.
static SPAWNED_OUTSIDE: Wide = Wide::new(0);
static EXITED_OUTSIDE: Wide = Wide::new(0);
/// Next goroutine id to hand to a P; 1 is the first main goroutine's.
static NEXT_ID: Wide = Wide::new(1);

impl P {
    pub(super) fn create(id: u32) -> &'static Self {
        Box::leak(Box::new(Self {
            runnext: AtomicPtr::new(ptr::null_mut()),
            yielded: Queue::new(),
            lone: Cell::new(None),
            streak: Cell::new(0),
            tick: AtomicU32::new(0),
            ids: Cell::new((0, 0)),
            spawned: Wide::new(0),
            exited: Wide::new(0),
            free: [const { FreeLocal::new() }; MAX_RUNGS],
            cells: FreeLocal::new(),
            promises: Promises::default(),
            births: FreeLocal::new(),
            rng: Rng::new(rng::seed()),
            ring: Ring::new(),
            timers: Timers::new(id),
            m: AtomicPtr::new(ptr::null_mut()),
            id,
        }))
    }

    /// Puts `g` before everything else; returns what was there. Owner only.
    #[inline]
    pub(super) fn replace_next(&self, g: Option<Runnable>) -> Option<Runnable> {
        let new = g.map_or(ptr::null_mut(), |g| g.as_ptr().as_ptr());
        let old = self.runnext.load(Ordering::Relaxed);
        self.runnext.store(new, Ordering::Relaxed);
        // SAFETY: only Runnables are stored.
        NonNull::new(old).map(|g| unsafe { Runnable::from_ptr(g) })
    }

    /// Whether something is there; from anyone, and only a hint except for the owner.
    #[inline]
    pub(super) fn has_next(&self) -> bool {
        !self.runnext.load(Ordering::Relaxed).is_null()
    }

    /// Whether the P has anything to run. Exact for the owner.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.has_next() || !self.ring.is_empty() || !self.yielded.is_empty()
    }

    /// Appends to the ring; when it is full half of it goes to the global queue. Owner only.
    #[inline]
    pub(super) fn push(&self, g: Runnable) {
        // SAFETY: the caller owns this P and holds `g`.
        unsafe { self.ring.push(g.as_ptr(), |g| super::SCHED.global.push(g)) };
    }

    /// Takes the oldest of the ring. Owner only.
    #[inline]
    pub(super) fn pop(&self) -> Option<Runnable> {
        if let Some(later) = self.ring.peek(AHEAD) {
            // SAFETY: the ring holds only Runnables.
            unsafe { Runnable::from_ptr(later) }.prefetch();
        }
        // SAFETY: the caller owns this P; the ring holds only Runnables.
        unsafe { self.ring.pop().map(|g| Runnable::from_ptr(g)) }
    }

    /// One more pick; returns its number. Owner only.
    #[inline]
    pub(super) fn bump_tick(&self) -> u32 {
        let t = self.tick.load(Ordering::Relaxed).wrapping_add(1);
        self.tick.store(t, Ordering::Relaxed);
        t
    }

    pub(super) fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    pub(super) fn m(&self) -> Option<&'static M> {
        // SAFETY: `set_m` stores only `&'static M`s.
        unsafe { self.m.load(Ordering::Acquire).as_ref() }
    }

    pub(super) fn set_m(&self, m: Option<&'static M>) {
        let m = m.map_or(ptr::null_mut(), |m| ptr::from_ref(m).cast_mut());
        self.m.store(m, Ordering::Release);
    }
}

/// Books a goroutine's birth (`born`) or death on the P, or globally without one.
#[inline]
pub(super) fn count(p: Option<&P>, born: bool) {
    let Some(p) = p else {
        let c = if born { &SPAWNED_OUTSIDE } else { &EXITED_OUTSIDE };
        c.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let c = if born { &p.spawned } else { &p.exited };
    c.store(c.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Goroutines alive, from counters that are each exact but read one after the other. Deaths are
/// read first, so that a goroutine is never missed that lives throughout.
pub(crate) fn goroutines() -> usize {
    let all = || super::all_ps();
    let ended: u64 = EXITED_OUTSIDE.load(Ordering::Acquire)
        + all().map(|p| p.exited.load(Ordering::Acquire)).sum::<u64>();
    let born: u64 = SPAWNED_OUTSIDE.load(Ordering::Acquire)
        + all().map(|p| p.spawned.load(Ordering::Acquire)).sum::<u64>();
    born.saturating_sub(ended) as usize
}

/// Goroutines ever started.
pub(crate) fn goroutines_created() -> u64 {
    SPAWNED_OUTSIDE.load(Ordering::Relaxed)
        + super::all_ps().map(|p| p.spawned.load(Ordering::Relaxed)).sum::<u64>()
}

/// The number of the P the caller runs on, as a hint: it may change at once. 0 without one.
#[inline]
pub(crate) fn p_index() -> usize {
    let Some(m) = current() else { return 0 };
    let id = m.enter().map_or(0, |p| p.id as usize);
    m.leave();
    id
}

/// A random number: from the P's generator, or on a thread without a P from a shared one.
#[inline]
pub(crate) fn random() -> u64 {
    let Some(m) = current() else { return random_outside() };
    let random = match m.enter() {
        Some(p) => p.rng.next_u64(),
        None => random_outside(),
    };
    m.leave();
    random
}

/// As [`random`], without a P: the generator's counter is shared.
#[cold]
fn random_outside() -> u64 {
    static STATE: LazyLock<Wide> = LazyLock::new(|| Wide::new(rng::seed()));
    Rng::new(STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)).next_u64()
}

/// A number for a new goroutine, from the P's batch.
#[inline]
pub(super) fn next_id(p: Option<&P>) -> u64 {
    let Some(p) = p else {
        return NEXT_ID.fetch_add(1, Ordering::Relaxed);
    };
    let (mut next, mut end) = p.ids.get();
    if next == end {
        next = NEXT_ID.fetch_add(ID_BATCH, Ordering::Relaxed);
        end = next + ID_BATCH;
    }
    p.ids.set((next + 1, end));
    next
}
