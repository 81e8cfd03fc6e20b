//! A call into C that stops exceptions which are not Rust's, and C++'s exceptions across a switch.
//!
//! An exception of C++ that nobody in the C++ frames catches would find Rust's `catch_unwind` next, and
//! end the process in words that help nobody. The frame of [`call`] lies between: its *personality*,
//! which every unwinder asks what to do with an exception before any frame is left, ends the process
//! with a clear message, and the stack still whole. Rust's own panics, goexit among them, pass.
//!
//! C++ keeps the exceptions that are being handled, and a count of those on their way, in two words of
//! the thread (`__cxa_get_globals` of its ABI). They belong to the goroutine: [`Caught`] takes them along
//! when it may continue on another thread, or another one runs here meanwhile.

use std::ffi::c_int;

/// A function of C's with its argument.
pub(crate) type Function = unsafe extern "C-unwind" fn(arg: *mut core::ffi::c_void);

/// What Rust's panics call themselves (`RUST_EXCEPTION_CLASS` of its panic_unwind).
const RUST: u64 = u64::from_ne_bytes(*b"MOZ\0RUST");
/// Nothing for this frame to do: the search goes on.
const CONTINUE_UNWIND: c_int = 8;

/// Asked by the unwinder of the frame of `gort_call_foreign`.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
extern "C" fn personality(_version: c_int, _actions: c_int, class: u64) -> c_int {
    if class == RUST {
        return CONTINUE_UNWIND;
    }
    crate::base::fatal::fatal(format_args!(
        "a foreign exception (C++?) left a function that gort called; catch it inside"
    ))
}

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".section .text.gort_call_foreign, \"ax\", @progbits",
    ".p2align 4",
    ".globl gort_call_foreign",
    ".hidden gort_call_foreign",
    ".type gort_call_foreign, @function",
    "gort_call_foreign:",
    ".cfi_startproc",
    // Relative to its own place, 4 bytes.
    ".cfi_personality 0x1b, {personality}",
    "endbr64",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbp, 0",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "call rsi",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    ".size gort_call_foreign, . - gort_call_foreign",
    ".text",
    personality = sym personality,
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".section .text.gort_call_foreign, \"ax\", @progbits",
    ".p2align 4",
    ".globl gort_call_foreign",
    ".hidden gort_call_foreign",
    ".type gort_call_foreign, @function",
    "gort_call_foreign:",
    ".cfi_startproc",
    ".cfi_personality 0x1b, {personality}",
    "hint #34", // bti c
    "stp x29, x30, [sp, #-16]!",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset x29, -16",
    ".cfi_offset x30, -8",
    "mov x29, sp",
    ".cfi_def_cfa_register x29",
    "blr x1",
    "ldp x29, x30, [sp], #16",
    ".cfi_def_cfa sp, 0",
    ".cfi_restore x29",
    ".cfi_restore x30",
    "ret",
    ".cfi_endproc",
    ".size gort_call_foreign, . - gort_call_foreign",
    ".text",
    personality = sym personality,
);

/// Calls `f(arg)`.
///
/// # Safety
/// As `f` asks.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) unsafe fn call(f: Function, arg: *mut core::ffi::c_void) {
    unsafe extern "C-unwind" {
        /// Calls `f(arg)` from a frame with the personality above.
        fn gort_call_foreign(arg: *mut core::ffi::c_void, f: Function);
    }
    // SAFETY: the caller's promise.
    unsafe { gort_call_foreign(arg, f) };
}

/// Calls `f(arg)`. On this CPU nothing lies between: Rust's own words have to do.
///
/// # Safety
/// As `f` asks.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) unsafe fn call(f: Function, arg: *mut core::ffi::c_void) {
    // SAFETY: the caller's promise.
    unsafe { f(arg) };
}

/// The two words, with padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CxaGlobals {
    caught: *mut core::ffi::c_void,
    uncaught: core::ffi::c_uint,
}

// A word with the function's address, or zero in a program without C++.
#[cfg(target_os = "linux")]
core::arch::global_asm!(
    ".weak __cxa_get_globals",
    ".section .data.rel.ro.gort_cxa_get_globals, \"aw\"",
    ".p2align 3",
    ".globl gort_cxa_get_globals",
    ".hidden gort_cxa_get_globals",
    "gort_cxa_get_globals:",
    ".{bytes}byte __cxa_get_globals",
    ".text",
    bytes = const size_of::<usize>(),
);

/// This thread's two words, in a program with C++.
#[cfg(target_os = "linux")]
fn cxa_globals() -> Option<*mut CxaGlobals> {
    unsafe extern "C" {
        static gort_cxa_get_globals: Option<unsafe extern "C" fn() -> *mut CxaGlobals>;
    }
    // SAFETY: a constant.
    let get = unsafe { gort_cxa_get_globals }?;
    // SAFETY: it has no preconditions.
    Some(unsafe { get() })
}

#[cfg(not(target_os = "linux"))]
fn cxa_globals() -> Option<*mut CxaGlobals> {
    None
}

/// The caller's two words, taken off its thread; puts them on whichever thread it is then when dropped.
#[derive(Debug)]
pub(crate) struct Caught(Option<CxaGlobals>);

impl Caught {
    const NONE: CxaGlobals = CxaGlobals { caught: core::ptr::null_mut(), uncaught: 0 };

    /// Takes them.
    pub(crate) fn take() -> Self {
        let taken = cxa_globals().map(|globals| {
            // SAFETY: the thread's own words, which only it uses.
            unsafe { globals.replace(Self::NONE) }
        });
        Self(taken.filter(|taken| *taken != Self::NONE))
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        if let Some((globals, taken)) = cxa_globals().zip(self.0) {
            // SAFETY: as in `take`.
            unsafe { globals.write(taken) };
        }
    }
}
