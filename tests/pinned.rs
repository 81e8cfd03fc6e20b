//! Pinned goroutines: one that has started never leaves its OS thread.

use gort::sync::WaitGroup;
use gort::{Chan, Config, ThreadLocals, runtime};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Runs `f` in a main goroutine with 1, 2 and 4 processors.
fn pinned(f: impl Fn() + Send + Sync) {
    for procs in [1, 2, 4] {
        let config = Config::new().thread_locals(ThreadLocals::Pinned);
        let ran = config.run(|| {
            runtime::gomaxprocs(procs);
            f();
        });
        ran.expect("every platform can pin");
    }
}

thread_local! {
    static LIST: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn the_mode_in_force_is_told() {
    pinned(|| assert_eq!(runtime::thread_locals(), ThreadLocals::Pinned));
}

#[test]
fn nobody_changes_threads() {
    pinned(|| {
        let main = thread::current().id();
        let c: Chan<u64> = gort::chan(0);
        let wg = WaitGroup::new();
        for me in 0..40_u64 {
            let c = c.clone();
            wg.go(move || {
                let home = thread::current().id();
                for i in 0..50 {
                    if me.is_multiple_of(2) {
                        c.send(i);
                    } else {
                        let _ = c.recv();
                    }
                    runtime::gosched();
                    if i % 16 == 0 {
                        gort::time::sleep(Duration::from_micros(100));
                    }
                    assert_eq!(thread::current().id(), home);
                }
            });
        }
        wg.wait();
        assert_eq!(thread::current().id(), main);
    });
}

#[test]
fn those_that_have_not_started_are_shared_out() {
    pinned(|| {
        let procs = runtime::gomaxprocs(0);
        let seen = Mutex::new(HashSet::new());
        let all = gort::sync::Barrier::new(procs);
        gort::scope(|s| {
            for _ in 0..procs {
                s.go(|| {
                    seen.lock().unwrap().insert(thread::current().id());
                    // Nobody gets past this on a thread of somebody else's.
                    while seen.lock().unwrap().len() < procs {
                        thread::yield_now();
                    }
                    all.wait();
                });
            }
        });
        assert_eq!(seen.into_inner().unwrap().len(), procs);
    });
}

#[test]
fn main_is_woken_by_whoever_runs() {
    pinned(|| {
        let c: Chan<u64> = gort::chan(0);
        for i in 0..300 {
            let d = c.clone();
            gort::go(move || d.send(i));
            assert_eq!(c.recv(), Some(i));
        }
    });
}

#[test]
fn plain_threads_wake_pinned_goroutines() {
    pinned(|| {
        let c: Chan<u64> = gort::chan(0);
        let d = c.clone();
        let outside = thread::spawn(move || {
            for i in 0..200 {
                d.send(i);
            }
            d.close();
        });
        let h = gort::spawn(move || c.iter().sum::<u64>());
        assert_eq!(h.join().unwrap(), 199 * 200 / 2);
        outside.join().unwrap();
    });
}

#[test]
fn a_borrow_lasts_on_its_thread() {
    pinned(|| {
        let h = gort::spawn(|| {
            let inner = gort::spawn(runtime::gosched);
            LIST.with_borrow_mut(|list| {
                list.push(1);
                inner.join().unwrap();
                list.push(2);
                list.len()
            })
        });
        assert!(h.join().unwrap() >= 2);
    });
}
