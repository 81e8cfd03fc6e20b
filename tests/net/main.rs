//! `gort::net` and `gort::io`: what Go's tests of its net package ask (`net_test.go`,
//! `timeout_test.go`), and what networks do to programs; with 1, 2 and 4 Ps.

#[path = "../support/mod.rs"]
mod support;

mod close;
mod deadline;
mod io;
mod limits;
mod rough;
mod tcp;
mod udp;
mod unix;
