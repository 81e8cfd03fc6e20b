//! The one place that says `core::sync::atomic`, `loom` or `shuttle`.
//!
//! Every room that a model checker runs takes its atomics from here. Ordinary builds get the
//! standard types with no wrapper; `--cfg loom` and `--cfg shuttle` swap in the checkers' types.
//! loom treats `SeqCst` accesses as `AcqRel`, so a store-load pair (Dekker) is always written
//! with [`fence`]`(SeqCst)`, never with `SeqCst` accesses.

#[cfg(not(any(loom, shuttle)))]
mod real {
    #![allow(unused_imports)]
    pub(crate) use core::hint::spin_loop;
    pub(crate) use core::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        compiler_fence, fence,
    };
}

#[cfg(loom)]
mod real {
    #![allow(unused_imports)]
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };
    /// loom has no compiler-only fence; a full one is the closest it can express.
    pub(crate) fn compiler_fence(_: Ordering) {}
}

#[cfg(shuttle)]
mod real {
    #![allow(unused_imports)]
    pub(crate) use shuttle::hint::spin_loop;
    pub(crate) use shuttle::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };
    /// shuttle interleaves at atomic accesses; a compiler fence is not one.
    pub(crate) fn compiler_fence(_: Ordering) {}
}

pub(crate) use real::*;
