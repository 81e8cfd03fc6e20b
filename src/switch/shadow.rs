//! Shadow stacks: where the process runs with them, the CPU compares every return with one, so that
//! each context needs its own, or its first switch is the last thing the process does.
//!
//! Found out once, when the runtime starts: the kernel turns them on while a program is loaded, and
//! threads inherit them. x86-64 (CET) has them with the native backend. Everything else refuses to
//! start under them: corosensei's switch does not know them, and those of aarch64 (GCS) and riscv64
//! (Zicfiss) are for a CPU's owner to add. Linux has none on 32-bit CPUs.
//!
//! On x86-64 a shadow stack that is not in use has a *restore token* on its top. Its address is what
//! a switch exchanges (`arch/x86_64.s`), and zero means that there are no shadow stacks. The memory
//! comes from a system call of this CPU alone, so it is made here and not in `sys`.
//!
//! Invariants:
//! * A context keeps its shadow stack when it is used again, as a slot of memory does, and for ever:
//!   slots are never unmapped either.
//! * The shadow stack of a finished or not yet started context is empty, and its token at
//!   [`Stack::home`].

use core::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "x86_64")]
#[path = "shadow_x86_64.rs"]
mod cpu;

#[cfg(not(target_arch = "x86_64"))]
mod cpu {
    /// Whether the native backend gives contexts shadow stacks of their own.
    pub(super) const KNOWN: bool = false;

    /// Whether the calling thread has a shadow stack.
    pub(super) fn active() -> bool {
        crate::sys::thread::has_shadow_stack()
    }

    /// Makes a shadow stack of so many bytes, with a token on top.
    pub(super) fn map(_bytes: usize) -> Option<usize> {
        None
    }

    /// Gives one back.
    ///
    /// # Safety
    /// `base` and `bytes` are from one `map`, and the stack is not in use.
    pub(super) unsafe fn unmap(_base: usize, _bytes: usize) {}
}

/// Whether the process has shadow stacks: not asked yet, no, yes. Relaxed: whoever asks finds the same.
static ACTIVE: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// Whether the process has shadow stacks: one load and one branch where it has none.
#[inline]
pub(super) fn active() -> bool {
    match ACTIVE.load(Ordering::Relaxed) {
        NO => false,
        known => known == YES || find_out(),
    }
}

#[cold]
fn find_out() -> bool {
    let active = cpu::active();
    ACTIVE.store(if active { YES } else { NO }, Ordering::Relaxed);
    active
}

/// Why contexts cannot be switched in this process, if that is so.
pub(super) fn obstacle() -> Option<&'static str> {
    explain(active(), cfg!(gort_switch = "native") && cpu::KNOWN, cpu::KNOWN)
}

/// `active`: there are shadow stacks; `handled`: by the backend in force; `by_native`: by the other.
pub(super) fn explain(active: bool, handled: bool, by_native: bool) -> Option<&'static str> {
    match (active, handled, by_native) {
        (false, ..) | (_, true, _) => None,
        (_, _, true) => Some(
            "the process runs with shadow stacks, which need the switch of arch/: build with \
             RUSTFLAGS=\"--cfg gort_native\", or run it with \
             GLIBC_TUNABLES=glibc.cpu.x86_shstk=off",
        ),
        _ => Some("the process runs with shadow stacks, which are not supported on this CPU"),
    }
}

const PAGE: usize = 4096;
const TOKEN: usize = 8;

/// The shadow stack of one context, if there is one.
#[derive(Debug)]
pub(super) struct Stack {
    /// Where the token of the empty stack is: its last word. Zero: no stack.
    home: usize,
}

impl Stack {
    pub(super) const fn none() -> Self {
        Stack { home: 0 }
    }

    /// The token to start with on a stack of `now` bytes, for a context that had one of `was`
    /// bytes and ended at the token `ended_at`. Zero where the process has no shadow stacks.
    ///
    /// # Panics
    /// If the kernel gives no shadow stack.
    #[inline]
    pub(super) fn fit(&mut self, was: usize, now: usize, ended_at: usize) -> usize {
        if !active() {
            return 0;
        }
        core::hint::cold_path();
        self.fit_slow(was, now, ended_at)
    }

    #[cold]
    fn fit_slow(&mut self, was: usize, now: usize, ended_at: usize) -> usize {
        // A context that was abandoned has left its calls here, and they cannot be overwritten.
        if ended_at != self.home || bytes(was) != bytes(now) {
            self.unmap(was);
        }
        if self.home == 0 {
            let base = cpu::map(bytes(now)).expect("a shadow stack from the kernel");
            self.home = base + bytes(now) - TOKEN;
        }
        self.home
    }

    /// Gives the shadow stack of a context on a stack of so many bytes back.
    fn unmap(&mut self, stack_bytes: usize) {
        if self.home == 0 {
            return;
        }
        let bytes = bytes(stack_bytes);
        // SAFETY: `fit_slow` mapped it, and a context that is not prepared or finished is over.
        unsafe { cpu::unmap(self.home + TOKEN - bytes, bytes) };
        self.home = 0;
    }
}

/// How large the shadow stack of a stack is: a call takes one word there and, with its alignment,
/// at least two on the stack. The kernel commits pages as they are touched.
fn bytes(stack_bytes: usize) -> usize {
    (stack_bytes / 2).next_multiple_of(PAGE)
}
