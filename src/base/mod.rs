//! Helpers that depend on nothing: the atomics facade, intrusive lists, a heap, a random number
//! generator prefetching, and how to die.
//!
//! Invariant: nothing here blocks, allocates behind the caller's back, or names libc.

pub(crate) mod atomic;
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) mod check;
pub(crate) mod claim;
pub(crate) mod fatal;
pub(crate) mod heap;
pub(crate) mod hint;
#[cfg(loom)]
pub(crate) mod ipi;
pub(crate) mod oneshot;
pub(crate) mod rng;
pub(crate) mod wide;
pub(crate) mod width;

#[cfg(all(test, any(loom, shuttle)))]
mod model;
#[cfg(all(test, any(loom, shuttle)))]
mod model_wide;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
