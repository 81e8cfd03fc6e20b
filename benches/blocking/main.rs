//! What goroutines cost each other that block their threads, compute, or want a thread for themselves.
//!
//!     cargo bench --bench blocking            # about 20 s
//!     cargo bench --bench blocking -- --quick # a few seconds, to see that it runs
//!
//! First the gaps of a ticker that sleeps a millisecond while others hold its processor; then what a
//! declared call costs, how soon an undeclared one is noticed, what a hop to a locked goroutine
//! costs; then a burst, and what an idle process uses.
#![allow(clippy::print_stdout)]

mod costs;
mod gaps;

use std::time::Duration;

/// Times measured, in any order until asked.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    /// The time that so many in a thousand do not exceed.
    fn at(&mut self, per_mille: usize) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * per_mille / 1000).copied().unwrap_or_default()
    }
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

/// Blocks the OS thread in the kernel, without a word to anybody.
fn block_thread(d: Duration) {
    let ts = libc::timespec { tv_sec: 0, tv_nsec: d.as_nanos() as libc::c_long };
    // SAFETY: sleeps; a signal that cuts it short does no harm.
    unsafe { libc::nanosleep(&raw const ts, std::ptr::null_mut()) };
}

/// Computes for so long.
fn compute(d: Duration) {
    let end = std::time::Instant::now() + d;
    while std::time::Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// CPU time of the whole process, of all its threads.
fn cpu() -> Duration {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is valid, and the clock exists.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut ts) };
    Duration::new(ts.tv_sec as u64, ts.tv_nsec as u32)
}

/// CPU time of the monitor, in ns.
fn monitor() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let of = |name: &str, field: usize| {
        tasks.filter_map(Result::ok).find_map(|t| {
            let comm = std::fs::read_to_string(t.path().join("comm")).ok()?;
            (comm.trim() == name).then_some(())?;
            let stat = std::fs::read_to_string(t.path().join("schedstat")).ok()?;
            stat.split_whitespace().nth(field)?.parse().ok()
        })
    };
    Duration::from_nanos(of("gort-sysmon", 0).unwrap_or_default())
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    gort::run(|| {
        gaps::report(if quick { 1 } else { 8 });
        costs::report(if quick { 1 } else { 5 });
    });
}
