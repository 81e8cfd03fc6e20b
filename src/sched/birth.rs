//! Goroutines of a crowd before they start: small records side by side instead of stacks.
//!
//! A goroutine's control block and closure lie on its own stack, a page apart from everyone else's.
//! For one that is run next that is as good as any place: the stack is the one used last. Of a
//! hundred thousand waiting to start, each costs two page walks and a handful of misses at its spawn
//! and the same again at its run, which is more than everything else together
//! (docs/design/0004). So a spawner whose ring already holds a crowd writes the closure into a
//! *birth record*, two cache lines from a dense pool, and only *reserves* a stack. The M that picks
//! the record runs it on the stack that has become free last, which is warm, and gives the reserved
//! one back untouched. A crowd that runs to its end one after the other thus lives on one stack.
//!
//! Reserving keeps what a spawn promises: when no stack can be had, the spawner hears of it, and a
//! goroutine that was started can always run.
//!
//! Invariants: a record is in the free lists, or filled and in exactly one run queue, or in the
//! hands of one M. Its reserved goroutine is `Dead` and in no list.

use super::SCHED;
use super::m::M;
use super::p::P;
use super::reserve::{Reserved, reserve, settle};
use crate::base::atomic::{AtomicUsize, Ordering};
use crate::g::{GRef, Site, State, Status};

use crate::stack::Exhausted;
use std::cell::{Cell, UnsafeCell};
use std::mem::{MaybeUninit, offset_of};
use std::ptr::NonNull;

/// Goroutines in the ring from which on new ones are records: fewer find their stacks in the caches.
const CROWD: usize = 32;
/// Records there are, 16 MB of zeroes that cost nothing before they are used; the spawns beyond write
/// their stacks. Bounds what a crowd that has passed keeps.
const MOST: usize = 128 << 10;
/// Unused records that a P takes at a time.
const BATCH: usize = 32;
/// Words of closure that a record holds.
const ROOM: usize = 8;

/// Moves the closure to a stack: the record, and the goroutine that is to run it.
type Move = unsafe fn(&Birth, GRef);

/// A record; see the head. Two cache lines.
#[repr(C, align(64))]
pub(super) struct Birth {
    mover: Cell<Option<Move>>,
    /// What its run may need.
    reserved: Cell<Reserved>,
    id: Cell<u64>,
    parent: Cell<u64>,
    site: Cell<Option<Site>>,
    /// `Idle` while the record is free, `Runnable` while it is queued.
    status: Status,
    room: UnsafeCell<[MaybeUninit<u64>; ROOM]>,
}

const _: () = assert!(size_of::<Birth>() <= 128);

// SAFETY: a record belongs to whoever took it from a free list or a queue (see the head), and both
// order what the one before wrote. A dump reads the numbers of a queued record, which stay until it
// is picked; with the world stopped nobody picks, and without (a crash) a number may be stale.
unsafe impl Sync for Birth {}

/// What is known of a goroutine before it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unborn {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) site: Option<Site>,
}

/// Where a new goroutine's closure is written.
pub(super) enum Place {
    /// On its stack.
    Stack(GRef),
    /// In a record, on the P whose ring is crowded.
    Record(&'static P, NonNull<Birth>),
}

/// All records; those from `TABLE.used` on have never been taken.
static RECORDS: [Birth; MOST] = [const { Birth::empty() }; MOST];

/// How many have been, and what a debugger has to know to list those who wait (`g/debug.rs`).
#[repr(C)]
#[derive(Debug)]
struct Table {
    used: AtomicUsize,
    first: &'static Birth,
    size: usize,
    id: usize,
    parent: usize,
    status: usize,
    created: usize,
}

#[unsafe(export_name = "gort_debug_births")]
static TABLE: Table = Table {
    used: AtomicUsize::new(0),
    first: &RECORDS[0],
    size: size_of::<Birth>(),
    id: offset_of!(Birth, id),
    parent: offset_of!(Birth, parent),
    status: offset_of!(Birth, status),
    created: offset_of!(Birth, site) + Site::WHERE_PC,
};

impl std::fmt::Debug for Birth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "goroutine {} [unborn]", self.id.get())
    }
}

impl P {
    /// Whether a goroutine spawned here joins a crowd. Owner only.
    #[inline]
    pub(super) fn is_crowded(&self) -> bool {
        self.ring.len() >= CROWD
    }
}

impl Birth {
    /// Whether a closure of type `F` can wait in a record.
    pub(super) const fn fits<F>() -> bool {
        size_of::<F>() <= size_of::<[u64; ROOM]>() && align_of::<F>() <= align_of::<u64>()
    }

    /// A record with a stack reserved; or the stack, when there are as many records as may be.
    ///
    /// # Errors
    /// [`Exhausted`] when no stack can be had.
    pub(super) fn place(p: &'static P) -> Result<Place, Exhausted> {
        let reserved = reserve(p)?;
        let Some(birth) = Self::take(p) else {
            return Ok(Place::Stack(settle(p, reserved)));
        };
        // SAFETY: records live for ever, and this one is ours.
        unsafe { birth.as_ref() }.reserved.set(reserved);
        Ok(Place::Record(p, birth))
    }

    fn take(p: &P) -> Option<NonNull<Self>> {
        if let Some(birth) = p.births.pop(&SCHED.births) {
            return Some(birth);
        }
        // Relaxed (both): each gets records of its own, which nobody has touched before.
        if TABLE.used.load(Ordering::Relaxed) >= MOST {
            return None;
        }
        let at = TABLE.used.fetch_add(BATCH, Ordering::Relaxed);
        for birth in RECORDS.get(at..at + BATCH)?.iter().rev() {
            // SAFETY: a static lives for ever, and nobody else has these records.
            unsafe { p.births.push(NonNull::from(birth), &SCHED.births) };
        }
        p.births.pop(&SCHED.births)
    }

    const fn empty() -> Self {
        Self {
            mover: Cell::new(None),
            reserved: Cell::new(Reserved::NONE),
            id: Cell::new(0),
            parent: Cell::new(0),
            site: Cell::new(None),
            status: Status::idle(),
            room: UnsafeCell::new([const { MaybeUninit::new(0) }; ROOM]),
        }
    }

    /// Fills the record for a goroutine that runs `f` and is who it is told.
    ///
    /// # Safety
    /// The caller got the record from [`place`](Self::place); `F` fits and catches its panics; what
    /// it borrows outlives the goroutine.
    #[inline]
    pub(super) unsafe fn fill<F: FnOnce()>(&self, who: Unborn, f: F) {
        debug_assert!(Self::fits::<F>());
        self.mover.set(Some(moved::<F>));
        self.id.set(who.id);
        self.parent.set(who.parent);
        self.site.set(who.site);
        // SAFETY: it fits, and the record is the caller's.
        unsafe { self.room.get().cast::<F>().write(f) };
        self.status.set(State::Idle, State::Runnable);
    }

    /// The goroutine is born: gets a stack, on `m`, which holds a P and took the record from a run
    /// queue. The record is free afterwards.
    #[inline(never)]
    pub(super) fn happen(this: NonNull<Self>, m: &M) -> GRef {
        let p = m.p().expect("an M that picks holds a P");
        // SAFETY: records live for ever, and this one came to us through a queue.
        let birth = unsafe { this.as_ref() };
        let reserved = birth.reserved.replace(Reserved::NONE);
        let mover = birth.mover.take().expect("a queued record has a closure");
        let g = settle(p, reserved);
        g.id.set(birth.id.get());
        g.parent.set(birth.parent.get());
        g.created.set(birth.site.get());
        g.is_main.set(false);
        birth.status.set(State::Runnable, State::Idle);
        // SAFETY: `fill` wrote the mover with the closure, which is moved once; `g` is dead and ours.
        unsafe { mover(birth, g) };
        g.status.set(State::Dead, State::Runnable);
        // SAFETY: the record lives for ever and is empty now.
        unsafe { p.births.push(this, &SCHED.births) };
        g
    }
}

/// Who waits in records, at some moment during the call; for a dump.
pub(crate) fn all_unborn() -> Vec<Unborn> {
    let used = TABLE.used.load(Ordering::Relaxed).min(MOST);
    let waiting = RECORDS[..used].iter().filter(|b| b.status.get() == State::Runnable);
    waiting.map(|b| Unborn { id: b.id.get(), parent: b.parent.get(), site: b.site.get() }).collect()
}

/// The [`Move`] of closures of type `F`.
///
/// # Safety
/// The record holds an `F`, which nobody reads after this; the caller holds `g`, and it is dead.
unsafe fn moved<F: FnOnce()>(birth: &Birth, g: GRef) {
    // SAFETY: the caller's promise.
    let f = unsafe { birth.room.get().cast::<F>().read() };
    // SAFETY: the caller holds the dead goroutine; a closure that fits here fits there.
    unsafe { g.prepare(f) };
}
