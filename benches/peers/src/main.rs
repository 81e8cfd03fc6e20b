//! The programs of `cargo bench --bench channels` in other libraries. `SIDE PROCS NAME N` prints what
//! one measurement gives: ns for each operation, or what the program measures itself.
//!
//! Where a library lacks something the nearest thing stands in: tokio and may have no rendezvous (tokio:
//! a buffer of one; may: its channels are unbounded), tokio's channel has one receiver (several:
//! async-channel's), may has no selection of channels at all but the one coroutine for each arm of its
//! macro. What cannot be said in a library has no program there.

mod may_side;
mod threads;
mod tokio_side;

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A program is timed, or measures something itself.
enum Program {
    Timed(fn(u32)),
    Own(fn(u32) -> f64),
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [side, procs, name, n] = &args[..] else { return ExitCode::from(2) };
    let (Ok(procs), Ok(n)) = (procs.parse(), n.parse()) else { return ExitCode::from(2) };
    let figure = match side.as_str() {
        "tokio" => tokio_side::measure(procs, name, n),
        "may" => may_side::measure(procs, name, n),
        "threads" => threads::measure(procs, name, n),
        _ => None,
    };
    match figure {
        Some(ns) => println!("{ns}"),
        None => return ExitCode::from(3),
    }
    ExitCode::SUCCESS
}

impl Program {
    /// ns for each of `n` operations, once warm; or whatever it measures.
    fn measure(self, n: u32) -> f64 {
        match self {
            Self::Own(measure) => measure(n),
            Self::Timed(run) => {
                run(n / 10 + 1);
                let start = Instant::now();
                run(n);
                start.elapsed().as_nanos() as f64 / f64::from(n)
            }
        }
    }
}

/// The percentile of what was measured, in ns.
fn percentile(mut late: Vec<Duration>, percentile: usize) -> f64 {
    late.sort_unstable();
    late[late.len() * percentile / 100].as_nanos() as f64
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a place for the answer.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut now) };
    assert_eq!(code, 0, "the clock of the process");
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
