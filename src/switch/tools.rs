//! What observers of memory have to be told about stacks: valgrind, which otherwise takes every switch
//! for a huge change of one stack, and AddressSanitizer, which wants to know where the current stack
//! lies. Without them everything here is empty: a few instructions at the birth of a slot for
//! valgrind, which tells by a sequence that does nothing on a real CPU, and nothing at all for
//! AddressSanitizer.

pub(crate) use fiber::{Fiber, Host};

/// `VG_USERREQ__STACK_REGISTER` of valgrind.h.
const STACK_REGISTER: usize = 0x1501;

/// Tells valgrind, if the program runs under it, that `[limit, top)` is a stack.
pub(crate) fn register_stack(limit: usize, top: usize) {
    request(&[STACK_REGISTER, limit, top - 1, 0, 0, 0]);
}

/// A client request, as valgrind.h spells it.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn request(words: &[usize; 6]) {
    // SAFETY: four rotations that add up to none and an exchange of a register with itself: nothing,
    // unless valgrind translates it, and then it reads the words and writes rdx.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") words.as_ptr(),
            inout("rdx") 0_usize => _,
            inout("rdi") 0_usize => _,
            options(nostack),
        );
    }
}

/// A client request, as valgrind.h spells it.
#[cfg(all(target_arch = "aarch64", not(miri)))]
fn request(words: &[usize; 6]) {
    // SAFETY: as on x86-64.
    unsafe {
        core::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            inout("x3") 0_usize => _,
            in("x4") words.as_ptr(),
            inout("x12") 0_usize => _,
            options(nostack),
        );
    }
}

/// Elsewhere valgrind has to guess.
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
fn request(_words: &[usize; 6]) {}

#[cfg(gort_asan)]
#[path = "fiber_asan.rs"]
mod fiber;

/// Without AddressSanitizer nobody asks where the stack is.
#[cfg(not(gort_asan))]
mod fiber {
    /// What is known of the other side of a switch.
    #[derive(Debug)]
    pub(crate) struct Fiber;

    /// What the resuming side keeps while it is away.
    #[derive(Debug)]
    pub(crate) struct Host;

    impl Fiber {
        pub(crate) const fn new() -> Self {
            Self
        }

        /// On the resuming side, before it goes to the stack `[limit, top)`.
        #[inline(always)]
        pub(crate) fn go(&self, _limit: usize, _top: usize) -> Host {
            Host
        }

        /// On the resuming side, when it is back.
        #[inline(always)]
        pub(crate) fn back(&self, _host: Host) {}

        /// On the resuming side, after `back`, from a call that may have been left by an unwind.
        #[inline(always)]
        pub(crate) fn unwinds() {}

        /// On the other side, when it gets there.
        #[inline(always)]
        pub(crate) fn arrive(&self) {}

        /// On the other side, before it leaves; `for_good`: it does not come again.
        #[inline(always)]
        pub(crate) fn leave(&self, _for_good: bool) {}
    }
}
