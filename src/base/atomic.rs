//! The one place that says `core::sync::atomic`, `loom` or `shuttle`.
//!
//! Every room that a model checker runs takes its atomics, its spin hint and its yield from here.
//! Ordinary builds get the standard types with no wrapper; `--cfg loom` and `--cfg shuttle` swap in
//! the checkers' types. loom treats `SeqCst` accesses as `AcqRel`, so a store-load pair (Dekker) is
//! always written with [`fence`]`(SeqCst)`, never with `SeqCst` accesses.
//!
//! `compiler_fence` marks the owner's half of an asymmetric barrier (`membarrier` on the other
//! side). Under loom it is a place where the other side's interrupt may land: see `base/ipi.rs`.
//!
//! `AtomicU64` is for `wide.rs` alone: 32-bit targets do without it.

#[cfg(not(any(loom, shuttle)))]
mod real {
    #![allow(unused_imports)]
    pub(crate) use core::hint::spin_loop;
    #[cfg(target_pointer_width = "64")]
    pub(crate) use core::sync::atomic::AtomicU64;
    pub(crate) use core::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering,
        compiler_fence, fence,
    };
    pub(crate) use std::thread::yield_now;
}

#[cfg(loom)]
mod real {
    #![allow(unused_imports)]
    use crate::base::ipi;
    #[cfg(target_pointer_width = "64")]
    pub(crate) use loom::sync::atomic::AtomicU64;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence,
    };

    /// Orders nothing by itself, as in the real thing; an interrupt may land here.
    pub(crate) fn compiler_fence(_: Ordering) {
        ipi::poll();
    }

    /// A waiting thread takes interrupts too.
    pub(crate) fn spin_loop() {
        ipi::poll();
        loom::hint::spin_loop();
    }

    /// As [`spin_loop`]: loom has one notion of "let somebody else run".
    pub(crate) fn yield_now() {
        ipi::poll();
        loom::thread::yield_now();
    }
}

#[cfg(shuttle)]
mod real {
    #![allow(unused_imports)]
    pub(crate) use shuttle::hint::spin_loop;
    #[cfg(target_pointer_width = "64")]
    pub(crate) use shuttle::sync::atomic::AtomicU64;
    pub(crate) use shuttle::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence,
    };
    pub(crate) use shuttle::thread::yield_now;
    /// shuttle's memory is sequentially consistent: a fence of any kind is not a step of its own.
    pub(crate) fn compiler_fence(_: Ordering) {}
}

pub(crate) use real::*;
