//! Goroutines that do to their threads what they please: block, declared or not, compute, lock
//! themselves, end locked, fork, panic in the midst of it, while threads of the program's come and go
//! and GOMAXPROCS changes. Nobody may be lost, no value, no thread that should have ended.
//!
//! `GORT_STRESS_SECONDS=600 cargo test --release --test chaos` runs it for ten minutes (default: a
//! few seconds). `GORT_STRESS_SEED=n` starts with that round. A seed fixes every script; the
//! interleaving of the threads it cannot fix.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a long run says")]

#[path = "support/mod.rs"]
mod support;

use gort::runtime::{self, lock_os_thread, unlock_os_thread};
use gort::sync::WaitGroup;
use gort::{Chan, blocking, blocking_long, chan, go, spawn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::Rng;

/// How many seconds nothing may happen before the run counts as hung.
const PATIENCE_S: u32 = 60;

/// Ticks whenever anything gets done; the watchdog looks at it.
static PROGRESS: AtomicU64 = AtomicU64::new(0);

/// What a round shares.
#[derive(Clone)]
struct World {
    all: WaitGroup,
    lane: Chan<u64>,
    sent: Arc<AtomicU64>,
    /// Held while its holder does all kinds of things.
    std_lock: Arc<Mutex<u64>>,
    /// Threads whose goroutines ended locked.
    ended: Arc<Mutex<Vec<Thread>>>,
}

/// A thread's number and when it started: numbers are given again.
type Thread = (i32, u64);

fn tid() -> i32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}

/// The thread that has this number now.
fn this_thread_as(tid: i32) -> Option<Thread> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
    let started = stat.rsplit(')').next()?.split_whitespace().nth(19)?;
    Some((tid, started.parse().ok()?))
}

fn sleep_in_kernel(us: u64) {
    let ts = libc::timespec { tv_sec: 0, tv_nsec: us as libc::c_long * 1000 };
    // SAFETY: sleeps; a signal that cuts it short does no harm.
    unsafe { libc::nanosleep(&raw const ts, std::ptr::null_mut()) };
}

fn compute(us: u64) {
    let end = Instant::now() + Duration::from_micros(us);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// One goroutine's life: some deeds, each of which may contain others.
fn live(world: &World, rng: &mut Rng, depth: usize) {
    for _ in 0..rng.below(8) {
        deed(world, rng, depth);
        PROGRESS.fetch_add(1, Ordering::Relaxed);
    }
}

fn deed(world: &World, rng: &mut Rng, depth: usize) {
    match rng.below(20) {
        0 | 1 => sleep_in_kernel(rng.below(1500) as u64),
        2 => compute(rng.below(3000) as u64),
        3 if rng.chance(4) => compute(12_000),
        4 => runtime::gosched(),
        5 => gort::time::sleep(Duration::from_micros(rng.below(400) as u64)),
        6 | 7 => send(world, rng),
        8 => blocking(|| sleep_in_kernel(rng.below(300) as u64)),
        9 => blocking_long(|| sleep_in_kernel(rng.below(300) as u64)),
        10 if depth > 0 => blocking(|| live(world, rng, depth - 1)),
        11 if depth > 0 => blocking_long(|| live(world, rng, depth - 1)),
        12 if depth > 0 => locked(world, rng, depth - 1),
        13 if depth > 0 => branch(world, rng, depth - 1),
        14 => hold_std_lock(world, rng),
        15 if depth > 0 => survive_a_panic(world, rng, depth - 1),
        16 if rng.chance(6) => assert!(std::fs::read("/proc/self/status").is_ok()),
        17 if rng.chance(30) => fork(),
        18 if rng.chance(30) => assert!(runtime::stack_dump().contains("goroutine ")),
        19 if rng.chance(8) => _ = runtime::gomaxprocs(1 + rng.below(5)),
        _ => std::hint::spin_loop(),
    }
}

fn send(world: &World, rng: &mut Rng) {
    let value = rng.below(1000) as u64;
    world.sent.fetch_add(value, Ordering::Relaxed);
    world.lane.send(value);
}

/// On one thread, whatever happens there; surplus unlocks do nothing.
fn locked(world: &World, rng: &mut Rng, depth: usize) {
    let times = 1 + rng.below(3);
    (0..times).for_each(|_| lock_os_thread());
    let home = tid();
    live(world, rng, depth);
    assert_eq!(tid(), home, "locked, and moved");
    (0..times).for_each(|_| unlock_os_thread());
}

fn branch(world: &World, rng: &mut Rng, depth: usize) {
    for _ in 0..rng.below(3) {
        let child = start(world, rng.next(), depth);
        if rng.chance(2) {
            // How it ended is its own affair.
            let _ = child.join();
        }
    }
}

/// Parks, blocks and computes with a lock of std's in hand; whoever wants it blocks its thread.
fn hold_std_lock(world: &World, rng: &mut Rng) {
    let mut guard = world.std_lock.lock().unwrap();
    *guard += 1;
    match rng.below(3) {
        0 => gort::time::sleep(Duration::from_micros(50)),
        1 => blocking(|| sleep_in_kernel(50)),
        _ => compute(20),
    }
}

/// A panic, from inside calls that are declared.
fn survive_a_panic(world: &World, rng: &mut Rng, depth: usize) {
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        blocking(|| {
            live(world, rng, depth);
            sleep_in_kernel(200);
            panic!("on purpose")
        })
    }));
    let text = end.map(|()| "").unwrap_or_else(|p| *p.downcast::<&str>().unwrap());
    assert_eq!(text, "on purpose");
}

/// A child that ends at once.
fn fork() {
    // SAFETY: the child ends by `_exit`; the parent waits for it.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(7);
        }
        let mut status = 0;
        blocking(|| while libc::waitpid(child, &raw mut status, 0) != child {});
        assert_eq!(libc::WEXITSTATUS(status), 7);
    }
}

/// Starts a life, which may end locked, by a panic or by goexit.
fn start(world: &World, seed: u64, depth: usize) -> gort::JoinHandle<()> {
    let world = world.clone();
    world.all.add(1);
    spawn(move || {
        let done = world.all.clone();
        gort::defer! { done.done() }
        let mut rng = Rng(seed);
        if rng.chance(5) {
            lock_os_thread();
        }
        live(&world, &mut rng, depth);
        if rng.chance(10) {
            lock_os_thread();
            world.ended.lock().unwrap().extend(this_thread_as(tid()));
        }
        match rng.below(20) {
            0 => panic!("on purpose"),
            1 => runtime::goexit(),
            _ => {}
        }
    })
}

/// Threads of the program's own: plain ones, and ones inside `run`.
fn outside(world: &World, mut rng: Rng) {
    for _ in 0..rng.below(6) {
        match rng.below(4) {
            0 => _ = start(world, rng.next(), 1).join(),
            1 => send(world, &mut rng),
            2 => blocking(|| sleep_in_kernel(50)),
            _ => {
                let own = tid();
                let (seed, stays) = (rng.next(), rng.chance(2));
                gort::run(|| {
                    assert_eq!(tid(), own, "main begins on its thread");
                    if stays {
                        lock_os_thread();
                    }
                    live(world, &mut Rng(seed), 1);
                    assert!(!stays || tid() == own);
                });
            }
        }
    }
}

fn round(seed: u64) {
    let mut rng = Rng(seed);
    let world = World {
        all: WaitGroup::new(),
        lane: chan(rng.below(4)),
        sent: Arc::default(),
        std_lock: Arc::default(),
        ended: Arc::default(),
    };
    let (lane, sum) = (world.lane.clone(), chan(0));
    let total = sum.clone();
    go(move || total.send(lane.iter().sum::<u64>()));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (world, rng) = (world.clone(), Rng(rng.next()));
            std::thread::spawn(move || outside(&world, rng))
        })
        .collect();
    for _ in 0..10 + rng.below(30) {
        drop(start(&world, rng.next(), 3));
    }
    for thread in threads {
        blocking_long(|| thread.join().expect("a thread of the test"));
    }
    world.all.wait();
    world.lane.close();
    assert_eq!(sum.recv(), Some(world.sent.load(Ordering::Relaxed)), "seed {seed}: values lost");
    let ended = std::mem::take(&mut *world.ended.lock().unwrap());
    for thread in ended {
        support::eventually(|| this_thread_as(thread.0) != Some(thread));
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Ends the process, loudly, when nothing happens for too long: in seconds in which it ran, so that one
/// that was stopped is not taken for hung.
fn watchdog(seed: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let (mut last, mut quiet) = (0, 0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = PROGRESS.load(Ordering::Relaxed);
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
            if quiet > PATIENCE_S {
                eprintln!(
                    "chaos: no progress; GORT_STRESS_SEED={} goroutines={} threads={} gomaxprocs={}",
                    seed.load(Ordering::Relaxed),
                    runtime::num_goroutine(),
                    runtime::num_threads(),
                    runtime::gomaxprocs(0)
                );
                std::process::abort();
            }
        }
    });
}

#[test]
fn threads_are_done_as_one_pleases() {
    let seconds = number("GORT_STRESS_SECONDS", 4);
    let first = number("GORT_STRESS_SEED", 1);
    let current = Arc::new(AtomicU64::new(first));
    watchdog(current.clone());
    std::panic::set_hook(Box::new(|info| {
        if !info.payload().is::<&str>() || info.to_string().contains("assert") {
            eprintln!("{info}");
        }
    }));
    let end = Instant::now() + Duration::from_secs(seconds);
    let rounds = gort::run(|| {
        let mut seed = first;
        while Instant::now() < end {
            current.store(seed, Ordering::Relaxed);
            round(seed);
            seed += 1;
        }
        seed - first
    });
    println!("chaos: {rounds} rounds from seed {first}, {} threads", runtime::num_threads());
    assert!(rounds > 0);
}
