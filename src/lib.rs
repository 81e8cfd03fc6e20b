//! gort: Go's goroutine runtime for native programs.

#![cfg_attr(not(test), warn(clippy::print_stderr))]

mod base;
mod runq;
mod sched;
#[cfg(not(any(loom, shuttle)))]
mod switch;
