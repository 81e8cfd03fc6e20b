//! The portable backend: corosensei's coroutine over a stack that is borrowed, not owned.
//!
//! Invariants:
//! * corosensei's `unwind` feature stays off. A goroutine is never unwound from outside (goexit is
//!   a panic of its own), and without the feature a word crosses in a register instead of through
//!   memory. In exchange no suspended [`Coroutine`] may be dropped, and none is: [`Context`] has
//!   no destructor and `prepare` overwrites.
//! * corosensei's first frame leads an unwinder on to the resumer; [`outermost`] ends it before.

use core::cell::{Cell, UnsafeCell};
use core::mem::{ManuallyDrop, offset_of};
use core::ptr;

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::{Entry, Saved};

/// The part of a goroutine's slot that is stack.
#[derive(Debug)]
struct SlotStack {
    limit: StackPointer,
    top: StackPointer,
}

// SAFETY: `prepare` was promised a writable, guarded range of a goroutine's stack size.
unsafe impl Stack for SlotStack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.top
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }
}

type Flow = Coroutine<usize, usize, usize, SlotStack>;

/// A flow of control on a stack of its own. See the module documentation of `switch`.
pub(crate) struct Context {
    /// Used by the resuming side only, which holds it exclusively while the context runs.
    flow: UnsafeCell<Option<ManuallyDrop<Flow>>>,
    /// Used by the context's own side only: the way back. Set when it starts.
    yielder: Cell<*const Yielder<usize, usize>>,
    /// Where the context suspended last. Written by its own side, read while it is suspended.
    saved: Cell<Saved>,
}

// SAFETY: a coroutine is not Send because of what its frames may hold. That these may change
// thread, and that one thread at a time uses the context, is the caller's promise at `resume`.
unsafe impl Send for Context {}
// SAFETY: as above; every method that reaches a cell is unsafe or asks for the same promise.
unsafe impl Sync for Context {}

impl core::fmt::Debug for Context {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// Where a debugger finds program counter, stack pointer and frame pointer of a suspended context.
    pub(crate) const WHERE_SAVED: [usize; 3] = {
        let saved = offset_of!(Self, saved);
        [
            saved + offset_of!(Saved, pc),
            saved + offset_of!(Saved, sp),
            saved + offset_of!(Saved, fp),
        ]
    };

    /// A context that has nothing to run.
    pub(crate) const fn empty() -> Self {
        Context {
            flow: UnsafeCell::new(None),
            yielder: Cell::new(ptr::null()),
            saved: Cell::new(Saved { pc: 0, sp: 0, fp: 0 }),
        }
    }

    /// Makes the next resume call `entry(arg, word)` on the stack `[limit, top)`. What the context
    /// did before is forgotten: a finished one is used again, the frames of a suspended one leak.
    ///
    /// # Safety
    /// `[limit, top)` is writable memory with a guard below it, `top` is a multiple of 16, and
    /// both it and the context stay in place and unshared until the context has ended.
    #[inline]
    pub(crate) unsafe fn prepare(&mut self, limit: usize, top: usize, entry: Entry, arg: *mut ()) {
        debug_assert!(top.is_multiple_of(16) && limit < top);
        let this = &raw const *self;
        let body = move |yielder: &Yielder<usize, usize>, word| {
            // SAFETY: the context stays in place while this runs, and this is its own side.
            unsafe { (*this).yielder.set(yielder) };
            // SAFETY: `prepare` was given an entry that takes this argument.
            unsafe { outermost(arg, word, entry) }
        };
        // SAFETY: the caller gives a real range, so neither end is null.
        let stack = unsafe {
            SlotStack {
                limit: StackPointer::new_unchecked(limit),
                top: StackPointer::new_unchecked(top),
            }
        };
        // SAFETY: what the body borrows outlives it, by the promise above.
        let flow = unsafe { Flow::with_stack_unchecked(stack, body) };
        *self.flow.get_mut() = Some(ManuallyDrop::new(flow));
        // It has stopped nowhere yet, as a debugger can see.
        self.saved.get_mut().pc = 0;
    }

    /// Runs the context until it suspends or ends; returns the word it gave.
    ///
    /// # Safety
    /// The context is prepared or suspended, no other thread uses it, and everything its frames
    /// hold may be used on this thread.
    #[inline(always)]
    pub(crate) unsafe fn resume(&self, word: usize) -> usize {
        // SAFETY: the caller resumes, so it is the side that has `flow`; and it was prepared.
        let flow = unsafe { (*self.flow.get()).as_mut().unwrap_unchecked() };
        match flow.resume(word) {
            CoroutineResult::Yield(word) | CoroutineResult::Return(word) => word,
        }
    }

    /// Goes back to the resumer; returns the word of the next resume.
    ///
    /// # Safety
    /// The caller runs on this context.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self, word: usize) -> usize {
        self.saved.set(here());
        // SAFETY: the context runs, so its body has set the yielder, which lives at the stack's top.
        let yielder = unsafe { &*self.yielder.get() };
        yielder.suspend(word)
    }

    /// Where the context stopped; `None` if it has no frames: not started, or ended.
    ///
    /// The registers are those of a moment before the switch, in the same function: good for every
    /// unwinder that finds frames by stack or frame pointer.
    pub(crate) fn saved(&self) -> Option<Saved> {
        // SAFETY: the context does not run elsewhere (an invariant of the room); if the caller is
        // on it, corosensei has marked it as one that cannot be resumed, before it was entered.
        let flow = unsafe { (*self.flow.get()).as_ref()? };
        let saved = self.saved.get();
        (flow.started() && !flow.done() && saved.pc != 0).then_some(saved)
    }
}

/// Calls `f(arg)` on the stack that ends at `top`; a panic comes out here.
///
/// # Safety
/// As `switch::call_on`.
#[cfg(not(gort_arch))]
pub(super) unsafe fn call_on(top: usize, f: unsafe extern "C-unwind" fn(*mut ()), arg: *mut ()) {
    let top = StackPointer::new(top).expect("a stack");
    // corosensei asks for the limit only to place trap handlers, which are not used.
    let stack = SlotStack { limit: top, top };
    // A panic may not unwind through corosensei's frames, so it crosses as a value.
    let call = move || {
        // SAFETY: the caller's promise.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe { f(arg) }))
    };
    if let Err(panic) = corosensei::on_stack(stack, call) {
        std::panic::resume_unwind(panic);
    }
}

/// Makes `here`, which gives the registers an unwinder starts from as they are in its caller; `stack`
/// where it takes one word of the stack meanwhile.
#[allow(unused_macros)] // on CPUs that nobody has written it for
macro_rules! here {
    ($pc:literal, $sp:literal, $fp:literal) => {
        here!(@ $pc, $sp, $fp, nomem, nostack, preserves_flags);
    };
    ($pc:literal, $sp:literal, $fp:literal, stack) => {
        here!(@ $pc, $sp, $fp, preserves_flags);
    };
    (@ $pc:literal, $sp:literal, $fp:literal, $($options:ident),+) => {
        #[inline(always)]
        fn here() -> Saved {
            let (pc, sp, fp);
            // SAFETY: reads three registers.
            unsafe {
                core::arch::asm!(
                    $pc,
                    $sp,
                    $fp,
                    pc = out(reg) pc,
                    sp = out(reg) sp,
                    fp = out(reg) fp,
                    options($($options),+),
                );
            }
            Saved { pc, sp, fp }
        }
    };
}

#[cfg(target_arch = "x86_64")]
here!("lea {pc}, [rip]", "mov {sp}, rsp", "mov {fp}, rbp");
#[cfg(target_arch = "aarch64")]
here!("adr {pc}, .", "mov {sp}, sp", "mov {fp}, x29");
#[cfg(target_arch = "riscv64")]
here!("auipc {pc}, 0", "mv {sp}, sp", "mv {fp}, s0");
/// The CPU cannot read its own address otherwise. No return is mispredicted: a call of the next
/// instruction is not taken for a call.
#[cfg(target_arch = "x86")]
here!("call 2f\n2: pop {pc}", "mov {sp}, esp", "mov {fp}, ebp", stack);
#[cfg(target_arch = "arm")]
here!("mov {pc}, pc", "mov {sp}, sp", "mov {fp}, r11");
/// Elsewhere tracebacks of parked goroutines have to do without.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "x86",
    target_arch = "arm"
)))]
#[inline(always)]
fn here() -> Saved {
    Saved { pc: 0, sp: 0, fp: 0 }
}

#[cfg(gort_arch)]
use ended::outermost;
#[cfg(not(gort_arch))]
use open::outermost;

#[cfg(gort_arch)]
mod ended {
    use super::Entry;

    unsafe extern "C" {
        /// Calls `entry(arg, word)` as the outermost frame of a backtrace.
        #[link_name = "gort_outermost"]
        pub(super) fn outermost(arg: *mut (), word: usize, entry: Entry) -> usize;
    }
}

/// Without a file in `arch/` a backtrace runs on into the resumer: longer, but not wrong.
#[cfg(not(gort_arch))]
mod open {
    use super::Entry;

    /// Calls `entry(arg, word)`.
    ///
    /// # Safety
    /// As `entry` asks.
    pub(super) unsafe fn outermost(arg: *mut (), word: usize, entry: Entry) -> usize {
        // SAFETY: the caller's promise.
        unsafe { entry(arg, word) }
    }
}
