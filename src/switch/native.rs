//! The native backend: the routines of `arch/`, and on x86-64 a switch that is written out at its
//! call sites.
//!
//! [`Context`] holds the registers of the side that is not running, so a switch is an exchange
//! with that memory and the same in both directions. Inlined, the compiler saves only what is live
//! at the site, and no call or return disturbs the CPU's return-address predictor: with two calls
//! between a goroutine's loop and its suspension a resume + suspend takes 5 ns this way and 17 to
//! 24 ns by call and return (`benches/switch_cost.rs`).
//!
//! Invariants:
//! * The offsets of [`Registers`] are those in `arch/*.s`.
//! * Both sides of one context switch by the same rules, so `shadow` is zero for both or for none.

use core::cell::UnsafeCell;
use core::mem::offset_of;

use super::{Entry, Saved, shadow};

unsafe extern "C" {
    /// The outermost frame of a context. Not for calling: a context is prepared to start there.
    fn gort_entry();
    /// Exchanges the running side with the one in `registers`, saving all that the C ABI asks for.
    pub(super) fn gort_switch(word: usize, registers: *mut Registers) -> usize;
}

/// The registers of the side that is not running. Written only by the switch and by `prepare`.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Registers {
    sp: usize,
    /// Where that side goes on. `arch/` jumps there or, where there is only one such place,
    /// compares.
    pc: usize,
    /// The frame pointer. Before the start: `arg`.
    fp: usize,
    /// One more callee-saved register (rbx, x19, s1, ebx, r4), which before the start carries
    /// `entry`. On x86-64 it is the one LLVM reserves: an `asm!` block can neither clobber nor
    /// bind it.
    extra: usize,
    /// The restore token of that side's shadow stack; zero in a process without shadow stacks.
    shadow: usize,
}

const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(offset_of!(Context, registers) == 0);
    assert!(offset_of!(Registers, sp) == 0);
    assert!(offset_of!(Registers, pc) == WORD);
    assert!(offset_of!(Registers, fp) == 2 * WORD);
    assert!(offset_of!(Registers, extra) == 3 * WORD);
    assert!(offset_of!(Registers, shadow) == 4 * WORD);
    assert!(size_of::<Context>() == 8 * WORD);
};

/// A flow of control on a stack of its own. See the module documentation of `switch`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Context {
    registers: UnsafeCell<Registers>,
    shadow: shadow::Stack,
    /// The stack, `[limit, top)`, which a shadow stack has to fit.
    limit: usize,
    top: usize,
}

// SAFETY: what a context holds are numbers; that only one thread at a time uses them, and that
// the frames on the stack may change thread, is the caller's promise at `resume`.
unsafe impl Send for Context {}
// SAFETY: as above; every method that reaches the cell is unsafe or asks for the same promise.
unsafe impl Sync for Context {}

impl Context {
    /// Where a debugger finds program counter, stack pointer and frame pointer of a suspended context.
    pub(crate) const WHERE_SAVED: [usize; 3] = {
        let saved = offset_of!(Self, registers);
        [
            saved + offset_of!(Registers, pc),
            saved + offset_of!(Registers, sp),
            saved + offset_of!(Registers, fp),
        ]
    };

    /// A context that has nothing to run.
    pub(crate) const fn empty() -> Self {
        let registers = Registers { sp: 0, pc: 0, fp: 0, extra: 0, shadow: 0 };
        let registers = UnsafeCell::new(registers);
        Context { registers, shadow: shadow::Stack::none(), limit: 0, top: 0 }
    }

    /// Makes the next resume call `entry(arg, word)` on the stack `[limit, top)`. What the context
    /// did before is forgotten: a finished one is used again, the frames of a suspended one leak.
    ///
    /// # Panics
    /// If the thread has a shadow stack and the kernel gives no further one.
    ///
    /// # Safety
    /// `[limit, top)` is writable memory with a guard below it, `top` is a multiple of 16, and
    /// both it and the context stay in place and unshared until the context has ended.
    #[inline]
    pub(crate) unsafe fn prepare(&mut self, limit: usize, top: usize, entry: Entry, arg: *mut ()) {
        debug_assert!(top.is_multiple_of(16) && limit < top);
        let registers = self.registers.get_mut();
        // gort_entry finds its two operands in the registers a switch restores anyway.
        *registers = Registers {
            sp: top,
            pc: gort_entry as *const () as usize,
            fp: arg as usize,
            extra: entry as *const () as usize,
            shadow: self.shadow.fit(self.top - self.limit, top - limit, registers.shadow),
        };
        self.limit = limit;
        self.top = top;
    }

    /// Runs the context until it suspends or ends; returns the word it gave.
    ///
    /// # Safety
    /// The context is prepared or suspended, no other thread uses it, and everything its frames
    /// hold may be used on this thread.
    #[inline(always)]
    pub(crate) unsafe fn resume(&self, word: usize) -> usize {
        // SAFETY: the caller vouches that the registers are those of a context that can run.
        unsafe { self.switch(word) }
    }

    /// Goes back to the resumer; returns the word of the next resume.
    ///
    /// # Safety
    /// The caller runs on this context.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self, word: usize) -> usize {
        // SAFETY: the caller runs on this context, so the registers are its resumer's.
        unsafe { self.switch(word) }
    }

    /// Where the context stopped; `None` if it has no frames: not started, or ended. While it runs,
    /// where its resumer stopped.
    pub(crate) fn saved(&self) -> Option<Saved> {
        // SAFETY: only the side that runs writes the cell, and the caller is that side or holds
        // the context suspended (an invariant of the room).
        let Registers { sp, pc, fp, .. } = unsafe { &*self.registers.get() };
        let started = *sp != 0 && *pc != gort_entry as *const () as usize;
        started.then_some(Saved { pc: *pc, sp: *sp, fp: *fp })
    }

    /// Exchanges the running side with the one in `registers`.
    ///
    /// # Safety
    /// `registers` hold a side that can run.
    #[inline(always)]
    unsafe fn switch(&self, word: usize) -> usize {
        let registers = self.registers.get();
        // SAFETY: the side that runs may read the cell.
        if unsafe { (*registers).shadow } != 0 {
            core::hint::cold_path();
            // SAFETY: the caller's promise; gort_switch exchanges the shadow stacks as well.
            return unsafe { gort_switch(word, registers) };
        }
        // SAFETY: the caller's promise.
        unsafe { exchange(word, registers) }
    }
}

/// On the other CPUs the switch is a call: nobody has measured what inlining it is worth there.
#[cfg(not(target_arch = "x86_64"))]
use gort_switch as exchange;

/// [`gort_switch`] written out at its call site, for sides without a shadow stack.
///
/// # Safety
/// `registers` hold a side that can run.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn exchange(word: usize, registers: *mut Registers) -> usize {
    let back;
    // SAFETY: the block ends with the stack, rbx and rbp as they were, because the other side
    // exchanges them back; everything else is declared clobbered. The stack is not touched, so
    // neither is the red zone.
    unsafe {
        core::arch::asm!(
            "lea  rax, [rip + 2f]",
            "mov  rcx, [rsi + {pc}]",
            "mov  [rsi + {pc}], rax",
            "mov  rax, [rsi + {bx}]",
            "mov  [rsi + {bx}], rbx",
            "mov  rbx, rax",
            // The two registers a frame is found by come last, next to each other: an unwinder
            // that a signal starts here sees a wrong frame for two instructions only.
            "mov  rax, [rsi + {fp}]",
            "mov  rdx, [rsi + {sp}]",
            "mov  [rsi + {fp}], rbp",
            "mov  [rsi + {sp}], rsp",
            "mov  rbp, rax",
            "mov  rsp, rdx",
            "jmp  rcx",
            // Reached by an indirect jump: without it indirect-branch tracking would trap.
            "2:",
            "endbr64",
            pc = const offset_of!(Registers, pc),
            sp = const offset_of!(Registers, sp),
            fp = const offset_of!(Registers, fp),
            bx = const offset_of!(Registers, extra),
            inlateout("rdi") word => back,
            inlateout("rsi") registers => _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
            options(nostack),
        );
    }
    back
}

/// A [`Context`] that always switches by calling `gort_switch`: what the other CPUs do, so that it
/// is tested here as well.
#[cfg(test)]
pub(super) struct ByCall(Context);

#[cfg(test)]
impl ByCall {
    pub(super) const fn empty() -> Self {
        ByCall(Context::empty())
    }

    /// # Safety
    /// As [`Context::prepare`].
    pub(super) unsafe fn prepare(&mut self, limit: usize, top: usize, entry: Entry, arg: *mut ()) {
        // SAFETY: the caller's promise.
        unsafe { self.0.prepare(limit, top, entry, arg) }
    }

    /// # Safety
    /// As [`Context::resume`].
    pub(super) unsafe fn resume(&self, word: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { gort_switch(word, self.0.registers.get()) }
    }

    /// # Safety
    /// As [`Context::suspend`].
    pub(super) unsafe fn suspend(&self, word: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { gort_switch(word, self.0.registers.get()) }
    }

    pub(super) fn saved(&self) -> Option<Saved> {
        self.0.saved()
    }
}
