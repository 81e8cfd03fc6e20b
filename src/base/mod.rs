//! Helpers that depend on nothing: the atomics facade, intrusive lists, a heap, a random number
//! generator and the two ways to die.
//!
//! Invariant: nothing here blocks, allocates behind the caller's back, or names libc.

pub(crate) mod atomic;
#[cfg(loom)]
pub(crate) mod ipi;
