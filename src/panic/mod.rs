//! Goroutines and panics: the hook, the report of an unrecovered panic, goexit, stack overflow.
//!
//! A panic in a goroutine is silent until it is known to leave it: the hook records message, place
//! and backtrace in the goroutine; whoever catches the panic at the goroutine's entry either passes
//! it on (`JoinHandle`) or prints Go's report. Off goroutines, and in a main goroutine (whose panic
//! comes out of `run`), the hook that was there before runs.

mod entry;
mod goexit;
mod hook;
mod overflow;
mod start;

pub(crate) use entry::{end, end_by_report, go, refuse, start as start_goroutine};
pub use goexit::Goexit;
pub(crate) use goexit::{goexit, is_goexit};
pub(crate) use start::{ensure_started, start_runtime};
