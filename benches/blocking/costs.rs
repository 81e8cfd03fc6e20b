//! What single things cost: a declared call, a hand-off, a hop to a locked goroutine, a burst, idleness.

use crate::{Times, block_thread, cpu, ms};
use gort::runtime::{gomaxprocs, lock_os_thread, num_idle_threads, num_threads, unlock_os_thread};
use gort::sync::WaitGroup;
use gort::{Chan, blocking, blocking_long, chan};
use std::hint::black_box;
use std::os::unix::process::parent_id;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Longer than any block goes unnoticed.
const LONG: Duration = Duration::from_millis(5);

pub(crate) fn report(rounds: usize) {
    gomaxprocs(1);
    println!("\ncalls, ns each");
    let plain = each(rounds, 200_000, || _ = black_box(parent_id()));
    let with = each(rounds, 200_000, || _ = black_box(blocking(parent_id)));
    println!("  getppid {plain:.1}, in blocking {with:.1}");
    println!("  blocking, empty {:.1}", each(rounds, 2_000_000, || blocking(|| _ = black_box(0))));
    println!("  blocking_long, empty {:.1}", each(rounds, 50_000, || blocking_long(|| ())));

    println!("\none P: from the start of a block until the next goroutine runs, us: median, p99");
    notice("undeclared", rounds, || block_thread(LONG));
    notice("blocking", rounds, || blocking(|| block_thread(LONG)));
    notice("blocking_long", rounds, || blocking_long(|| block_thread(LONG)));

    println!("\nround trips over two unbuffered channels, ns");
    for procs in [1, 2] {
        gomaxprocs(procs);
        let of = |a, b| each_trip(rounds, 5_000, a, b);
        let (free, one, both) = (of(false, false), of(true, false), of(true, true));
        println!("  P={procs}: nobody locked {free:.0}, one side {one:.0}, both {both:.0}");
    }
    println!("\nCPU time used in a second, us");
    idle("everyone parked", || gort::time::sleep(Duration::from_secs(1)));
    idle("main blocked in the kernel", || std::thread::sleep(Duration::from_secs(1)));
    println!("\nbursts, each goroutine in blocking until all are there");
    for n in [100, 1000, 5000, 5000] {
        burst(n);
    }
}

/// The best of some rounds of `n` calls.
fn each(rounds: usize, n: u32, f: impl Fn()) -> f64 {
    let once = |_| {
        let start = Instant::now();
        (0..n).for_each(|_| f());
        start.elapsed().as_nanos() as f64 / f64::from(n)
    };
    (0..rounds).map(once).fold(f64::MAX, f64::min)
}

fn notice(name: &str, rounds: usize, block: fn()) {
    let mut times = Times::default();
    for _ in 0..rounds * 20 {
        let blocker = gort::spawn(move || {
            let start = Instant::now();
            let next = gort::spawn(move || start.elapsed());
            block();
            next.join().expect("it only looks at the clock")
        });
        times.0.push(blocker.join().expect("it only blocks"));
        // Let the monitor come to rest: a hand-off makes it attentive.
        gort::time::sleep(Duration::from_millis(12));
    }
    println!("  {name:14} {:8.0} {:8.0}", ms(times.at(500)) * 1e3, ms(times.at(990)) * 1e3);
}

/// A round trip between two goroutines, each perhaps locked to its thread.
fn each_trip(rounds: usize, n: u32, first: bool, second: bool) -> f64 {
    let pair = move || {
        let (ping, pong) = (chan(0), chan(0));
        let (from, to): (Chan<u32>, Chan<u32>) = (ping.clone(), pong.clone());
        let lock = |locked: bool| locked.then(lock_os_thread);
        let echo = gort::spawn(move || {
            lock(second);
            from.iter().for_each(|v| to.send(v));
            second.then(unlock_os_thread);
        });
        lock(first);
        let start = Instant::now();
        for i in 0..n {
            ping.send(i);
            assert_eq!(pong.recv(), Some(i));
        }
        let took = start.elapsed();
        first.then(unlock_os_thread);
        ping.close();
        echo.join().expect("it only echoes");
        took.as_nanos() as f64 / f64::from(n)
    };
    let once = |_| gort::spawn(pair).join().expect("it only talks");
    (0..rounds).map(once).fold(f64::MAX, f64::min)
}

fn burst(n: usize) {
    let (all, wg, start) = (Arc::new(Barrier::new(n)), WaitGroup::new(), Instant::now());
    for _ in 0..n {
        let all = all.clone();
        wg.go(move || _ = blocking(|| all.wait()));
    }
    wg.wait();
    let (threads, idle) = (num_threads(), num_idle_threads());
    println!(
        "  {n:5}: {:7.1} ms, then {threads} threads, {idle} of them parked",
        ms(start.elapsed())
    );
}

fn idle(name: &str, rest: impl Fn()) {
    rest();
    let before = cpu();
    rest();
    println!("  {name:28} {:8.0}", ms(cpu() - before) * 1e3);
}
