//! What users type.

mod alloc;
mod blocking;
mod config;
mod go;
#[cfg(all(gort_own_tls, not(target_feature = "crt-static")))]
mod interpose;
mod join;
pub mod runtime;
mod scope;
pub(crate) mod stack;

pub use alloc::Alloc;
pub use blocking::{blocking, blocking_long};
pub use config::{Config, OnOverflow, OnPanic, StartError, run};
pub use go::go;
pub use join::{Builder, JoinHandle, spawn};
pub use scope::{Scope, ScopedJoinHandle, scope};
