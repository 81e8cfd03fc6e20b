//! A crowd whose members each came a megabyte down and parked: how much of it stays resident, and
//! when it is back.
//!
//! All of them at once would need a hundred gigabytes, so they come down in waves; each wave begins
//! when the memory of the one before is back.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Members that are deep at the same time, for each gigabyte of memory that is free.
const PER_GIB: usize = 500;
/// A wave is over when no more than this share of the never-deep figure is resident beyond it.
const BACK: f64 = 1.3;

pub(crate) fn report(quick: bool) {
    let count = if quick { 5_000 } else { 100_000 };
    let me = std::env::current_exe().expect("a bench has a path");
    let out = Command::new(me).args(["serve", "crowd-deep", &count.to_string()]).output();
    let out = out.expect("it runs");
    print!("{}", String::from_utf8_lossy(&out.stdout));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

pub(crate) fn serve(name: &str, count: usize) -> ExitCode {
    if name != "deep" {
        return ExitCode::from(2);
    }
    gort::run(|| deep_crowd(count));
    ExitCode::SUCCESS
}

/// Bytes that a file of the kernel's tells in kB.
fn kernel_says(file: &str, what: &str) -> usize {
    let info = std::fs::read_to_string(file).expect("/proc is mounted");
    let line = info.lines().find(|l| l.starts_with(what)).expect("a line");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok()).expect("a number") * 1024
}

fn resident() -> usize {
    kernel_says("/proc/self/status", "VmRSS:")
}

fn page_tables() -> usize {
    kernel_says("/proc/self/status", "VmPTE:")
}

fn free() -> usize {
    kernel_says("/proc/meminfo", "MemAvailable:")
}

#[inline(never)]
fn down(bytes: usize) {
    let frame = black_box([bytes; 500]);
    if bytes > 4096 {
        down(bytes - 4096);
    }
    black_box(&frame);
}

fn deep_crowd(count: usize) {
    let go = gort::chan::<()>(0);
    let done = gort::sync::WaitGroup::new();
    done.add(count as isize);
    for _ in 0..count {
        let (go, done) = (go.clone(), done.clone());
        gort::go(move || {
            done.done();
            while go.recv().is_some() {
                down(1 << 20);
                done.done();
            }
        });
    }
    // Who has not begun has no stack.
    done.wait();
    gort::time::sleep(Duration::from_millis(500));
    let (never, tables) = (resident(), page_tables());
    let wave = ((free() >> 30) * PER_GIB).clamp(500, 6000).min(count);
    let (mut most, mut longest, mut left) = (0, Duration::ZERO, count);
    while left > 0 {
        let n = wave.min(left);
        left -= n;
        done.add(n as isize);
        (0..n).for_each(|_| go.send(()));
        done.wait();
        let start = Instant::now();
        most = most.max(resident());
        while resident() as f64 > never as f64 * BACK {
            gort::time::sleep(Duration::from_millis(10));
        }
        longest = longest.max(start.elapsed());
    }
    gort::time::sleep(Duration::from_secs(3));
    let after = resident();
    println!("{count} goroutines, each 1 MiB deep once, in waves of {wave}");
    println!("  resident: never deep {} MiB, at most {} MiB", never >> 20, most >> 20);
    println!(
        "  after each wave below {BACK} times the first within {:.1} s; in the end {:.2} times",
        longest.as_secs_f64(),
        after as f64 / never as f64
    );
    println!("  page tables: {} MiB, then {} MiB", tables >> 20, page_tables() >> 20);
    println!("  given back: {} MiB", gort::stack::released() >> 20);
}
