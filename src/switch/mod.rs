//! The one seam to context switching: `prepare`, `resume`, `suspend`, over memory that somebody
//! else owns. Nothing here knows what a goroutine is.
//!
//! Two backends with the same methods: [`portable`] wraps corosensei, [`native`] is our own
//! assembly in `arch/`. `build.rs` picks. Both are always compiled: `tests.rs` drives them with
//! the same scripts, `cost.rs` times them.
//!
//! Invariants:
//! * A [`Context`] is plain memory without a destructor. It must not move between `prepare` and
//!   its end, because its own stack refers to it.
//! * At most one thread at a time is inside a context or looks at it. Handing it from one thread
//!   to another needs a release/acquire pair of the caller's.
//! * A backtrace taken on a context ends at its entry: the unwind table says that there is no
//!   caller, and the chain of frame pointers ends in zero. No panic leaves an [`Entry`].
//! * A switch leaves the floating-point control words (MXCSR, x87 CW, FPCR) alone: they belong to
//!   the OS thread, as in Go and in corosensei. Rust code must not run with changed ones anyway;
//!   C code that changes them has to change them back before it blocks.

#[cfg(gort_own_tls)]
pub(crate) mod base;
pub(crate) mod cost;
mod foreign;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod inject;
#[cfg(gort_arch)]
#[cfg_attr(not(gort_switch = "native"), allow(dead_code))]
pub(crate) mod native;
#[cfg_attr(not(gort_switch = "portable"), allow(dead_code))]
pub(crate) mod portable;
#[cfg_attr(not(gort_switch = "native"), allow(dead_code))]
mod shadow;
#[cfg(test)]
mod tests;
pub(crate) mod tools;

pub(crate) use foreign::{Caught, call as call_foreign};
#[cfg(gort_switch = "native")]
#[allow(unused_imports)]
pub(crate) use native::Context;
#[cfg(gort_switch = "portable")]
#[allow(unused_imports)]
pub(crate) use portable::Context;

/// Why contexts cannot be switched in this process, if that is so; to be asked before the first.
pub(crate) fn obstacle() -> Option<&'static str> {
    shadow::obstacle()
}

/// The routines of `arch/`, whichever backend runs.
#[cfg(gort_arch)]
mod arch {
    // The file names its own syntax because the GNU assembler takes it as well, which is also why
    // it is raw: to that assembler it is not a format string.
    #![allow(bad_asm_style)]
    core::arch::global_asm!(include_str!(env!("GORT_ARCH_FILE")), options(raw));
}

/// Makes `pc`, which gives an instruction of the function it is inlined into.
macro_rules! pc {
    ($read:literal $(, $nostack:ident)?) => {
        /// An instruction of the function this is inlined into.
        #[inline(always)]
        pub(crate) fn pc() -> usize {
            let pc;
            // SAFETY: reads a register.
            unsafe {
                core::arch::asm!($read, out(reg) pc, options($($nostack, nomem,)? preserves_flags));
            }
            pc
        }
    };
}

#[cfg(target_arch = "x86_64")]
pc!("lea {}, [rip]", nostack);
#[cfg(target_arch = "aarch64")]
pc!("adr {}, .", nostack);
#[cfg(target_arch = "riscv64")]
pc!("auipc {}, 0", nostack);
#[cfg(target_arch = "arm")]
pc!("mov {}, pc", nostack);
/// The CPU cannot read its own address otherwise; see `portable.rs`.
#[cfg(target_arch = "x86")]
pc!("call 2f\n2: pop {}");
/// 0: nobody has written it for this CPU.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "x86",
    target_arch = "arm"
)))]
#[inline(always)]
pub(crate) fn pc() -> usize {
    0
}

/// Traps after the next instruction, and after each one from then on unless the handler says no.
#[cfg(target_arch = "x86_64")]
pub(crate) fn step() {
    // SAFETY: sets the trap flag; whoever calls this has a handler for what follows.
    unsafe { core::arch::asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq") };
}

/// As on x86-64, where there is a way: nobody asks for it elsewhere.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn step() {}

/// What a context runs: called on the new stack at the first resume with the argument given to
/// `prepare` and the word given to `resume`. Its result is the last word `resume` returns.
///
/// It must not unwind. Rust aborts the process if it does.
pub(crate) type Entry = unsafe extern "C" fn(arg: *mut (), word: usize) -> usize;

/// Calls `f(arg)` on the stack that ends at `top`, from wherever the caller runs.
///
/// A panic in `f` unwinds through to the caller, and backtraces go on into it.
///
/// # Safety
/// `top` is a multiple of 16, and below it lies enough writable memory for `f`, with a guard below.
#[cfg(gort_arch)]
pub(crate) unsafe fn call_on(top: usize, f: unsafe extern "C-unwind" fn(*mut ()), arg: *mut ()) {
    unsafe extern "C-unwind" {
        /// Calls `f(args[0], .., args[count - 1])` on another stack.
        fn gort_call_on(
            top: usize,
            f: unsafe extern "C-unwind" fn(*mut ()),
            args: *const *mut (),
            count: usize,
        ) -> usize;
    }
    debug_assert!(top.is_multiple_of(16));
    // SAFETY: one argument, as `f` takes; the stack is the caller's promise. f returns nothing,
    // so neither does this use the result.
    unsafe { gort_call_on(top, f, &raw const arg, 1) };
}

/// Calls `f(arg)` on the stack that ends at `top`, from wherever the caller runs.
///
/// A panic in `f` comes out here.
///
/// # Safety
/// `top` is a multiple of 16, and below it lies enough writable memory for `f`, with a guard below.
#[cfg(not(gort_arch))]
pub(crate) unsafe fn call_on(top: usize, f: unsafe extern "C-unwind" fn(*mut ()), arg: *mut ()) {
    // SAFETY: the caller's promise.
    unsafe { portable::call_on(top, f, arg) }
}

/// The stack pointer in the function this is inlined into, or a little below.
#[inline(always)]
pub(crate) fn sp() -> usize {
    stack_pointer()
}

/// Makes `stack_pointer` from the instruction that reads the register.
#[allow(unused_macros)] // on CPUs that nobody has written it for
macro_rules! stack_pointer {
    ($read:literal) => {
        #[inline(always)]
        fn stack_pointer() -> usize {
            let sp;
            // SAFETY: reads a register.
            unsafe {
                core::arch::asm!($read, out(reg) sp, options(nomem, nostack, preserves_flags));
            }
            sp
        }
    };
}

#[cfg(target_arch = "x86_64")]
stack_pointer!("mov {}, rsp");
#[cfg(target_arch = "x86")]
stack_pointer!("mov {}, esp");
#[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
stack_pointer!("mov {}, sp");
#[cfg(any(target_arch = "riscv64", target_arch = "riscv32"))]
stack_pointer!("mv {}, sp");
/// Elsewhere the address of a local has to do.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "riscv32"
)))]
#[inline(never)]
fn stack_pointer() -> usize {
    let mark = 0_u8;
    core::hint::black_box(&raw const mark).addr()
}

/// Where a suspended context stopped: the registers an unwinder starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// An instruction of the function that suspended, on the path after the switch.
    pub(crate) pc: usize,
    /// The stack pointer at that instruction.
    pub(crate) sp: usize,
    /// The frame pointer register at that instruction.
    pub(crate) fp: usize,
}
