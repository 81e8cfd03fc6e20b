//! What a goroutine is: its control block, at the top of its own stack slot.
//!
//! ```text
//!   limit                                                                        slot.top
//!    │ ... frames, growing down ... │ closure │ G (this struct, 64-byte aligned) │
//! ```
//! Invariants: a `G` is written once per slot and never moves or goes away, so a [`GRef`] is always
//! readable; its fields belong to the party that holds the goroutine (the table in `status.rs`)
//! unless the field says otherwise.

mod debug;
mod entry;
mod goexit;
mod queue;
mod status;
mod stop;
mod strain;
mod wait;

pub(crate) use entry::MAX_INLINE_CLOSURE;
pub(crate) use goexit::Stage;
pub(crate) use queue::Queue;
pub(crate) use status::{CLEAN, SEEN, State, Status};
pub(crate) use stop::{Stop, suspend_parked};
pub(crate) use strain::Strain;
pub(crate) use wait::WaitReason;

use crate::base::hold::Hold;
use crate::stack::{Segments, Slot};
use crate::switch::tools::{self, Fiber};
use crate::switch::{Context, Saved};
use crate::sys::cxx::Exceptions;
use crate::sys::note::Note;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// How the goroutine's function is called: with the address of its closure.
pub(crate) type Start = unsafe fn(*mut ());

/// The place in the program that started a goroutine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) location: &'static Location<'static>,
    /// An instruction of the function there; 0 where that is not known.
    pub(crate) pc: usize,
}

impl Site {
    /// The caller's. The instruction lies in the function this is inlined into.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self { location: Location::caller(), pc: crate::switch::pc() }
    }
}

/// A goroutine's control block.
#[repr(C, align(64))]
pub(crate) struct G {
    /// Saved registers and stack of the switch.
    ctx: UnsafeCell<Context>,
    /// What it is doing.
    pub(crate) status: status::Status,
    /// For AddressSanitizer.
    pub(crate) fiber: Fiber,
    /// Keeps it from running while the scavenger is at its stack.
    pub(crate) hold: Hold,
    /// Why it is parked; valid while `Waiting`.
    pub(crate) reason: Cell<WaitReason>,
    /// When that park, or the declared call, began, in the monitor's seconds.
    pub(crate) since: AtomicU32,
    /// What its stack has been through, if it ever ended.
    pub(crate) strain: Cell<Option<&'static Strain>>,
    /// Which free list it returns to: a rung of the ladder, or that of its size class if it is
    /// [`OFF_LADDER`] or [`AT_CAP`].
    pub(crate) rung: Cell<u8>,
    /// Who waits in `run` for it, once it has ended well.
    pub(crate) done: Cell<*const Note>,
    /// Marks the goroutine that `run` waits for.
    pub(crate) is_main: Cell<bool>,
    /// The thread it is locked to: its M, which this room knows by address only; null as a rule.
    /// Changed by the goroutine itself and at its end; read by who finds it in a queue.
    pub(crate) locked_to: AtomicPtr<()>,
    /// How often it has locked itself there.
    pub(crate) locks: Cell<u32>,
    /// Depth of the declared blocking calls it is in; read by the monitor.
    pub(crate) declared: AtomicU32,
    /// The block that was made before this one, for debuggers.
    next: AtomicPtr<G>,
    /// Next in the [`Queue`] that holds it.
    link: Cell<Option<NonNull<G>>>,
    /// Number for people; never reused.
    pub(crate) id: Cell<u64>,
    /// Who started it; 0 for threads that are not goroutines.
    pub(crate) parent: Cell<u64>,
    /// The function to run, and its closure.
    start: Cell<Option<Start>>,
    closure: Cell<*mut ()>,
    /// Its memory.
    pub(crate) slot: Slot,
    /// Thread-locals that belong to the slot; 0 if goroutines use their threads'.
    pub(crate) block: Cell<usize>,
    /// The thread-locals it runs with: the slot's, or, if it is a main goroutine, those of the thread
    /// that waits for it; and where in them the runtime's own word is, if that is known.
    pub(crate) locals: Cell<Locals>,
    /// Where goroutines are pinned: the M it has started on, 0 before; and the C++ exceptions it handles,
    /// while it does not run.
    pub(crate) home: Cell<usize>,
    pub(crate) exceptions: Cell<Exceptions>,
    /// It has ended what it had in its thread-locals.
    pub(crate) left: Cell<bool>,
    /// The further segments its stack has; its own, and the scavenger's that holds it.
    pub(crate) segments: Segments,
    /// What the panic hook saw of the panic under way; taken by whoever catches it.
    pub(crate) panic: Cell<Option<Box<dyn Any + Send>>>,
    /// How far its goexit has come.
    pub(crate) goexit: Cell<Stage>,
    /// The panics that functions hold while their deferred calls run (`panic/held.rs`).
    pub(crate) held: Cell<*mut ()>,
    /// Memory for deferred calls, kept for the next function that needs some.
    pub(crate) spare: Cell<*mut ()>,
    /// What the C interface keeps for it while its function runs; null for others.
    pub(crate) foreign: Cell<*mut ()>,
    /// Where it was started.
    pub(crate) created: Cell<Option<Site>>,
    /// Name given by `Builder::name`.
    pub(crate) name: Cell<Option<Box<str>>>,
}

/// A block of thread-locals, and the place in it of the word that says which M runs here; 0 where
/// that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locals {
    pub(crate) block: usize,
    pub(crate) current: usize,
}

/// What [`GRef::prefetch`] fetches: so many bytes from the control block on, and of the stack below.
const ABOVE: usize = 192;
const BELOW: usize = 448;
const LINE: usize = 64;

/// `G::rung` of a goroutine whose stack size was chosen by `Builder::stack_size`.
pub(crate) const OFF_LADDER: u8 = u8::MAX;
/// `G::rung` of a goroutine whose stack is as large as a cap that was set while the program runs.
pub(crate) const AT_CAP: u8 = u8::MAX - 1;

impl std::fmt::Debug for G {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "goroutine {} [{:?}]", self.id.get(), self.status.get())
    }
}

/// A goroutine. Copyable like Go's `*g`: holding one is no right to touch its fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct GRef(NonNull<G>);

// SAFETY: a GRef is an address that stays valid for ever; the right to use the fields passes from
// thread to thread through queues and locks (the table in `status.rs`).
unsafe impl Send for GRef {}
// SAFETY: as above; shared reads are limited to the fields documented as such.
unsafe impl Sync for GRef {}

impl std::fmt::Debug for GRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl std::ops::Deref for GRef {
    type Target = G;
    #[inline]
    fn deref(&self) -> &G {
        // SAFETY: control blocks are never moved, unmapped or overwritten (see the head).
        unsafe { self.0.as_ref() }
    }
}

impl GRef {
    /// Writes a new control block at the top of `slot`; the goroutine is `Dead`.
    ///
    /// # Safety
    /// The slot is fresh: nobody else has it and it has no control block yet.
    pub(crate) unsafe fn create(slot: Slot, rung: u8) -> Self {
        let at = Self::place(slot);
        tools::register_stack(slot.limit, slot.top);
        let block = G {
            ctx: UnsafeCell::new(Context::empty()),
            status: status::Status::dead(),
            fiber: Fiber::new(),
            hold: Hold::none(),
            reason: Cell::new(WaitReason::None),
            since: AtomicU32::new(0),
            rung: Cell::new(rung),
            done: Cell::new(std::ptr::null()),
            is_main: Cell::new(false),
            locked_to: AtomicPtr::new(std::ptr::null_mut()),
            locks: Cell::new(0),
            declared: AtomicU32::new(0),
            next: AtomicPtr::new(std::ptr::null_mut()),
            link: Cell::new(None),
            id: Cell::new(0),
            parent: Cell::new(0),
            start: Cell::new(None),
            closure: Cell::new(std::ptr::null_mut()),
            slot,
            block: Cell::new(0),
            locals: Cell::new(Locals { block: 0, current: 0 }),
            home: Cell::new(0),
            exceptions: Cell::new([0; 2]),
            left: Cell::new(false),
            segments: Segments::none(),
            panic: Cell::new(None),
            goexit: Cell::new(Stage::None),
            held: Cell::new(std::ptr::null_mut()),
            spare: Cell::new(std::ptr::null_mut()),
            strain: Cell::new(None),
            foreign: Cell::new(std::ptr::null_mut()),
            created: Cell::new(None),
            name: Cell::new(None),
        };
        // SAFETY: `place` is inside the slot's usable memory and aligned for G.
        unsafe { at.as_ptr().write(block) };
        Self(at).list();
        Self(at)
    }

    /// Where the control block of a slot lies.
    fn place(slot: Slot) -> NonNull<G> {
        let at = (slot.top - size_of::<G>()) & !(align_of::<G>() - 1);
        let at = std::ptr::with_exposed_provenance_mut::<G>(at);
        NonNull::new(at).expect("a slot does not lie at address zero")
    }

    /// The goroutine of a slot found by `stack::each_slot`, if its block has been written.
    ///
    /// # Safety
    /// The slot was handed out by the stack room.
    pub(crate) unsafe fn of_slot(slot: Slot) -> Option<Self> {
        let g = Self(Self::place(slot));
        // A fresh slot reads as zeroes, and zero is the state Idle.
        (g.status.get() != State::Idle).then_some(g)
    }

    /// Starts to fetch what a first run or a reuse of the goroutine will touch: its control block and
    /// the top of its stack, a page apart from every other goroutine's and as a rule out of the
    /// caches and the TLB.
    #[inline]
    pub(crate) fn prefetch(self) {
        let block = self.0.as_ptr().cast::<u8>();
        for line in 0..(ABOVE + BELOW) / LINE {
            crate::base::hint::prefetch(block.wrapping_add(line * LINE).wrapping_sub(BELOW));
        }
    }

    /// Whether it runs on one thread only. For its holder, or for printing.
    #[inline]
    pub(crate) fn is_locked(self) -> bool {
        !self.locked_to.load(Ordering::Relaxed).is_null()
    }

    pub(crate) fn as_ptr(self) -> NonNull<G> {
        self.0
    }

    /// # Safety
    /// `ptr` came from [`as_ptr`](Self::as_ptr).
    pub(crate) unsafe fn from_ptr(ptr: NonNull<G>) -> Self {
        Self(ptr)
    }

    /// Runs the goroutine on the calling thread until it stops. `carrier` is handed to it as the
    /// result of its suspension (the M's address).
    ///
    /// # Safety
    /// The caller holds the goroutine, it is suspended or fresh, and its state says Running.
    #[inline(always)]
    pub(crate) unsafe fn resume(self, carrier: usize) -> Stop {
        let stack = self.stack_if_watched();
        let host = self.fiber.go(stack.0, stack.1);
        // SAFETY: the context is suspended or prepared, and only the holder resumes it.
        let word = unsafe { (*self.ctx.get()).resume(carrier) };
        self.fiber.back(host);
        Stop::from_word(word)
    }

    /// Where it stopped, if it has begun and does not run.
    pub(crate) fn saved(self) -> Option<Saved> {
        // SAFETY: the context is only read. The caller holds the world stopped, or is about to end
        // the process and lives with registers that are out of date.
        unsafe { (*self.ctx.get()).saved() }
    }

    /// Where its stack lies, for a `Fiber` that wants to know.
    #[inline(always)]
    fn stack_if_watched(self) -> (usize, usize) {
        if size_of::<Fiber>() == 0 {
            return (0, 0);
        }
        let slot = self.stack();
        (slot.limit, slot.top)
    }

    /// The memory it runs on: its own slot, or a further segment. For the goroutine itself, for a
    /// fault handler on it, and for who holds it.
    #[inline]
    pub(crate) fn stack(self) -> Slot {
        self.segments.slot().unwrap_or(self.slot)
    }

    /// All of the memory it has frames on, innermost first. As [`stack`](Self::stack).
    pub(crate) fn stacks(&self) -> impl Iterator<Item = Slot> {
        self.segments.chain().chain(std::iter::once(self.slot))
    }

    /// Leaves the goroutine's stack; returns the carrier that resumed it.
    ///
    /// # Safety
    /// Called on this goroutine's own stack.
    #[inline(always)]
    pub(crate) unsafe fn suspend(self, word: usize) -> usize {
        self.fiber.leave(false);
        // SAFETY: we run on this context.
        let carrier = unsafe { (*self.ctx.get()).suspend(word) };
        self.fiber.arrive();
        carrier
    }
}
