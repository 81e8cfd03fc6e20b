//! The goroutine side: the same small programs on gort. `benches/go` holds their twins in Go.
//!
//! Each function is one measurement, runs inside the main goroutine of a runtime that was started
//! for it, and times only its own loop. Programs check their results: a wrong sum is an error, not a
//! fast figure.

use std::time::{Duration, Instant};

use gort::runtime::{gomaxprocs, gosched};
use gort::sync::WaitGroup;
use gort::{Chan, chan, go, spawn};

use crate::memory;
use crate::reply::Reply;

/// How goroutine stacks are laid out in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ladder {
    /// gort's default: large reservations for the first goroutines, small ones for the crowd.
    Default,
    /// The dense rung alone: 256 KiB of address space for each.
    Dense,
}

/// Address space of one goroutine on the dense rung.
const DENSE: usize = 256 << 10;

/// Serves one request on a runtime with `procs` Ps; the first request of a process starts it.
pub(crate) fn measure(name: &str, n: u64, procs: usize, ladder: Ladder) -> Result<Reply, String> {
    match name {
        "raw-portable" => return Ok(Reply::new(n, gort::__bench::raw_switch_corosensei(n))),
        "raw-native" => return raw_native(n),
        _ => {}
    }
    config(procs, ladder).run(|| inside(name, n)).map_err(|e| format!("gort did not start: {e}"))?
}

/// The configuration of every gort figure. Goroutines share their threads' thread-locals, which is what
/// Go's and the other runtimes' do, unless the environment asks for another mode.
fn config(procs: usize, ladder: Ladder) -> gort::Config {
    let config = gort::Config::new().procs(procs);
    let config = match std::env::var("GORT_BENCH_THREAD_LOCALS").as_deref() {
        Ok("goroutine") => config.thread_locals(gort::ThreadLocals::PerGoroutine),
        Ok("pinned") => config.thread_locals(gort::ThreadLocals::Pinned),
        // SAFETY: the bench's goroutines keep nothing of a thread's across what may block.
        _ => unsafe { config.shared_thread_locals() },
    };
    match ladder {
        Ladder::Default => config,
        Ladder::Dense => config.stack_ladder(&[(usize::MAX, DENSE)]),
    }
}

fn inside(name: &str, n: u64) -> Result<Reply, String> {
    match name {
        "yield" => Ok(yields(n)),
        "pingpong" => Ok(pingpong(n)),
        "join" => join(n),
        "join-wg" => Ok(join_wg(n)),
        "join-chan" => join_chan(n),
        "batch" => Ok(batch(n)),
        "batches" => Ok(batches(n)),
        "sieve" => sieve(n),
        "skynet" => skynet(n),
        "park" => memory::park_goroutines(n),
        "alive" => memory::most_goroutines(n).map(|r| memory::bounded(r, n)),
        _ => Err(format!("no such measurement of goroutines: {name}")),
    }
}

fn raw_native(n: u64) -> Result<Reply, String> {
    gort::__bench::raw_switch_native(n)
        .map(|elapsed| Reply::new(n, elapsed))
        .ok_or_else(|| "no assembly for this CPU in arch/".to_owned())
}

/// `n` calls of gosched by two goroutines for each P, so that there is always another to run.
fn yields(n: u64) -> Reply {
    let yielders = 2 * gomaxprocs(0) as u64;
    let each = n / yielders;
    let wg = WaitGroup::new();
    let begin = Instant::now();
    for _ in 0..yielders {
        wg.add(1);
        let wg = wg.clone();
        go(move || {
            for _ in 0..each {
                gosched();
            }
            wg.done();
        });
    }
    wg.wait();
    Reply::new(each * yielders, begin.elapsed())
}

/// `n` round trips between main and an echoing goroutine over two unbuffered channels.
fn pingpong(n: u64) -> Reply {
    let (there, back) = (chan::<u64>(0), chan::<u64>(0));
    let (inbox, outbox) = (there.clone(), back.clone());
    go(move || {
        for v in &inbox {
            outbox.send(v);
        }
    });
    let begin = Instant::now();
    for i in 0..n {
        there.send(i);
        let _ = back.recv();
    }
    let elapsed = begin.elapsed();
    there.close();
    Reply::new(n, elapsed)
}

/// One goroutine after the other, each joined through its handle before the next is started.
fn join(n: u64) -> Result<Reply, String> {
    let begin = Instant::now();
    for i in 0..n {
        if spawn(move || i).join().ok() != Some(i) {
            return Err("a goroutine lost its result".to_owned());
        }
    }
    Ok(Reply::new(n, begin.elapsed()))
}

/// The same with Go's own means: `go` and a WaitGroup.
fn join_wg(n: u64) -> Reply {
    let wg = WaitGroup::new();
    let begin = Instant::now();
    for _ in 0..n {
        wg.add(1);
        let done = wg.clone();
        go(move || done.done());
        wg.wait();
    }
    Reply::new(n, begin.elapsed())
}

/// The same with a fresh channel of capacity one that brings the result.
fn join_chan(n: u64) -> Result<Reply, String> {
    let begin = Instant::now();
    for i in 0..n {
        let result = chan::<u64>(1);
        let out = result.clone();
        go(move || out.send(i));
        if result.recv() != Some(i) {
            return Err("a goroutine lost its result".to_owned());
        }
    }
    Ok(Reply::new(n, begin.elapsed()))
}

/// Starts `n` goroutines, then waits for all of them through one WaitGroup.
fn batch(n: u64) -> Reply {
    let wg = WaitGroup::new();
    let begin = Instant::now();
    wg.add(isize::try_from(n).unwrap_or(isize::MAX));
    for _ in 0..n {
        let done = wg.clone();
        go(move || done.done());
    }
    wg.wait();
    Reply::new(n, begin.elapsed())
}

/// `n` goroutines in batches of a thousand, all but the first on used stacks: for callgrind.
fn batches(n: u64) -> Reply {
    const SIZE: u64 = 1000;
    let begin = Instant::now();
    (0..n / SIZE).for_each(|_| drop(batch(SIZE)));
    Reply::new(n / SIZE * SIZE, begin.elapsed())
}

/// The prime sieve of Go's book, made to end: counts the primes below `limit` through a chain of
/// filters, one goroutine and one unbuffered channel for each prime.
fn sieve(limit: u64) -> Result<Reply, String> {
    let begin = Instant::now();
    let mut source = chan::<u64>(0);
    let numbers = source.clone();
    go(move || {
        (2..limit).for_each(|i| numbers.send(i));
        numbers.close();
    });
    let mut primes = 0_u64;
    while let Some(prime) = source.recv() {
        primes += 1;
        let (input, output) = (source, chan::<u64>(0));
        source = output.clone();
        go(move || {
            input.iter().filter(|v| v % prime != 0).for_each(|v| output.send(v));
            output.close();
        });
    }
    let elapsed = begin.elapsed();
    if primes != primes_below(limit) {
        return Err(format!("the sieve found {primes} primes below {limit}"));
    }
    Ok(Reply::new(1, elapsed))
}

/// How many primes there are below `limit`, by division.
fn primes_below(limit: u64) -> u64 {
    let prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..limit).filter(prime).count() as u64
}

/// A tree of goroutines with ten children each, down to `leaves` leaves; sums their numbers.
fn skynet(leaves: u64) -> Result<Reply, String> {
    let result = chan::<u64>(0);
    let out = result.clone();
    let begin = Instant::now();
    go(move || skynet_node(&out, 0, leaves));
    let sum = result.recv();
    let elapsed: Duration = begin.elapsed();
    if sum != Some(leaves * (leaves - 1) / 2) {
        return Err(format!("skynet of {leaves} leaves summed to {sum:?}"));
    }
    Ok(Reply::new(1, elapsed))
}

fn skynet_node(out: &Chan<u64>, first: u64, leaves: u64) {
    if leaves == 1 {
        out.send(first);
        return;
    }
    let sums = chan::<u64>(0);
    for i in 0..10 {
        let out = sums.clone();
        go(move || skynet_node(&out, first + i * (leaves / 10), leaves / 10));
    }
    out.send((0..10).filter_map(|_| sums.recv()).sum());
}
