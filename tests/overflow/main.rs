//! The end of a stack, in every shape: it is a panic, all destructors run, and life goes on.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::print_stderr, reason = "what a child process says")]

mod ends;
mod fuzz;
mod life;
mod outside;
mod shapes;
mod table;
mod tally;
