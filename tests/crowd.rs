//! Crowds: more goroutines started at once than a ring holds. They wait to start in small records
//! instead of on stacks, which nobody may notice.

mod common;

use common::at_procs;
use gort::runtime::{self, gosched};
use gort::sync::WaitGroup;
use gort::{Builder, chan, go, spawn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One at a time: the tests of a process share its processors and its counts.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enough to fill the ring several times.
const CROWD: usize = 1000;

#[test]
fn a_crowd_runs_in_the_order_of_its_start() {
    let _one = alone();
    gort::run(|| {
        runtime::gomaxprocs(1);
        for _ in 0..3 {
            let order = chan(CROWD);
            for i in 0..CROWD {
                let order = order.clone();
                go(move || order.send(i));
            }
            let got: Vec<usize> = (0..CROWD).map(|_| order.recv().unwrap()).collect();
            // The last one started runs first, from `runnext`, the others queue (Go); except where
            // the monitor hands the processor on because the system keeps this thread from running.
            let ahead = got.windows(2).filter(|w| w[0] < w[1]).count();
            assert!(ahead > CROWD / 2, "{got:?}");
            let mut sorted = got.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..CROWD), "{got:?}");
        }
    });
}

#[test]
fn whatever_a_closure_holds_is_dropped_once() {
    let _one = alone();
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    #[repr(align(64))]
    struct Aligned(usize);
    at_procs(|| {
        let (drops, wg, sum) = (Arc::new(AtomicUsize::new(0)), WaitGroup::new(), chan(16));
        for i in 0..CROWD {
            let (held, sum) = (Count(drops.clone()), sum.clone());
            match i % 5 {
                // Small; larger than a record; over-aligned; boxed; named.
                0 => wg.go(move || (held, sum.send(i)).1),
                1 => {
                    let large = [i; 60];
                    wg.go(move || (held, sum.send(large[59])).1);
                }
                2 => {
                    let aligned = Aligned(i);
                    wg.go(move || {
                        let at = &raw const aligned;
                        assert!(at.addr().is_multiple_of(64));
                        (held, sum.send(aligned.0)).1
                    });
                }
                3 => {
                    let huge = [i; 1000];
                    wg.go(move || (held, sum.send(huge[999])).1);
                }
                _ => {
                    let token = wg.clone();
                    token.add(1);
                    let named = Builder::new().name(format!("n{i}"));
                    drop(named.spawn(move || {
                        sum.send(i);
                        drop(held);
                        token.done();
                    }));
                }
            }
        }
        let total: usize = (0..CROWD).map(|_| sum.recv().unwrap()).sum();
        assert_eq!(total, CROWD * (CROWD - 1) / 2);
        wg.wait();
        // The last of them may still be about to drop what it holds.
        while drops.load(Ordering::Relaxed) < CROWD {
            gosched();
        }
        assert_eq!(drops.load(Ordering::Relaxed), CROWD);
    });
}

#[test]
fn a_crowd_that_parks_has_a_stack_each() {
    let _one = alone();
    at_procs(|| {
        for _ in 0..3 {
            let (gate, there, wg) = (chan::<()>(0), chan(CROWD), WaitGroup::new());
            for i in 0..CROWD {
                let (gate, there) = (gate.clone(), there.clone());
                wg.go(move || {
                    let mut mine = [i; 64];
                    there.send(());
                    _ = gate.recv();
                    std::hint::black_box(&mut mine);
                    assert_eq!(mine, [i; 64]);
                });
            }
            (0..CROWD).for_each(|_| there.recv().unwrap());
            assert!(runtime::num_goroutine() > CROWD);
            gate.close();
            wg.wait();
        }
    });
}

#[test]
fn ids_parents_and_counts_are_those_of_the_start() {
    let _one = alone();
    at_procs(|| {
        let before = runtime::num_goroutine();
        let gate = chan::<()>(0);
        let handles: Vec<_> = (0..CROWD)
            .map(|_| {
                let gate = gate.clone();
                spawn(move || {
                    _ = gate.recv();
                    runtime::goid()
                })
            })
            .collect();
        assert_eq!(runtime::num_goroutine(), before + CROWD);
        gate.close();
        let mut ids: Vec<_> = handles.into_iter().map(|h| h.join().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CROWD);
    });
}

#[test]
fn a_dump_knows_who_has_not_started() {
    let _one = alone();
    gort::run(|| {
        runtime::gomaxprocs(1);
        let (gate, wg) = (chan::<()>(0), WaitGroup::new());
        for _ in 0..CROWD {
            let gate = gate.clone();
            wg.go(move || _ = gate.recv());
        }
        let dump = runtime::stack_dump();
        let told = dump.lines().filter(|l| l.starts_with("goroutine ")).count();
        // Optimized code may name another function of this file.
        let created = dump.matches("created by ").count();
        assert!(told > CROWD && created >= CROWD, "{told} told, {created} created here");
        gate.close();
        wg.wait();
    });
}

#[test]
fn processors_come_and_go_while_a_crowd_waits() {
    let _one = alone();
    gort::run(|| {
        for round in 0..60 {
            runtime::gomaxprocs(1 + round % 4);
            let (wg, ran) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
            for i in 0..CROWD {
                let ran = ran.clone();
                wg.go(move || {
                    if i % 7 == 0 {
                        gosched();
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                });
                if i == CROWD / 2 {
                    runtime::gomaxprocs(1 + (round + 2) % 4);
                }
            }
            wg.wait();
            assert_eq!(ran.load(Ordering::Relaxed), CROWD);
        }
    });
}

#[test]
fn a_panic_in_a_crowd_is_its_own() {
    let _one = alone();
    at_procs(|| {
        let handles: Vec<_> =
            (0..CROWD).map(|i| spawn(move || assert!(i % 10 != 0, "tenth"))).collect();
        let failed = handles.into_iter().filter_map(|h| h.join().err()).count();
        assert_eq!(failed, CROWD / 10);
    });
}

#[test]
fn a_crowd_of_crowds_shares_what_it_has() {
    let _one = alone();
    at_procs(|| {
        let (wg, ran) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..64 {
            let (inner, ran) = (wg.clone(), ran.clone());
            wg.go(move || {
                for _ in 0..CROWD / 10 {
                    let ran = ran.clone();
                    inner.go(move || _ = ran.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        wg.wait();
        assert_eq!(ran.load(Ordering::Relaxed), 64 * CROWD / 10);
    });
}

/// More than there may be records: the rest waits on stacks.
#[test]
fn a_crowd_beyond_the_limit_of_records_is_served_all_the_same() {
    let _one = alone();
    gort::run(|| {
        runtime::gomaxprocs(1);
        let (n, ran, wg) = (140_000, Arc::new(AtomicUsize::new(0)), WaitGroup::new());
        for _ in 0..n {
            let ran = ran.clone();
            wg.go(move || _ = ran.fetch_add(1, Ordering::Relaxed));
        }
        wg.wait();
        assert_eq!(ran.load(Ordering::Relaxed), n);
    });
}
