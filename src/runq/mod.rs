//! Where runnable and dead goroutines wait: the P's ring, the global queue, the free lists.
//!
//! Everything here is generic over its element, holds it by pointer, and neither parks, switches
//! nor calls up: what does not fit somewhere is handed to the caller. A model checker can therefore
//! run the whole room (`model.rs`), with capacities small enough to reach every edge.

pub(crate) mod free;
pub(crate) mod global;
mod queue;
pub(crate) mod ring;

#[cfg(all(test, any(loom, shuttle)))]
mod model;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use self::{
    free::{FreeGlobal, FreeLocal},
    global::Global,
    ring::Ring,
};
