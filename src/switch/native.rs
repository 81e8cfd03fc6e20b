//! The native backend: our own switch, written out at its call sites, and `arch/` for what happens
//! at the two ends of a context's life.
//!
//! [`Context`] holds the registers of the side that is not running, so a switch is an exchange
//! with that memory and the same in both directions. It is inlined so that the compiler saves
//! only what is live there, and it jumps instead of returning so that the CPU's return-address
//! predictor keeps what it knows about the goroutine's frames: with two calls between the loop and
//! the suspension a resume + suspend takes 5 ns this way and 17 ns by call and return.
//!
//! Invariant: the offsets of [`Registers`] are those in `arch/x86_64.s`.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;

use super::{Entry, Saved};

unsafe extern "C" {
    /// The outermost frame of a context. Not for calling: a context is prepared to start there.
    fn gort_entry();
}

/// The registers of the side that is not running. Written only by the switch and by `prepare`.
#[derive(Debug)]
#[repr(C)]
struct Registers {
    sp: usize,
    pc: usize,
    fp: usize,
    /// rbx, which LLVM reserves: an `asm!` block can neither clobber it nor bind it.
    bx: usize,
}

const _: () = {
    assert!(offset_of!(Context, registers) == 0);
    assert!(offset_of!(Registers, sp) == 0);
    assert!(offset_of!(Registers, pc) == 8);
    assert!(offset_of!(Registers, fp) == 16);
    assert!(offset_of!(Registers, bx) == 24);
    assert!(size_of::<Context>() <= 64);
};

/// A flow of control on a stack of its own. See the module documentation of `switch`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Context {
    registers: UnsafeCell<Registers>,
    /// The stack, `[limit, top)`: tells a suspended context's stack pointer from its resumer's.
    limit: usize,
    top: usize,
}

// SAFETY: what a context holds are numbers; that only one thread at a time uses them, and that
// the frames on the stack may change thread, is the caller's promise at `resume`.
unsafe impl Send for Context {}
// SAFETY: as above; every method that reaches the cell is unsafe or asks for the same promise.
unsafe impl Sync for Context {}

impl Context {
    /// A context that has nothing to run.
    pub(crate) const fn empty() -> Self {
        let registers = UnsafeCell::new(Registers { sp: 0, pc: 0, fp: 0, bx: 0 });
        Context { registers, limit: 0, top: 0 }
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
        // gort_entry finds its two operands in the registers a switch restores anyway.
        *self.registers.get_mut() = Registers {
            sp: top,
            pc: gort_entry as *const () as usize,
            fp: arg as usize,
            bx: entry as *const () as usize,
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

    /// Where the context stopped; `None` if it has no frames: not started, or ended. Running, too,
    /// as long as its resumer is not on the same stack.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tracebacks of parked goroutines"))]
    pub(crate) fn saved(&self) -> Option<Saved> {
        // SAFETY: only the side that runs writes the cell, and the caller is that side or holds
        // the context suspended (an invariant of the room).
        let Registers { sp, pc, fp, .. } = unsafe { &*self.registers.get() };
        let started = (self.limit..self.top).contains(sp);
        started.then_some(Saved { pc: *pc, sp: *sp, fp: *fp })
    }

    /// Exchanges the running side with the one in `registers`.
    ///
    /// # Safety
    /// `registers` hold a side that can run.
    #[inline(always)]
    unsafe fn switch(&self, word: usize) -> usize {
        let back;
        // SAFETY: the block returns with the stack, rbx and rbp as they were, because the other
        // side exchanges them back; everything else is declared clobbered. The stack is not
        // touched, so the red zone is safe.
        unsafe {
            asm!(
                "lea  rax, [rip + 2f]",
                "mov  rcx, [rsi + {pc}]",
                "mov  [rsi + {pc}], rax",
                "mov  rax, [rsi + {bx}]",
                "mov  [rsi + {bx}], rbx",
                "mov  rbx, rax",
                // The two registers a frame is found by come last: an asynchronous unwinder
                // sees a wrong frame for three instructions only.
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
                bx = const offset_of!(Registers, bx),
                inlateout("rdi") word => back,
                inlateout("rsi") self.registers.get() => _,
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
}
