//! Goroutines and panics: deferred calls, recover, goexit, the hook, the report, stack overflow.
//!
//! A panic in a goroutine is silent until it is known to leave it: the hook records place and stack
//! (`known.rs`); a deferred call may recover it (`defer.rs`); whoever catches it at the goroutine's
//! entry (`entry.rs`) either passes it on (`JoinHandle`) or prints Go's report (`report.rs`). A main
//! goroutine's panic comes out of `run`; off goroutines the hook that was there before runs, except
//! inside `func`.

mod block;
mod defer;
mod dump;
mod entry;
mod frames;
mod goexit;
mod guard;
mod held;
mod hook;
mod known;
mod level;
mod overflow;
mod pending;
mod region;
mod report;
mod start;
mod unwind;
mod value;

pub use crate::sched::goexit::Goexit;
pub use defer::{Deferred, Frame, func};
pub(crate) use dump::stack_dump;
pub(crate) use entry::{
    End, catch, drop_quietly, end_by_report, go, main_ends, outlive, refuse,
    start as start_goroutine,
};
pub(crate) use goexit::goexit;
pub use guard::Defer;
pub(crate) use overflow::overflow_at_call;
pub(crate) use start::{ensure_started, start_runtime};
pub use value::Panic;
