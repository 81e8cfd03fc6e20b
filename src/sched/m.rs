//! M: an OS thread of the scheduler.
//!
//! Fields marked *own* are touched by the M's thread alone, inside the runtime, or by a thread that
//! has borrowed the M's lease while the M is outside (`lease.rs`). *lock* fields are written under
//! the scheduler's lock. An M is never freed.

use super::lease::Lease;
use super::p::P;
use crate::g::GRef;
use crate::sys::lock::Lock;
use crate::sys::note::Note;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

/// Ms of threads that have left `run`, for the next ones.
static CALLERS: Lock<Vec<&'static M>> = Lock::new(Vec::new());

/// An OS thread that runs goroutines while it holds a P.
#[derive(Debug)]
pub(crate) struct M {
    /// Inside the runtime, or may its P be called back?
    lease: Lease,
    /// *own*: the P it holds.
    p: Cell<Option<&'static P>>,
    /// *own*: looking for work on behalf of everyone.
    pub(super) spinning: Cell<bool>,
    /// The goroutine it runs; null in the scheduler. Written by the M, read by anyone to print.
    curg: AtomicPtr<crate::g::G>,
    /// *lock*: the P to take when it wakes.
    pub(super) next_p: Cell<Option<&'static P>>,
    /// Where it sleeps when idle.
    pub(super) note: Note,
    /// Kernel thread id, 0 until the thread runs.
    pub(super) tid: AtomicU32,
}

// SAFETY: *own* cells are used by the M's thread or under its borrowed lease, *lock* cells under the
// scheduler's lock with the note's Release/Acquire before the M reads them.
unsafe impl Sync for M {}

/// The heavy half of the lease's barrier; where the kernel has none the owners fence themselves.
fn barrier() {
    if crate::sys::thread::have_barrier() {
        crate::sys::thread::process_barrier();
    } else {
        fence(Ordering::SeqCst);
    }
}

impl M {
    pub(super) fn create() -> &'static Self {
        Box::leak(Box::new(Self {
            lease: Lease::new(!crate::sys::thread::have_barrier()),
            p: Cell::new(None),
            spinning: Cell::new(false),
            curg: AtomicPtr::new(std::ptr::null_mut()),
            next_p: Cell::new(None),
            note: Note::new(),
            tid: AtomicU32::new(0),
        }))
    }

    /// An M for a thread that enters `run`: one given back earlier, else a new one. Not counted
    /// among the scheduler's threads.
    pub(super) fn for_caller() -> &'static Self {
        let m = CALLERS.lock().pop().unwrap_or_else(Self::create);
        m.tid.store(crate::sys::thread::id(), Ordering::Relaxed);
        m
    }

    /// The calling thread leaves the scheduler.
    pub(super) fn give_back(m: &'static Self) {
        debug_assert!(m.p().is_none() && m.curg().is_none());
        CALLERS.lock().push(m);
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

    /// The P held. Only inside the runtime.
    #[inline]
    pub(crate) fn p(&self) -> Option<&'static P> {
        self.p.get()
    }

    /// Runs `f` while this M, if it is outside the runtime, is kept outside; `None` if it is
    /// inside. The caller holds the scheduler's revoke lock. Costs a process-wide barrier.
    pub(super) fn borrow<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        self.lease.borrow(barrier, f)
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
