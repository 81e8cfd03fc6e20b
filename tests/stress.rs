//! A week of scheduling in miniature: goroutines that spawn, yield, park, wake, sleep, exit, panic,
//! hog, block and recurse at random, hammered by OS threads, while GOMAXPROCS changes under them.
//! Nothing may be lost, nothing may hang.
//!
//! `GORT_STRESS_SECONDS=600 cargo test --release --test stress` runs it for ten minutes (default: a
//! few seconds). Every round prints its seed when it fails; `GORT_STRESS_SEED=n` starts with that
//! round. A seed fixes every script; the interleaving of the threads it cannot fix.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a child or a long run says")]

use gort::sync::WaitGroup;
use gort::{Chan, JoinHandle, chan, go, runtime, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long nothing may happen before the run counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// splitmix64 (Steele, Lea, Flood 2014): every value of the seed gives a good stream.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// What a round counts: everything begun must end, everything sent must be received.
#[derive(Default)]
struct Book {
    begun: AtomicU64,
    ended: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    sum_sent: AtomicU64,
    sum_received: AtomicU64,
}

/// Counts its end, whichever way the goroutine ends: return, panic or goexit.
struct Entry(Arc<Book>);

impl Entry {
    fn new(book: &Arc<Book>) -> Self {
        book.begun.fetch_add(1, Ordering::Relaxed);
        Self(book.clone())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        PROGRESS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ticks whenever anything gets done; the watchdog looks at it.
static PROGRESS: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
struct World {
    book: Arc<Book>,
    lanes: Arc<[Chan<u64>]>,
    all: WaitGroup,
}

impl World {
    fn send(&self, lane: u64, value: u64) {
        self.book.sent.fetch_add(1, Ordering::Relaxed);
        self.book.sum_sent.fetch_add(value, Ordering::Relaxed);
        self.lanes[lane as usize % self.lanes.len()].send(value);
    }
}

/// One goroutine's life.
fn live(world: &World, _entry: Entry, seed: u64, depth: u32) {
    let mut rng = Rng(seed);
    for _ in 0..rng.below(12) {
        match rng.below(16) {
            0..=2 => runtime::gosched(),
            3..=5 => world.send(rng.next(), rng.below(1000)),
            6 | 7 if depth > 0 => branch(world, &mut rng, depth),
            8 => gort::time::sleep(Duration::from_micros(rng.below(300))),
            9 => assert_eq!(recurse(rng.below(2000)), 0),
            10 => hog(Duration::from_micros(rng.below(2000))),
            11 => std::thread::sleep(Duration::from_micros(rng.below(500))),
            12 => try_lanes(world, &mut rng),
            13 => borrow_in_scope(&mut rng),
            _ => std::hint::spin_loop(),
        }
    }
    match rng.below(40) {
        0 => runtime::goexit(),
        1 => panic!("on purpose"),
        _ => {}
    }
}

/// Starts a life; it is begun from here on, though it may not run for a while.
fn start(world: &World, seed: u64, depth: u32) -> JoinHandle<()> {
    let (world, entry) = (world.clone(), Entry::new(&world.book));
    spawn(move || live(&world, entry, seed, depth))
}

fn branch(world: &World, rng: &mut Rng, depth: u32) {
    let joined: Vec<_> = (0..rng.below(4)).map(|_| start(world, rng.next(), depth - 1)).collect();
    let keep = rng.below(2) == 0;
    for handle in joined {
        if keep {
            // A panic or a goexit of the child is its own affair.
            let _ = handle.join();
        } else {
            // Detached; the round waits for it by its books.
            drop(handle);
        }
    }
}

fn recurse(n: u64) -> u64 {
    let pad = [n; 16];
    if n == 0 { 0 } else { std::hint::black_box(recurse(n - 1)) + pad[7] - n }
}

fn hog(d: Duration) {
    let end = Instant::now() + d;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn try_lanes(world: &World, rng: &mut Rng) {
    let lane = &world.lanes[rng.below(world.lanes.len() as u64) as usize];
    let value = rng.below(1000);
    if lane.try_send(value).is_ok() {
        world.book.sent.fetch_add(1, Ordering::Relaxed);
        world.book.sum_sent.fetch_add(value, Ordering::Relaxed);
    }
}

fn borrow_in_scope(rng: &mut Rng) {
    let mut parts = [0u64; 3];
    gort::scope(|s| {
        for part in &mut parts {
            let n = rng.below(100);
            s.go(move || {
                runtime::gosched();
                *part = n + 1;
            });
        }
    });
    assert!(parts.iter().all(|p| *p > 0));
}

/// Receives from one lane until it is closed.
fn drain(world: &World, lane: usize) {
    for value in &world.lanes[lane] {
        world.book.received.fetch_add(1, Ordering::Relaxed);
        world.book.sum_received.fetch_add(value, Ordering::Relaxed);
        PROGRESS.fetch_add(1, Ordering::Relaxed);
    }
}

/// One round: many lives at once, from goroutines and threads.
fn round(seed: u64) {
    let mut rng = Rng(seed);
    let lanes: Vec<_> = (0..4).map(|_| chan(rng.below(4) as usize)).collect();
    let world = World { book: Arc::default(), lanes: lanes.into(), all: WaitGroup::new() };
    let drains = WaitGroup::new();
    for lane in 0..world.lanes.len() {
        let here = world.clone();
        drains.go(move || drain(&here, lane));
    }
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (world, seed) = (world.clone(), rng.next());
            std::thread::spawn(move || on_a_thread(&world, seed))
        })
        .collect();
    for _ in 0..20 + rng.below(60) {
        let (here, seed) = (world.clone(), rng.next());
        world.all.add(1);
        go(move || {
            let all = here.all.clone();
            // Joined, so that a panic on purpose stays with it.
            let _ = start(&here, seed, 2).join();
            all.done();
        });
        if rng.below(10) == 0 {
            runtime::gomaxprocs(1 + rng.below(5) as usize);
        }
    }
    world.all.wait();
    for t in threads {
        t.join().expect("a thread of the test");
    }
    let book = &world.book;
    while book.begun.load(Ordering::Relaxed) != book.ended.load(Ordering::Relaxed) {
        runtime::gosched();
        gort::time::sleep(Duration::from_micros(100));
    }
    for lane in world.lanes.iter() {
        lane.close();
    }
    drains.wait();
    let of = |a: &AtomicU64| a.load(Ordering::Relaxed);
    assert_eq!(of(&book.sent), of(&book.received), "seed {seed}: values lost or doubled");
    assert_eq!(of(&book.sum_sent), of(&book.sum_received), "seed {seed}: values changed");
}

/// A thread of the program's own that spawns, sends and joins.
fn on_a_thread(world: &World, seed: u64) {
    let mut rng = Rng(seed);
    for _ in 0..rng.below(20) {
        match rng.below(3) {
            0 => world.send(rng.next(), rng.below(1000)),
            1 => drop(start(world, rng.next(), 1).join()),
            _ => drop(start(world, rng.next(), 0)),
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Ends the process, loudly, when nothing happens for too long.
fn watchdog(seed: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut last = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let now = PROGRESS.load(Ordering::Relaxed);
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > PATIENCE {
                eprintln!(
                    "stress: no progress; GORT_STRESS_SEED={} goroutines={} gomaxprocs={}",
                    seed.load(Ordering::Relaxed),
                    runtime::num_goroutine(),
                    runtime::gomaxprocs(0)
                );
                std::process::abort();
            }
        }
    });
}

#[test]
fn a_week_in_miniature() {
    let seconds = number("GORT_STRESS_SECONDS", 4);
    let first = number("GORT_STRESS_SEED", 1);
    let current = Arc::new(AtomicU64::new(first));
    watchdog(current.clone());
    let end = Instant::now() + Duration::from_secs(seconds);
    let rounds = gort::run(|| {
        let mut seed = first;
        while Instant::now() < end {
            current.store(seed, Ordering::Relaxed);
            round(seed);
            PROGRESS.fetch_add(1, Ordering::Relaxed);
            seed += 1;
        }
        seed - first
    });
    println!("stress: {rounds} rounds from seed {first}");
    assert!(rounds > 0);
}
