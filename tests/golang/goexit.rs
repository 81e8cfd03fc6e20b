//! `goexit`: destructors run, nothing is printed, nothing stops it, a panic's crash is called off.

use crate::support::{Counter, eventually, on_procs, panic_of, settle};
use gort::runtime::{goexit, gosched};
use gort::sync::WaitGroup;
use gort::{Goexit, chan, go, spawn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn goexit_runs_destructors_from_the_inside_out_and_ends_the_goroutine() {
    struct Log(gort::Chan<u8>, u8);
    impl Drop for Log {
        fn drop(&mut self) {
            self.0.send(self.1);
        }
    }
    on_procs(|| {
        let c = chan(4);
        let d = c.clone();
        let after = spawn(move || {
            let _first = Log(d.clone(), 1);
            let inner = || {
                let _second = Log(d.clone(), 2);
                gosched();
                goexit()
            };
            inner();
            d.send(9);
        });
        assert!(after.join().unwrap_err().is::<Goexit>());
        assert_eq!((c.recv(), c.recv(), c.len()), (Some(2), Some(1), 0));
    });
}

/// fixedbugs/issue11256: a hundred frames deep, and many times.
#[test]
fn goexit_from_the_depth() {
    fn dive(depth: usize, counter: &Counter) {
        let _here = counter.make(depth);
        if depth == 0 {
            goexit();
        }
        dive(depth - 1, counter);
    }
    on_procs(|| {
        let counter = Counter::default();
        let wg = WaitGroup::new();
        for _ in 0..100 {
            let counter = counter.clone();
            wg.go(move || dive(100, &counter));
        }
        wg.wait();
        assert_eq!((counter.made(), counter.dropped()), (10_100, 10_100));
    });
}

#[test]
fn a_wait_group_counts_a_goexit_as_done() {
    on_procs(|| {
        let wg = WaitGroup::new();
        for i in 0..20 {
            wg.go(move || {
                if i % 2 == 0 {
                    goexit();
                }
            });
        }
        wg.wait();
    });
}

#[test]
fn goexit_of_a_goroutine_that_nobody_joins_is_quiet() {
    on_procs(|| {
        let counter = Counter::default();
        for i in 0..20 {
            let value = counter.make(i);
            go(move || {
                let _value = value;
                if i % 2 == 0 {
                    gosched();
                }
                goexit();
            });
        }
        counter.all_dropped_once();
    });
}

/// A goexit in the destructor of something that a panic throws away takes the panic's place: the
/// payload of the panic never comes out (TestGoexitInPanic: the crash is called off). In Rust a
/// second unwind out of a destructor ends the process, so it must be caught on the way.
#[test]
fn a_goexit_caught_in_a_destructor_leaves_the_panic_alone() {
    struct Quitter;
    impl Drop for Quitter {
        fn drop(&mut self) {
            let end = catch_unwind(|| goexit());
            assert!(end.unwrap_err().is::<Goexit>());
        }
    }
    on_procs(|| {
        let end = spawn(|| {
            let _quitter = Quitter;
            panic!("the panic");
        });
        let end: Result<(), _> = end.join();
        assert_eq!(crate::support::words(&*end.unwrap_err()), "the panic");
    });
}

/// A panic raised and caught while a goexit unwinds does not stop the goexit.
#[test]
fn a_panic_caught_during_goexit_does_not_stop_it() {
    struct Careful(Arc<AtomicUsize>);
    impl Drop for Careful {
        fn drop(&mut self) {
            assert_eq!(panic_of(|| panic!("inside")), "inside");
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    on_procs(|| {
        let n = Arc::new(AtomicUsize::new(0));
        let seen = n.clone();
        let h = spawn(move || {
            let _outer = Careful(seen.clone());
            let _inner = Careful(seen);
            goexit();
        });
        let end: Result<(), _> = h.join();
        assert!(end.unwrap_err().is::<Goexit>());
        assert_eq!(n.load(Ordering::Relaxed), 2);
    });
}

/// `catch_unwind` sees the payload; who passes it on ends as if he had not looked.
#[test]
fn a_goexit_passed_on_is_still_a_goexit() {
    on_procs(|| {
        let h = spawn(|| {
            let end = catch_unwind(|| goexit()).unwrap_err();
            assert!(end.is::<Goexit>());
            assert!(!std::thread::panicking());
            resume_unwind(end);
        });
        let end: Result<(), _> = h.join();
        assert!(end.unwrap_err().is::<Goexit>());
    });
}

#[test]
fn goexit_off_a_goroutine_panics() {
    let told = panic_of(|| goexit());
    assert!(told.contains("not a goroutine"), "{told}");
    on_procs(|| ());
    assert!(panic_of(|| goexit()).contains("not a goroutine"));
}

/// A destructor that blocks while a goexit unwinds: it holds its thread then, and goes on.
#[test]
fn destructors_may_block_while_a_goexit_unwinds() {
    struct Blocks(gort::Chan<u8>, gort::Chan<u8>);
    impl Drop for Blocks {
        fn drop(&mut self) {
            self.0.send(1);
            assert_eq!(self.1.recv(), Some(2));
            gosched();
            gort::time::sleep(std::time::Duration::from_micros(10));
        }
    }
    on_procs(|| {
        let (a, b) = (chan(0), chan(0));
        let handles: Vec<_> = (0..3)
            .map(|i| {
                let blocks = Blocks(a.clone(), b.clone());
                spawn(move || {
                    let _blocks = blocks;
                    if i > 0 { goexit() } else { panic!("a panic may block as well") }
                })
            })
            .collect();
        for _ in 0..3 {
            assert_eq!(a.recv(), Some(1));
        }
        for _ in 0..3 {
            b.send(2);
        }
        for (i, h) in handles.into_iter().enumerate() {
            let end: Result<(), _> = h.join();
            assert_eq!(end.unwrap_err().is::<Goexit>(), i > 0);
        }
        assert!(!std::thread::panicking());
    });
}

/// The thread's panic count is right for everyone who runs on it afterwards.
#[test]
fn nobody_inherits_a_panic() {
    on_procs(|| {
        let wg = WaitGroup::new();
        for i in 0..30 {
            wg.go(move || {
                for n in 0..10 {
                    let end = catch_unwind(AssertUnwindSafe(|| {
                        gosched();
                        if (i + n) % 3 == 0 {
                            panic!("one of many");
                        }
                        gort::time::sleep(std::time::Duration::from_nanos(1));
                    }));
                    assert_eq!(end.is_err(), (i + n) % 3 == 0);
                    assert!(!std::thread::panicking());
                    gosched();
                    assert!(!std::thread::panicking());
                }
            });
        }
        wg.wait();
        settle();
        eventually(|| !std::thread::panicking());
    });
}
