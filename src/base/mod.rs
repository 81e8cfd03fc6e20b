//! Helpers that depend on nothing: the atomics facade, intrusive lists, a heap, a random number
//! generator prefetching, and how to die.
//!
//! Invariant: nothing here blocks, allocates behind the caller's back, or names libc.

/// A constructor that is `const` except under the checkers, whose atomics have no const ones.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)+) => {
        #[cfg(not(any(loom, shuttle)))]
        $(#[$meta])*
        $vis const fn $($rest)+

        #[cfg(any(loom, shuttle))]
        $(#[$meta])*
        $vis fn $($rest)+
    };
}
pub(crate) use const_fn;

pub(crate) mod atomic;
#[cfg(any(loom, shuttle))]
pub(crate) mod check;
pub(crate) mod claim;
pub(crate) mod fatal;
pub(crate) mod heap;
pub(crate) mod hint;
pub(crate) mod hold;
#[cfg(loom)]
pub(crate) mod ipi;
pub(crate) mod oneshot;
pub(crate) mod rng;
#[cfg(any(loom, shuttle))]
pub(crate) mod stage;
pub(crate) mod wide;
pub(crate) mod width;

#[cfg(all(test, any(loom, shuttle)))]
mod model;
#[cfg(all(test, any(loom, shuttle)))]
mod model_wide;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
