//! `WaitGroup`: waits for zero, from goroutines and threads, and survives misuse that was caught.

use crate::support::{Counter, eventually, on_procs, panic_of, scaled, settle};
use gort::runtime::gosched;
use gort::sync::WaitGroup;
use gort::{chan, go, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// TestWaitGroup: two groups hand sixteen goroutines back and forth, several times over.
#[test]
fn groups_are_used_again_and_again() {
    on_procs(|| {
        let (one, two) = (WaitGroup::new(), WaitGroup::new());
        for _ in 0..scaled(8, 50) {
            let n = 16;
            one.add(n);
            two.add(n);
            let exited = chan(n as usize);
            for _ in 0..n {
                let (one, two, exited) = (one.clone(), two.clone(), exited.clone());
                go(move || {
                    one.done();
                    two.wait();
                    exited.send(());
                });
            }
            one.wait();
            for _ in 0..n {
                assert!(exited.try_recv().is_err(), "released too soon");
                two.done();
            }
            (0..n).for_each(|_| exited.recv().unwrap());
        }
    });
}

/// TestWaitGroupMisuse
#[test]
fn a_negative_counter_panics_and_the_group_stays_whole() {
    on_procs(|| {
        let wg = WaitGroup::new();
        assert_eq!(panic_of(|| wg.done()), "sync: negative WaitGroup counter");
        wg.add(1);
        wg.done();
        assert_eq!(panic_of(|| wg.done()), "sync: negative WaitGroup counter");
        wg.wait();
        wg.add(3);
        assert_eq!(panic_of(|| wg.add(-4)), "sync: negative WaitGroup counter");
        wg.add(-3);
        wg.wait();
    });
}

#[test]
fn counters_beyond_gos_range_panic_and_change_nothing() {
    on_procs(|| {
        let wg = WaitGroup::new();
        wg.add(1);
        let deltas = |all: [i64; 4]| all.into_iter().filter_map(|d| isize::try_from(d).ok());
        for delta in deltas([i64::from(i32::MAX), 1 << 31, 1 << 33, i64::MAX]) {
            let told = panic_of(|| wg.add(delta));
            assert!(told.contains("overflow"), "{delta}: {told}");
        }
        for delta in deltas([-2, -(1 << 31), -(1 << 33), i64::MIN]) {
            assert_eq!(panic_of(|| wg.add(delta)), "sync: negative WaitGroup counter", "{delta}");
        }
        wg.add(i32::MAX as isize - 1);
        wg.add(-(i32::MAX as isize));
        wg.wait();
    });
}

/// While somebody misuses a group in a loop, those who wait for a counter that is zero come back.
#[test]
fn misuse_keeps_nobody_waiting() {
    on_procs(|| {
        let wg = WaitGroup::new();
        let stop = Arc::new(AtomicBool::new(false));
        let (misused, flag) = (wg.clone(), stop.clone());
        let misuser = spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                assert!(panic_of(|| misused.done()).contains("negative"));
                gosched();
            }
        });
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let wg = wg.clone();
                std::thread::spawn(move || (0..scaled(2_000, 20_000)).for_each(|_| wg.wait()))
            })
            .collect();
        eventually(|| waiters.iter().all(|w| w.is_finished()));
        stop.store(true, Ordering::Relaxed);
        misuser.join().unwrap();
        waiters.into_iter().for_each(|w| w.join().unwrap());
    });
}

/// TestWaitGroupRace: the counter reaches zero while the waiter is on its way to sleep.
#[test]
fn a_waiter_on_its_way_to_sleep_is_woken() {
    on_procs(|| {
        for _ in 0..scaled(500, 5000) {
            let wg = WaitGroup::new();
            let n = Arc::new(AtomicUsize::new(0));
            for _ in 0..2 {
                let n = n.clone();
                wg.go(move || _ = n.fetch_add(1, Ordering::Relaxed));
            }
            wg.wait();
            assert_eq!(n.load(Ordering::Relaxed), 2);
        }
    });
}

#[test]
fn everyone_who_waits_goes_on() {
    on_procs(|| {
        let (wg, passed) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        wg.wait();
        wg.add(1);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (wg, passed) = (wg.clone(), passed.clone());
                std::thread::spawn(move || {
                    wg.wait();
                    passed.fetch_add(1, Ordering::AcqRel);
                })
            })
            .collect();
        for _ in 0..50 {
            let (wg, passed) = (wg.clone(), passed.clone());
            go(move || {
                wg.wait();
                passed.fetch_add(1, Ordering::AcqRel);
            });
        }
        settle();
        assert_eq!(passed.load(Ordering::Acquire), 0);
        wg.done();
        eventually(|| passed.load(Ordering::Acquire) == 53);
        threads.into_iter().for_each(|t| t.join().unwrap());
        wg.wait();
    });
}

/// TestWaitGroupGo, and what it starts with: results and captures are dropped before the wait ends.
#[test]
fn a_wait_sees_everything_the_goroutines_did() {
    on_procs(|| {
        let counter = Counter::default();
        let wg = WaitGroup::new();
        for i in 0..50 {
            let value = counter.make(i);
            let (inner, of) = (wg.clone(), counter.clone());
            wg.go(move || {
                let value = value;
                inner.go(move || drop(of.make(i)));
                gosched();
                drop(value);
            });
        }
        wg.wait();
        assert_eq!(counter.dropped(), counter.made());
        assert_eq!(counter.made(), 100);
    });
}

#[test]
fn a_group_counts_what_plain_threads_do() {
    on_procs(|| {
        let wg = WaitGroup::new();
        for _ in 0..4 {
            wg.add(1);
            let wg = wg.clone();
            std::thread::spawn(move || {
                let inner = WaitGroup::new();
                (0..10).for_each(|_| inner.go(gosched));
                inner.wait();
                wg.done();
            });
        }
        wg.wait();
        assert!(format!("{wg:?}").contains('0'));
    });
}
