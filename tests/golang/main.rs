//! What Go's own tests ask of goroutines, channels, wait groups and sleep, asked of this runtime:
//! each test names the behaviour, and the Go test that checks it where there is one. Written from
//! the behaviour, not from the code. Beside them stands what Rust programs expect of `spawn`,
//! `scope` and of values with destructors.
//!
//! Every test runs with 1, 2 and 4 Ps.

#[path = "../support/mod.rs"]
mod support;

mod chan;
mod chan_values;
mod clock;
mod context;
mod goexit;
mod handoff;
mod join;
mod run;
mod sched;
mod scope;
mod sleep;
mod stacks;
mod threads;
mod waitgroup;
