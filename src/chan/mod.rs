//! Channels: Go's, on a core that decides and a shell that parks.
//!
//! `core.rs` holds the state and its rules and never blocks; `chan.rs` is the type users hold, and
//! performs what the core decides: goes on, makes a waiter ready, or parks.

#[allow(clippy::module_inception)]
mod chan;
mod core;
mod error;

pub use chan::{Chan, IntoIter, Iter, chan};
pub use error::{TryRecvError, TrySendError};
