//! Panics that wait: the count of them is a thread-local of the standard library's.

use crate::Program;
use gort::sync::WaitGroup;
use gort::{Chan, runtime};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

pub(crate) const PROGRAMS: &[Program] = &[
    ("parked_in_drop", parked_in_drop),
    ("panic_in_drop_of_a_panic", panic_in_drop_of_a_panic),
    ("caught_while_others_panic", caught_while_others_panic),
    ("poison_is_the_panickers", poison_is_the_panickers),
    ("goexit_runs_destructors", goexit_runs_destructors),
    ("recovered_in_a_crowd", recovered_in_a_crowd),
];

/// Waits for a value while it is dropped.
struct Waits(Chan<usize>);

impl Drop for Waits {
    fn drop(&mut self) {
        assert!(thread::panicking());
        assert_eq!(self.0.recv(), Some(7));
        assert!(thread::panicking());
    }
}

fn parked_in_drop(_: usize) {
    let c = gort::chan(0);
    let handles: Vec<_> = (0..3_usize)
        .map(|i| {
            let waits = Waits(c.clone());
            gort::spawn(move || {
                let _waits = waits;
                std::panic::resume_unwind(Box::new(i));
            })
        })
        .collect();
    for _ in 0..3 {
        c.send(7);
    }
    for (i, h) in handles.into_iter().enumerate() {
        assert_eq!(*h.join().expect_err("a panic").downcast::<usize>().expect("ours"), i);
    }
    assert!(!thread::panicking());
}

fn panic_in_drop_of_a_panic(_: usize) {
    /// Panics within, and catches that.
    struct Inner;
    impl Drop for Inner {
        fn drop(&mut self) {
            runtime::gosched();
            let inner = catch_unwind(|| std::panic::resume_unwind(Box::new("inner")));
            assert!(inner.is_err() && thread::panicking());
            runtime::gosched();
        }
    }
    let handles: Vec<_> = (0..4)
        .map(|_| {
            gort::spawn(|| {
                let _inner = Inner;
                std::panic::resume_unwind(Box::new("outer"));
            })
        })
        .collect();
    for h in handles {
        assert!(h.join().is_err());
    }
}

fn caught_while_others_panic(_: usize) {
    let wg = WaitGroup::new();
    for i in 0..6 {
        wg.go(move || {
            for round in 0..4 {
                assert!(!thread::panicking());
                let end = catch_unwind(|| {
                    runtime::gosched();
                    if (i + round) % 2 == 0 {
                        std::panic::resume_unwind(Box::new(i));
                    }
                });
                assert_eq!(end.is_err(), (i + round) % 2 == 0);
                runtime::gosched();
            }
        });
    }
    wg.wait();
}

fn poison_is_the_panickers(_: usize) {
    let good = Mutex::new(0);
    let bad = Mutex::new(0);
    gort::scope(|s| {
        let panics = s.spawn(|| {
            let _held = bad.lock();
            std::panic::resume_unwind(Box::new(()));
        });
        s.go(|| {
            for _ in 0..4 {
                *good.lock().expect("nobody panicked here") += 1;
                runtime::gosched();
            }
        });
        assert!(panics.join().is_err());
    });
    assert!(bad.is_poisoned() && !good.is_poisoned());
}

fn goexit_runs_destructors(_: usize) {
    /// Sends when it is dropped, which may block.
    struct Sends(Chan<usize>);
    impl Drop for Sends {
        fn drop(&mut self) {
            self.0.send(1);
        }
    }
    let c = gort::chan(0);
    for _ in 0..3 {
        let sends = Sends(c.clone());
        gort::go(move || {
            let _sends = AssertUnwindSafe(sends);
            runtime::goexit();
        });
    }
    assert_eq!((0..3).filter_map(|_| c.recv()).sum::<usize>(), 3);
}

fn recovered_in_a_crowd(_: usize) {
    let wg = WaitGroup::new();
    for i in 0..6_usize {
        wg.go(move || {
            let value = gort::func(|f: &gort::Frame<'_, usize>| {
                f.defer(move |d| {
                    runtime::gosched();
                    if d.recover().is_some() {
                        *d.result() = i;
                    }
                });
                runtime::gosched();
                std::panic::resume_unwind(Box::new("recovered"));
            });
            assert_eq!(value, i);
        });
    }
    wg.wait();
}
