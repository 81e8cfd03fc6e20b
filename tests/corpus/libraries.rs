//! Libraries that keep something in thread-locals, or know threads by them.

use crate::Program;
use gort::sync::WaitGroup;
use gort::{Chan, runtime};
use once_cell::sync::Lazy;
use rand::RngExt as _;
use regex::Regex;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

pub(crate) const PROGRAMS: &[Program] = &[
    ("thread_rng_held", thread_rng_held),
    ("regex_captures_while_parked", regex_captures_while_parked),
    ("once_cell_caches", once_cell_caches),
    ("parking_lot_guards", parking_lot_guards),
    ("parking_lot_reentrant", parking_lot_reentrant),
    ("parking_lot_condvar", parking_lot_condvar),
    ("tracing_spans_entered", tracing_spans_entered),
    ("tracing_default_subscriber", tracing_default_subscriber),
    ("epoch_pinned", epoch_pinned),
];

fn crowd(n: usize, body: impl Fn(usize) + Copy + Send + 'static) {
    let wg = WaitGroup::new();
    for me in 0..n {
        wg.go(move || body(me));
    }
    wg.wait();
}

fn thread_rng_held(_: usize) {
    crowd(6, |_| {
        let mut rng = rand::rng();
        let mut last = 0_u64;
        for _ in 0..4 {
            let next = rng.random::<u64>();
            assert_ne!(next, last);
            last = next;
            runtime::gosched();
            // Another handle on the same generator.
            let _: u32 = rand::rng().random();
        }
    });
}

static WORD: Lazy<Regex> = Lazy::new(|| Regex::new(r"(\w+)=(\d+)").expect("a pattern"));

fn regex_captures_while_parked(_: usize) {
    crowd(6, |me| {
        let text = format!("a={me} b=2 c=3");
        let mut sum = 0;
        for captures in WORD.captures_iter(&text) {
            runtime::gosched();
            sum += captures[2].parse::<usize>().expect("digits");
        }
        assert_eq!(sum, me + 5);
    });
}

fn once_cell_caches(_: usize) {
    thread_local! {
        static CACHE: once_cell::unsync::OnceCell<RefCell<Vec<usize>>> =
            const { once_cell::unsync::OnceCell::new() };
    }
    crowd(6, |me| {
        CACHE.with(|cache| {
            let cache = cache.get_or_init(RefCell::default);
            runtime::gosched();
            cache.borrow_mut().push(me);
            runtime::gosched();
            assert!(cache.borrow().contains(&me));
        });
    });
}

fn parking_lot_guards(_: usize) {
    let total = Arc::new(parking_lot::Mutex::new(0));
    let wg = WaitGroup::new();
    for _ in 0..6 {
        let total = total.clone();
        wg.go(move || {
            for _ in 0..4 {
                // Held only while nothing parks: who waits blocks a thread.
                *total.lock() += 1;
                runtime::gosched();
            }
        });
    }
    wg.wait();
    assert_eq!(*total.lock(), 24);
}

fn parking_lot_reentrant(_: usize) {
    let h = gort::spawn(|| {
        let lock = parking_lot::ReentrantMutex::new(3);
        let outer = lock.lock();
        runtime::gosched();
        let inner = lock.try_lock().expect("the owner may lock again");
        runtime::gosched();
        *outer + *inner
    });
    gort::spawn(runtime::gosched).join().expect("no panic");
    assert_eq!(h.join().expect("no panic"), 6);
}

fn parking_lot_condvar(_: usize) {
    let pair = Arc::new((parking_lot::Mutex::new(false), parking_lot::Condvar::new()));
    let other = pair.clone();
    // A thread of the program's own waits for a goroutine, as a goroutine would block its thread.
    let waits = std::thread::spawn(move || {
        let mut ready = other.0.lock();
        while !*ready {
            other.1.wait(&mut ready);
        }
    });
    let h = gort::spawn(move || {
        runtime::gosched();
        *pair.0.lock() = true;
        pair.1.notify_all();
    });
    h.join().expect("no panic");
    waits.join().expect("no panic");
}

/// Counts spans; who is in which is the thread's.
struct Counts(AtomicU64);

impl Subscriber for Counts {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        DEPTH.with_borrow(|stack| assert!(!stack.is_empty()));
    }
    fn enter(&self, id: &Id) {
        DEPTH.with_borrow_mut(|stack| stack.push(id.into_u64()));
    }
    fn exit(&self, id: &Id) {
        DEPTH.with_borrow_mut(|stack| {
            let at = stack.iter().rposition(|i| *i == id.into_u64());
            stack.remove(at.expect("a span is left where it was entered"));
        });
    }
}

thread_local! {
    static DEPTH: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn tracing_spans_entered(_: usize) {
    crowd(6, |me| {
        tracing::subscriber::with_default(Counts(AtomicU64::new(0)), || {
            let span = tracing::info_span!("outer", me);
            span.in_scope(|| {
                tracing::info!("inside");
                DEPTH.with_borrow(|stack| assert!(!stack.is_empty()));
            });
        });
        runtime::gosched();
    });
}

fn tracing_default_subscriber(_: usize) {
    crowd(6, |_| {
        let guard = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::new());
        runtime::gosched();
        tracing::info!("to nobody");
        drop(guard);
    });
}

fn epoch_pinned(run: usize) {
    let c: Chan<usize> = gort::chan(0);
    let d = c.clone();
    let h = gort::spawn(move || {
        let guard = crossbeam_epoch::pin();
        let value = crossbeam_epoch::Atomic::<usize>::null();
        d.send(1);
        assert!(value.load(Ordering::Acquire, &guard).is_null());
        let again = crossbeam_epoch::pin();
        runtime::gosched();
        drop(guard);
        d.send(2);
        drop(again);
        run
    });
    assert_eq!(c.recv().and_then(|a| Some(a + c.recv()?)), Some(3));
    assert_eq!(h.join().expect("no panic"), run);
}
