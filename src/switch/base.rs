//! The thread register of x86-64: FS base, which says whose thread-locals the running code has.
//!
//! Invariants:
//! * A compiler takes the register for a constant of the function it compiles. So it is written in
//!   functions that are never inlined and have no thread-locals of their own, and whoever calls them
//!   keeps no thread-local's address across the call.
//! * What it points at begins with its own address (the ABI's rule), so reading it is a load.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

/// Whether the kernel lets programs use the instruction. Set once, before the first write.
static INSTRUCTION: AtomicBool = AtomicBool::new(false);

/// Says whether `wrfsbase` may be used; without it every write is a system call.
pub(crate) fn use_instruction(yes: bool) {
    INSTRUCTION.store(yes, Ordering::Relaxed);
}

/// What the thread register points at.
#[inline]
pub(crate) fn get() -> usize {
    let at;
    // SAFETY: reads the first word of the calling thread's descriptor, its own address.
    unsafe { asm!("mov {}, fs:[0]", out(reg) at, options(nostack, preserves_flags, readonly)) };
    at
}

/// A word of the block that the thread register points at.
///
/// # Safety
/// The block has a word at that offset.
#[inline]
pub(crate) unsafe fn word(offset: usize) -> usize {
    let word;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("mov {}, fs:[{}]", out(reg) word, in(reg) offset,
            options(nostack, preserves_flags, readonly));
    }
    word
}

/// Points the thread register at `to`.
///
/// # Safety
/// `to` is a block of thread-locals that no other thread uses (but for what the C library does to
/// another thread's descriptor), and the callers up to the next call that is not inlined touch no
/// thread-local. Callable in a signal handler.
#[inline]
pub(crate) unsafe fn set(to: usize) {
    if INSTRUCTION.load(Ordering::Relaxed) {
        // SAFETY: the kernel allows it; the rest is the caller's promise.
        unsafe { asm!("wrfsbase {}", in(reg) to, options(nostack, preserves_flags)) };
    } else {
        // SAFETY: as above.
        unsafe { set_by_call(to) };
    }
}

/// arch_prctl(ARCH_SET_FS), by hand: the C library's wrapper would write `errno`.
///
/// # Safety
/// As for [`set`].
#[cold]
unsafe fn set_by_call(to: usize) {
    const ARCH_PRCTL: usize = 158;
    const ARCH_SET_FS: usize = 0x1002;
    // SAFETY: the call changes the register alone; it cannot fail for an address of the program.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => _,
            in("rdi") ARCH_SET_FS,
            in("rsi") to,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
}

/// Calls `f` with the thread register at `to`, and puts it back where it was.
///
/// # Safety
/// As for [`set`]; `f` does not unwind and does not suspend the flow of control.
#[inline(never)]
pub(crate) unsafe fn with(to: usize, f: &mut dyn FnMut()) {
    let before = get();
    // SAFETY: the caller's promise; this function has no thread-locals, and `f` is called through
    // a pointer, so that nothing of it is moved out of the bracket.
    unsafe { set(to) };
    core::hint::black_box(f)();
    // SAFETY: it is where the caller was.
    unsafe { set(before) };
}
