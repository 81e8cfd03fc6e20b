//! Timers, and goroutines that sleep.

use super::Program::{self, Own, Timed};
use super::Row;
use gort::sync::WaitGroup;
use gort::time::sleep;
use gort::{Chan, chan, go, select};
use std::time::{Duration, Instant};

pub(crate) const ROWS: &[Row] = &[
    row("timer: new and stop", 500_000, Timed(timer)),
    row("select with time limit, ready later", 200_000, Timed(limits)),
    row("100,000 sleep for 10 ms", 1, Timed(sleepers)),
    row("1,000 sleep for 1 ms: median lateness", 20, Own(|n| lateness(n, 50))),
    row("1,000 sleep for 1 ms: 99th percentile", 20, Own(|n| lateness(n, 99))),
    row("CPU in a second, 10,000 parked and a timer", 1, Own(idle)),
];

const fn row(name: &'static str, n: u32, program: Program) -> Row {
    Row { name, n, program }
}

fn timer(n: u32) {
    for _ in 0..n {
        assert!(gort::time::Timer::new(Duration::from_secs(3600)).stop());
    }
}

fn limits(n: u32) {
    let (a, b) = (chan(0), chan(0));
    let (x, y): (Chan<u32>, Chan<u32>) = (a.clone(), b.clone());
    go(move || x.iter().for_each(|v| y.send(v)));
    for i in 0..n {
        a.send(i);
        select! { recv(b) => {}, default(Duration::from_secs(3600)) => unreachable!() }
    }
    a.close();
}

fn sleepers(_: u32) {
    let wg = WaitGroup::new();
    for _ in 0..100_000 {
        wg.go(|| sleep(Duration::from_millis(10)));
    }
    wg.wait();
}

/// How late a sleep of a millisecond ends, in ns: this percentile of 1,000 sleepers, `n` times.
fn lateness(n: u32, percentile: usize) -> f64 {
    const SLEEP: Duration = Duration::from_millis(1);
    let mut late = Vec::new();
    for _ in 0..n {
        let results = chan(1000);
        for _ in 0..1000 {
            let results = results.clone();
            go(move || {
                let start = Instant::now();
                sleep(SLEEP);
                results.send(start.elapsed() - SLEEP);
            });
        }
        late.extend(results.iter().take(1000));
        sleep(Duration::from_millis(5));
    }
    late.sort_unstable();
    late[late.len() * percentile / 100].as_nanos() as f64
}

/// CPU time of the process in a second in which 10,000 goroutines are parked and a timer runs, in ns.
fn idle(_: u32) -> f64 {
    let (never, release) = (chan::<()>(0), chan::<()>(0));
    for _ in 0..10_000 {
        let never = never.clone();
        go(move || never.recv());
    }
    go(move || select! { recv(release) => {}, default(Duration::from_secs(3600)) => {} });
    sleep(Duration::from_millis(300));
    let before = cpu_time();
    sleep(Duration::from_secs(1));
    (cpu_time() - before).as_nanos() as f64
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a place for the answer.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut now) };
    assert_eq!(code, 0, "the clock of the process");
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
