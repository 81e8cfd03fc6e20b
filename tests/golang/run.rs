//! `run`, `go!` and what they promise besides scheduling.

use crate::support::{Counter, eventually, exclusive, on_procs, panic_of, settle, watched};
use gort::runtime::{goid, gomaxprocs, gosched};
use gort::{Chan, Config, chan, go, run};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn main_may_borrow_and_return_anything() {
    let text = String::from("borrowed");
    let mut n = 0;
    let back: &str = run(|| {
        gosched();
        n += 1;
        &text[..3]
    });
    assert_eq!((back, n), ("bor", 1));
    let large = run(|| [7_u64; 4096]);
    assert!(large.iter().all(|&x| x == 7));
    assert_eq!(run(|| vec![1, 2]), [1, 2]);
    run(|| ());
}

#[test]
fn a_panic_of_main_comes_out_of_run_and_the_runtime_goes_on() {
    on_procs(|| {});
    for park in [false, true] {
        let told = panic_of(|| {
            run(|| {
                if park {
                    settle();
                }
                panic!("main {park}")
            })
        });
        assert_eq!(told, format!("main {park}"));
        assert!(!std::thread::panicking());
        assert_eq!(run(|| 1), 1);
    }
}

#[test]
fn a_payload_of_main_keeps_its_type_and_its_value() {
    let counter = Counter::default();
    let value = counter.make(3);
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(|| std::panic::panic_any(value));
    }));
    let value = payload.unwrap_err().downcast::<crate::support::Counted>().unwrap();
    assert_eq!((value.id, counter.dropped()), (3, 0));
    drop(value);
    assert_eq!(counter.dropped(), 1);
}

#[test]
fn run_inside_run_panics_and_harms_nothing() {
    on_procs(|| {
        let told = panic_of(|| run(|| 1));
        assert!(told.contains("run called inside a goroutine"), "{told}");
        let told = gort::spawn(|| panic_of(|| Config::new().run(|| 1))).join().unwrap();
        // The same configuration: refused for where it is called; another: an error.
        assert!(told.contains("inside a goroutine") || told.contains("to panic"), "{told}");
        settle();
    });
}

#[test]
fn another_configuration_comes_too_late() {
    run(|| ());
    let error = Config::new().max_stack(1 << 20).run(|| ()).unwrap_err();
    assert!(error.to_string().contains("already runs with another configuration"), "{error}");
    assert!(!format!("{error:?}").is_empty());
}

/// Each of several threads has a main goroutine of its own; they talk.
#[test]
fn several_threads_run_at_once() {
    let _one = exclusive();
    for procs in [1, 2, 4] {
        let before = gomaxprocs(procs);
        watched(several_runs);
        gomaxprocs(before);
    }
}

fn several_runs() {
    const THREADS: usize = 6;
    let ring: Vec<Chan<usize>> = (0..THREADS).map(|_| chan(0)).collect();
    std::thread::scope(|s| {
        for i in 0..THREADS {
            let (from, to) = (&ring[i], &ring[(i + 1) % THREADS]);
            s.spawn(move || {
                let laps = 20;
                let last = run(move || {
                    let me = goid();
                    if i == 0 {
                        to.send(0);
                    }
                    for lap in 1..=laps {
                        let n = from.recv().unwrap();
                        // The one who began keeps the last.
                        if i != 0 || lap < laps {
                            to.send(n + 1);
                        } else {
                            assert_eq!(n, laps * THREADS - 1);
                        }
                        assert_eq!(goid(), me);
                    }
                    me
                });
                assert_ne!(last, 0);
                assert_eq!(goid(), 0, "a thread that left run is a plain thread again");
            });
        }
    });
}

/// What main leaves behind goes on when somebody else runs.
#[test]
fn goroutines_outlive_the_run_that_started_them() {
    let counter = Counter::default();
    let gate = chan::<()>(0);
    run(|| {
        for i in 0..10 {
            let (gate, value) = (gate.clone(), counter.make(i));
            go(move || {
                _ = gate.recv();
                drop(value);
            });
        }
    });
    assert_eq!(counter.dropped(), 0);
    gate.close();
    watched(|| eventually(|| counter.dropped() == 10));
}

mod deep {
    pub(crate) mod er {
        pub(crate) fn none(c: super::super::Chan<i32>) {
            c.send(0);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "that is what is tested")]
fn nine(c: Chan<i32>, a: i32, b: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: &'static str) {
    c.send(a + b + d + e + f + g + h + i.len() as i32);
}

fn nothing() {}

#[test]
fn the_go_statement_takes_calls_and_closures() {
    on_procs(|| {
        let c = chan(0);
        go!(nothing());
        go!(deep::er::none(c.clone()));
        assert_eq!(c.recv(), Some(0));
        go!(nine(c.clone(), 1, 2, 3, 4, 5, 6, 7, "eight",));
        assert_eq!(c.recv(), Some(33));
        let add = |c: Chan<i32>, a, b| c.send(a + b);
        go!(add(c.clone(), 1, 2));
        assert_eq!(c.recv(), Some(3));
        let d = c.clone();
        go!(move || d.send(4));
        assert_eq!(c.recv(), Some(4));
        let d = c.clone();
        go!({
            let e = d;
            move || e.send(5)
        });
        assert_eq!(c.recv(), Some(5));
    });
}

/// Function and arguments are evaluated in the caller, once, in order, before it goes on.
#[test]
fn arguments_of_go_are_evaluated_now() {
    on_procs(|| {
        let log = Arc::new(std::sync::Mutex::new(Vec::new()));
        let note = |n: u64| {
            log.lock().unwrap().push((n, goid()));
            n
        };
        let sum = Arc::new(AtomicUsize::new(0));
        fn add(sum: Arc<AtomicUsize>, a: u64, b: u64, c: u64) {
            sum.fetch_add((a * 100 + b * 10 + c) as usize, Ordering::Relaxed);
        }
        let mut n = 1;
        go!(add(sum.clone(), note(n), note(n + 1), note(n + 2)));
        n = 9;
        let me = goid();
        assert_eq!(*log.lock().unwrap(), [(1, me), (2, me), (3, me)]);
        eventually(|| sum.load(Ordering::Relaxed) > 0);
        assert_eq!((sum.load(Ordering::Relaxed), n), (123, 9));
    });
}

/// A panic in an argument is the caller's, and no goroutine is started.
#[test]
fn a_panic_in_an_argument_of_go_is_the_callers() {
    on_procs(|| {
        let counter = Counter::default();
        let told = panic_of(|| {
            fn take<T>(_a: T, _b: ()) {}
            let refuse = || panic!("in the argument");
            go!(take(counter.make(1), refuse()));
        });
        assert_eq!((told.as_str(), counter.dropped()), ("in the argument", 1));
    });
}

/// The result of a goroutine that nobody joins is dropped, on the goroutine, before it ends.
#[test]
fn results_of_go_are_dropped() {
    on_procs(|| {
        let counter = Counter::default();
        for i in 0..10 {
            let value = counter.make(i);
            go(move || value);
        }
        counter.all_dropped_once();
    });
}
