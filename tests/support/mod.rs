//! What the test binaries share: one runtime per process, run with 1, 2 and 4 Ps in turn; a watchdog
//! that ends a process which hangs; values that count how often they are dropped.
//!
//! GOMAXPROCS belongs to the process and tests of one binary run in parallel threads: whoever sets
//! it holds [`exclusive`] for as long, and so does whoever counts goroutines.
#![allow(dead_code, reason = "each test binary uses a part")]

use gort::runtime::{gomaxprocs, gosched};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// After so many seconds a test is taken for hung: many times what the slowest needs on a busy
/// machine.
const PATIENCE_S: u32 = 150;

/// Numbers of Ps that every test holds on.
const PROCS: [usize; 3] = [1, 2, 4];

/// More work where the code is fast.
pub(crate) const fn scaled(debug: usize, release: usize) -> usize {
    if cfg!(debug_assertions) { debug } else { release }
}

/// The right to change GOMAXPROCS and to count goroutines.
pub(crate) fn exclusive() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` as a main goroutine with 1, 2 and 4 Ps in turn.
#[track_caller]
pub(crate) fn on_procs(body: impl Fn() + Sync) {
    for n in PROCS {
        with_procs(n, &body);
    }
}

/// Runs `body` as a main goroutine with `n` Ps.
#[track_caller]
pub(crate) fn with_procs(n: usize, body: impl Fn() + Sync) {
    let _one = exclusive();
    watched(|| {
        let before = gomaxprocs(n);
        let end = catch_unwind(AssertUnwindSafe(|| gort::run(&body)));
        gomaxprocs(before);
        if let Err(payload) = end {
            // A scheduler thread prints where libtest captured the test that happened to start it.
            eprintln!("with GOMAXPROCS={n}: {}", words(&*payload));
            resume_unwind(payload);
        }
    });
}

/// Runs `body`; ends the process if it does not return.
#[track_caller]
pub(crate) fn watched<T>(body: impl FnOnce() -> T) -> T {
    let place = std::panic::Location::caller();
    let (end, ended) = mpsc::channel::<()>();
    let dog = std::thread::spawn(move || {
        // Second by second: time in which the whole process is stopped counts for one.
        for _ in 0..PATIENCE_S {
            match ended.recv_timeout(Duration::from_secs(1)) {
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                _ => return,
            }
        }
        // Past libtest's capture, which would keep the words to itself.
        let text = format!("watchdog: {place} hangs, GOMAXPROCS={}\n", gomaxprocs(0));
        _ = std::io::stderr().write_all(text.as_bytes());
        std::process::abort();
    });
    let result = catch_unwind(AssertUnwindSafe(body));
    drop(end);
    dog.join().expect("the watchdog does not panic");
    result.unwrap_or_else(|payload| resume_unwind(payload))
}

/// Lets the others run until `what` holds; the watchdog ends a wait in vain.
pub(crate) fn eventually(mut what: impl FnMut() -> bool) {
    let mut rounds = 0;
    while !what() {
        rounds += 1;
        if rounds % 100 == 0 {
            gort::time::sleep(Duration::from_micros(200));
        } else {
            gosched();
        }
    }
}

/// Gives the others every opportunity to do what they should not do.
pub(crate) fn settle() {
    for _ in 0..20 {
        gosched();
    }
    gort::time::sleep(Duration::from_micros(500));
}

/// Counts the drops of the [`Counted`]s it made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<(AtomicUsize, AtomicUsize)>);

impl Counter {
    /// A value whose drop is counted.
    pub(crate) fn make(&self, id: usize) -> Counted {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        Counted { id, counter: self.clone(), alive: ALIVE }
    }

    pub(crate) fn made(&self) -> usize {
        self.0.0.load(Ordering::Acquire)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.1.load(Ordering::Acquire)
    }

    /// Waits until as many were dropped as were made, and sees that no more are.
    #[track_caller]
    pub(crate) fn all_dropped_once(&self) {
        eventually(|| self.dropped() >= self.made());
        settle();
        assert_eq!(self.dropped(), self.made(), "each value is dropped exactly once");
    }
}

const ALIVE: u64 = 0xa11f_ea11_fea1_1fea;

/// A value that must be dropped exactly once.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) id: usize,
    counter: Counter,
    alive: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        assert_eq!(std::mem::replace(&mut self.alive, 0), ALIVE, "dropped twice, or never made");
        self.counter.0.1.fetch_add(1, Ordering::AcqRel);
    }
}

/// A small generator for tests that print their seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

/// The words of a panic's payload.
pub(crate) fn words(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// What `f` panics with.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it was to panic"),
        Err(payload) => words(&*payload).to_owned(),
    }
}
