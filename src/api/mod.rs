//! What users type.

mod blocking;
mod config;
mod go;
mod join;
pub mod runtime;
mod scope;
pub(crate) mod stack;

pub use blocking::{blocking, blocking_long};
pub use config::{Config, OnOverflow, OnPanic, StartError, ThreadLocals, run};
pub use go::go;
pub use join::{Builder, JoinHandle, spawn};
pub use scope::{Scope, ScopedJoinHandle, scope};
