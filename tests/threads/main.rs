//! Goroutines and their OS threads: calls that block, goroutines that compute, goroutines that want a
//! thread for themselves.
//!
//! No test asserts a time. What must go on is what ends the test; the watchdog ends one in vain.
//! `cargo bench --bench blocking` has the figures.
#![cfg(target_os = "linux")]

mod declared;
mod locked;
#[path = "../support/mod.rs"]
mod support;
mod undeclared;

use std::time::Duration;

/// Blocks the OS thread in the kernel, without a word to anybody.
fn block_thread(d: Duration) {
    let ts = libc::timespec { tv_sec: 0, tv_nsec: d.as_nanos() as libc::c_long };
    // SAFETY: sleeps; a signal that cuts it short does no harm.
    unsafe { libc::nanosleep(&raw const ts, std::ptr::null_mut()) };
}

/// The kernel's id of the calling thread.
fn tid() -> i32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}
