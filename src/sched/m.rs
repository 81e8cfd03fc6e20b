//! M: an OS thread of the scheduler.
//!
//! Fields marked *own* are touched by the M's thread alone, inside the runtime, or by a thread that
//! has borrowed the M's lease while the M is outside (`lease.rs`). *lock* fields are written under
//! the scheduler's lock. An M is never freed: when its thread ends another thread becomes it.

use super::lease::Lease;
use super::p::P;
use super::pinned;
use crate::base::width::Wide;
use crate::g::{GRef, Locals};
use crate::sys::clock;
use crate::sys::lock::Lock;
use crate::sys::note::Note;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

/// Every M there is, and those of them whose threads have ended or left `run`, for the next ones.
static ALL: Lock<Vec<&'static M>> = Lock::new(Vec::new());
static UNUSED: Lock<Vec<&'static M>> = Lock::new(Vec::new());

/// When the process lost its barrier, by the clock; 0: it has not. Under the revoke lock.
static BARRIER_LOST: Wide = Wide::new(0);
/// How long after that nothing is borrowed, in ns: until every store that was on its way then has
/// long been let out by its processor, as any interrupt of it does.
const SETTLE_NS: u64 = 20_000_000;

/// Whose thread an M's is, from which follows what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// It runs whatever it finds.
    Free,
    /// It runs this goroutine only, which runs only here (LockOSThread).
    To(GRef),
    /// The goroutine it was bound to has ended: so does the thread.
    Ended,
}

/// An OS thread that runs goroutines while it holds a P.
#[derive(Debug)]
pub(crate) struct M {
    /// Inside the runtime, or may its P be called back?
    lease: Lease,
    /// *own*: the P it holds.
    p: Cell<Option<&'static P>>,
    /// *own*: looking for work on behalf of everyone.
    pub(super) spinning: Cell<bool>,
    /// *own*: LockOSThread.
    pub(super) bound: Cell<Bound>,
    /// *own*: the P it held last, the first it tries to get again.
    pub(super) old_p: Cell<Option<&'static P>>,
    /// The thread is the program's, inside `run`: it runs its main goroutine and nothing else.
    pub(super) is_runner: Cell<bool>,
    /// *lock*: it sleeps until its locked goroutine is brought a P.
    pub(super) awaits_own: Cell<bool>,
    /// Declared blocking calls begun; stored by the M, read by the monitor.
    pub(super) calls: AtomicU32,
    /// The goroutine it runs; null in the scheduler. Written by the M, read by anyone to print.
    curg: AtomicPtr<crate::g::G>,
    /// *lock*: the P to take when it wakes.
    pub(super) next_p: Cell<Option<&'static P>>,
    /// Where it sleeps when idle.
    pub(super) note: Note,
    /// *own*: the thread-locals it runs on between goroutines, and the block its thread register
    /// points at; both only where goroutines have blocks of their own (`own.rs`).
    pub(super) own: Cell<Locals>,
    pub(super) at: Cell<usize>,
    /// What it has where goroutines are pinned.
    pub(super) pinned: pinned::Own,
    /// Kernel thread id, 0 until the thread runs.
    pub(super) tid: AtomicU32,
}

// SAFETY: *own* cells are used by the M's thread or under its borrowed lease, *lock* cells under the
// scheduler's lock with the note's Release/Acquire before the M reads them.
unsafe impl Sync for M {}

/// The heavy half of the lease's barrier; where the kernel has none the owners fence themselves.
/// False: nothing may be borrowed now.
fn barrier() -> bool {
    if crate::sys::thread::have_barrier() {
        if crate::sys::thread::process_barrier() {
            return true;
        }
        BARRIER_LOST.store(clock::now(), Ordering::Relaxed);
        return false;
    }
    fence(Ordering::SeqCst);
    let lost = BARRIER_LOST.load(Ordering::Relaxed);
    lost == 0 || clock::now() > lost + SETTLE_NS
}

impl M {
    /// An M for a new thread, or for one that enters `run`.
    pub(super) fn create(is_runner: bool) -> &'static Self {
        let m = UNUSED.lock().pop().unwrap_or_else(Self::make);
        m.is_runner.set(is_runner);
        m
    }

    fn make() -> &'static Self {
        let m: &'static Self = Box::leak(Box::new(Self {
            lease: Lease::new(!crate::sys::thread::have_barrier()),
            p: Cell::new(None),
            spinning: Cell::new(false),
            bound: Cell::new(Bound::Free),
            old_p: Cell::new(None),
            is_runner: Cell::new(false),
            awaits_own: Cell::new(false),
            calls: AtomicU32::new(0),
            curg: AtomicPtr::new(std::ptr::null_mut()),
            next_p: Cell::new(None),
            note: Note::new(),
            own: Cell::new(Locals { block: 0, current: 0 }),
            at: Cell::new(0),
            pinned: pinned::Own::new(),
            tid: AtomicU32::new(0),
        }));
        ALL.lock().push(m);
        m
    }

    /// The calling thread is this M's from now on.
    pub(super) fn begin(&'static self) {
        self.tid.store(crate::sys::thread::id(), Ordering::Relaxed);
        super::current::set(Some(self));
    }

    /// The calling thread leaves the scheduler.
    pub(super) fn end(&'static self) {
        debug_assert!(self.p().is_none() && self.curg().is_none());
        super::current::set(None);
        self.tid.store(0, Ordering::Relaxed);
        self.bound.set(Bound::Free);
        self.old_p.set(None);
        UNUSED.lock().push(self);
    }

    /// Enters the runtime: from here to [`leave`](Self::leave) nobody takes the P away. Returns the
    /// P, or `None` if it has been taken while the goroutine ran.
    #[inline]
    pub(crate) fn enter(&self) -> Option<&'static P> {
        self.lease.enter();
        self.p.get()
    }

    /// Leaves the runtime, back to the goroutine's own code.
    #[inline]
    pub(crate) fn leave(&self) {
        self.lease.leave();
    }

    /// Whether the M is inside, for its own thread.
    pub(crate) fn is_inside(&self) -> bool {
        self.lease.is_inside()
    }

    /// The P held. Only inside the runtime.
    #[inline]
    pub(crate) fn p(&self) -> Option<&'static P> {
        self.p.get()
    }

    /// Runs `f` while this M, if it is outside the runtime, is kept outside; `None` if it is
    /// inside, or if the process has just lost its barrier. The caller holds the scheduler's revoke
    /// lock. Costs a process-wide barrier.
    pub(super) fn borrow<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        let had = crate::sys::thread::have_barrier();
        let result = self.lease.borrow(barrier, f);
        if had && !crate::sys::thread::have_barrier() {
            ALL.lock().iter().for_each(|m| m.lease.fence());
        }
        result
    }

    /// The M finds itself in the child of a fork.
    pub(super) fn fork(&self) {
        self.lease.fork();
    }

    /// Binds M and P. Only inside the runtime; nobody else has the P.
    pub(super) fn acquire(&'static self, p: &'static P) {
        debug_assert!(self.p.get().is_none() && p.m().is_none());
        self.p.set(Some(p));
        p.set_m(Some(self));
    }

    /// Parts M and P: inside the runtime, or by a borrower.
    pub(super) fn release(&self) -> Option<&'static P> {
        let p = self.p.take()?;
        p.set_m(None);
        Some(p)
    }

    /// The goroutine it runs, for those on the M's own thread and for printing.
    #[inline]
    pub(crate) fn curg(&self) -> Option<GRef> {
        // SAFETY: `set_curg` stores only what `GRef::as_ptr` gave.
        NonNull::new(self.curg.load(Ordering::Relaxed)).map(|g| unsafe { GRef::from_ptr(g) })
    }

    #[inline]
    pub(super) fn set_curg(&self, g: Option<GRef>) {
        let g = g.map_or(std::ptr::null_mut(), |g| g.as_ptr().as_ptr());
        self.curg.store(g, Ordering::Relaxed);
    }

    /// The word the switch carries into a goroutine: which M runs it.
    #[inline]
    pub(super) fn carrier(&'static self) -> usize {
        std::ptr::from_ref(self).expose_provenance()
    }
}
