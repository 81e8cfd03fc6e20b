//! Shadow stacks of x86-64: the instruction that tells whether there is one, and the two system
//! calls that make and unmake further ones.

use core::arch::asm;

const MUNMAP: isize = 11;
const MAP_SHADOW_STACK: isize = 453;
/// Put a restore token on top, so that `rstorssp` can take the new stack up.
const SET_TOKEN: usize = 1;

/// Whether the native backend gives contexts shadow stacks of their own.
pub(super) const KNOWN: bool = true;

/// Whether the calling thread has a shadow stack.
pub(super) fn active() -> bool {
    let ssp: usize;
    // SAFETY: reads a register; on a CPU or thread without shadow stacks it does nothing at all.
    unsafe {
        asm!("rdsspq {}", inout(reg) 0_usize => ssp, options(nomem, nostack, preserves_flags));
    }
    ssp != 0
}

/// Makes a shadow stack of so many bytes, with a token on top.
pub(super) fn map(bytes: usize) -> Option<usize> {
    // SAFETY: asks for new memory at an address of the kernel's choice.
    let base = unsafe { syscall(MAP_SHADOW_STACK, 0, bytes, SET_TOKEN) };
    // The kernel's errors are -4095 to -1.
    (base < -4095_isize as usize).then_some(base)
}

/// Gives one back.
///
/// # Safety
/// `base` and `bytes` are from one `map`, and the stack is not in use.
pub(super) unsafe fn unmap(base: usize, bytes: usize) {
    // SAFETY: the caller owns the range. It cannot fail for a range that is mapped as a whole.
    unsafe { syscall(MUNMAP, base, bytes, 0) };
}

/// A system call of up to three arguments.
///
/// # Safety
/// As the call asks.
unsafe fn syscall(number: isize, a: usize, b: usize, c: usize) -> usize {
    let result;
    // SAFETY: the kernel keeps all registers but these three.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}
