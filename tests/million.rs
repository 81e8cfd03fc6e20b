//! A million goroutines parked at once, with the machine's default limits, and what each costs.
//!
//! The figures are memory, not time: resident pages and page tables, read from /proc, before and
//! after. Each ladder has a process of its own, because the first `run` fixes it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a child or a long run says")]

use gort::sync::WaitGroup;
use std::process::Command;

/// Goroutines: a million in release builds; debug builds check the mechanism with fewer.
const COUNT: usize = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
/// Says to a child process which ladder to measure.
const LADDER: &str = "GORT_TEST_LADDER";

/// Resident and page-table bytes of this process.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let kib = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).expect("a line of /proc");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number")
    };
    (kib("VmRSS:") + kib("VmPTE:")) * 1024
}

/// Parks them all on one channel, wakes and ends them all; prints bytes for each while parked.
fn park(count: usize, first: fn()) {
    let gate = gort::chan::<()>(0);
    let (arrived, gone) = (WaitGroup::new(), WaitGroup::new());
    let before = memory();
    arrived.add(count as isize);
    for _ in 0..count {
        let (gate, arrived) = (gate.clone(), arrived.clone());
        gone.go(move || {
            first();
            arrived.done();
            assert_eq!(gate.recv(), None);
        });
    }
    arrived.wait();
    // Every one of them is counted, and on its way into the receive; let the last ones park.
    gort::runtime::gosched();
    assert_eq!(gort::runtime::num_goroutine(), count + 1);
    println!("bytes={}", (memory() - before) / count as u64);
    gate.close();
    gone.wait();
    while gort::runtime::num_goroutine() > 1 {
        gort::runtime::gosched();
    }
}

/// Allocates and frees blocks of many sizes, some of them while others live.
fn allocate() {
    let mut seed = gort::runtime::goid();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..300 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        kept.push(Vec::with_capacity(8 + (seed >> 33) as usize % 1000));
        if kept.len() > 8 {
            kept.swap_remove((seed >> 20) as usize % 8);
        }
    }
}

fn child() -> Option<()> {
    let ladder = std::env::var(LADDER).ok()?;
    let (ladder, locals) = ladder.split_once(' ').expect("two words");
    let config = match ladder {
        "dense" => gort::Config::new().stack_ladder(&[(usize::MAX, 256 << 10)]),
        _ => gort::Config::new(),
    };
    let config = match locals {
        "own" | "mallocs" => config.thread_locals(gort::ThreadLocals::PerGoroutine),
        // SAFETY: these goroutines use no thread-locals of their own.
        _ => unsafe { config.shared_thread_locals() },
    };
    if locals == "mallocs" {
        config.run(|| park(100_000, allocate)).expect("the runtime starts");
    } else {
        config.run(|| park(COUNT, || ())).expect("the runtime starts");
    }
    Some(())
}

fn measure(ladder: &str, test: &str) -> u64 {
    let me = std::env::current_exe().expect("a test binary has a path");
    let out = Command::new(me)
        .args(["--exact", test, "--nocapture"])
        .env(LADDER, ladder)
        .output()
        .expect("the test binary runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    let bytes = text.lines().find_map(|l| l.split("bytes=").nth(1)).expect("the child's figure");
    println!("{ladder} ladder, {COUNT} goroutines: {bytes} bytes each");
    bytes.trim().parse().expect("a number")
}

#[test]
fn the_default_ladder_costs_at_most_5_3_kb_each() {
    if child().is_some() {
        return;
    }
    let bytes = measure("default shared", "the_default_ladder_costs_at_most_5_3_kb_each");
    // Unoptimized frames and the detector of `sched/detect.rs` need two pages more, and a small crowd sits
    // on the large rungs, whose page tables cost more.
    let most = if cfg!(debug_assertions) { 21_600 } else { 5_300 };
    assert!(bytes <= most, "{bytes} bytes each");
}

#[test]
fn the_dense_rung_costs_at_most_4_8_kb_each() {
    if child().is_some() {
        return;
    }
    let bytes = measure("dense shared", "the_dense_rung_costs_at_most_4_8_kb_each");
    // Unoptimized frames and the detector need two pages more.
    let most = if cfg!(debug_assertions) { 13_600 } else { 4_800 };
    assert!(bytes <= most, "{bytes} bytes each");
}

/// Thread-locals of their own take another page, and a table of the modules.
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
mod own {
    use super::{child, measure};

    #[test]
    fn with_thread_locals_the_default_ladder_costs_at_most_9_8_kb_each() {
        if child().is_some() {
            return;
        }
        let name = "own::with_thread_locals_the_default_ladder_costs_at_most_9_8_kb_each";
        let bytes = measure("default own", name);
        let most = if cfg!(debug_assertions) { 22_000 } else { 9_800 };
        assert!(bytes <= most, "{bytes} bytes each");
    }

    #[test]
    fn caches_of_the_allocator_are_the_threads() {
        if child().is_some() {
            return;
        }
        let bytes = measure("dense mallocs", "own::caches_of_the_allocator_are_the_threads");
        let most = if cfg!(debug_assertions) { 14_000 } else { 10_000 };
        assert!(bytes <= most, "{bytes} bytes each");
    }

    #[test]
    fn with_thread_locals_the_dense_rung_costs_at_most_9_1_kb_each() {
        if child().is_some() {
            return;
        }
        let name = "own::with_thread_locals_the_dense_rung_costs_at_most_9_1_kb_each";
        let bytes = measure("dense own", name);
        let most = if cfg!(debug_assertions) { 14_000 } else { 9_100 };
        assert!(bytes <= most, "{bytes} bytes each");
    }
}
