//! `blocking` and `blocking_long`: whatever happens inside, the call is one that returns, panics or
//! exits as if it were not there, and the others go on meanwhile.

use crate::support::{Counter, exclusive, on_procs, panic_of, scaled, watched, with_procs};
use crate::{block_thread, tid};
use gort::runtime::{goexit, goid, gosched, stack_dump};
use gort::sync::WaitGroup;
use gort::{Goexit, blocking, blocking_long, chan, go, spawn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// Both forms, which differ in cost only.
fn both<T>(long: bool, f: impl FnOnce() -> T) -> T {
    if long { blocking_long(f) } else { blocking(f) }
}

#[test]
fn returns_what_it_is_given() {
    on_procs(|| {
        for long in [false, true] {
            let text = String::from("moved in");
            assert_eq!(both(long, move || text + " and out"), "moved in and out");
            let mut n = 1;
            both(long, || n += 1);
            assert_eq!(n, 2);
        }
    });
}

#[test]
fn on_a_plain_thread_it_just_runs() {
    let own = tid();
    assert_eq!(blocking(tid), own);
    assert_eq!(blocking_long(|| blocking(tid)), own);
    assert_eq!(panic_of(|| blocking(|| panic!("out of it"))), "out of it");
    assert_eq!(blocking(goid), 0);
}

/// The goroutines meet at a barrier of std's, which lets none of them go before all have come: each
/// must get a thread of its own, on however few Ps.
#[test]
fn all_block_at_the_same_time() {
    on_procs(|| {
        for long in [false, true] {
            let (all, wg) = (Arc::new(Barrier::new(20)), WaitGroup::new());
            for _ in 0..20 {
                let all = all.clone();
                wg.go(move || _ = both(long, || all.wait()));
            }
            wg.wait();
        }
    });
}

#[test]
fn the_others_run_meanwhile() {
    on_procs(|| {
        for long in [false, true] {
            let over = Arc::new(AtomicBool::new(false));
            let seen = over.clone();
            let other = spawn(move || {
                (0..scaled(20, 200)).for_each(|_| gort::time::sleep(Duration::from_micros(50)));
                seen.store(true, Ordering::Release);
            });
            both(long, || {
                while !over.load(Ordering::Acquire) {
                    block_thread(Duration::from_micros(100));
                }
            });
            other.join().unwrap();
        }
    });
}

#[test]
fn nested_calls_are_one() {
    on_procs(|| {
        let deep = blocking(|| {
            let a = blocking_long(|| blocking(|| 1));
            block_thread(Duration::from_millis(1));
            a + blocking(|| blocking_long(|| 1))
        });
        assert_eq!(deep, 2);
        assert!(!stack_dump().contains("[syscall"), "nothing is left of it");
    });
}

#[test]
fn a_panic_goes_through() {
    on_procs(|| {
        for long in [false, true] {
            let text = panic_of(|| {
                both(long, || {
                    blocking(|| {
                        block_thread(Duration::from_millis(2));
                        panic!("inside")
                    })
                })
            });
            assert_eq!(text, "inside");
            gosched();
            assert!(!stack_dump().contains("[syscall"), "nothing is left of it");
            let h = spawn(move || both(long, || -> () { panic!("joined") }));
            assert_eq!(*h.join().unwrap_err().downcast::<&str>().unwrap(), "joined");
        }
    });
}

/// Destructors run on the way, and may use the runtime, with or without a P.
#[test]
fn goexit_goes_through() {
    on_procs(|| {
        let counter = Counter::default();
        for long in [false, true] {
            for wait in [0, 2] {
                let value = counter.make(0);
                let h = spawn(move || {
                    let _value = value;
                    both(long, || {
                        let c = chan(1);
                        block_thread(Duration::from_millis(wait));
                        gort::defer! { c.send(1) }
                        goexit()
                    })
                });
                assert!(h.join().unwrap_err().is::<Goexit>());
            }
        }
        counter.all_dropped_once();
    });
}

/// Inside a call the goroutine may park, yield, spawn, come back on another thread, and declare more.
#[test]
fn the_runtime_can_be_used_inside() {
    on_procs(|| {
        let (n, wg) = (scaled(20, 200), WaitGroup::new());
        let (ping, pong) = (chan(0), chan(0));
        for g in 0..4 {
            let (ping, pong) = (ping.clone(), pong.clone());
            wg.go(move || {
                both(g % 2 == 0, || {
                    for i in 0..n {
                        ping.send(i);
                        if i % 8 == g {
                            block_thread(Duration::from_micros(300));
                        }
                        assert_eq!(spawn(move || i + 1).join().unwrap(), i + 1);
                        blocking(gosched);
                        assert!(pong.recv().is_some());
                    }
                });
            });
        }
        go(move || (0..4 * n).for_each(|_| pong.send(ping.recv().unwrap())));
        wg.wait();
    });
}

/// One P, and every goroutine comes back without it: old P, idle P or the queue, nobody is lost.
#[test]
fn whoever_comes_back_gets_on() {
    on_procs(|| {
        let (wg, done) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        for g in 0..50 {
            let done = done.clone();
            wg.go(move || {
                for i in 0..scaled(10, 100) {
                    both((g + i) % 3 == 0, || {
                        if (g + i) % 5 == 0 {
                            block_thread(Duration::from_micros(100));
                        }
                    });
                    if i % 4 == 0 {
                        gosched();
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wg.wait();
        assert_eq!(done.load(Ordering::Relaxed), 50 * scaled(10, 100));
    });
}

/// Go's TestPreemptionAfterSyscall: goroutines that do nothing but short calls give the others a turn,
/// by the retake and by the slice.
#[test]
fn short_calls_in_a_row_hold_nobody_up() {
    with_procs(2, || {
        for delay in [10, 100, 1000] {
            let (stop, wg) = (Arc::new(AtomicBool::new(false)), WaitGroup::new());
            for _ in 0..8 {
                let stop = stop.clone();
                wg.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        blocking(|| block_thread(Duration::from_micros(delay)));
                    }
                });
            }
            gort::time::sleep(Duration::from_millis(10));
            stop.store(true, Ordering::Relaxed);
            wg.wait();
        }
    });
}

/// The world can be stopped while goroutines are in declared calls, and GOMAXPROCS changed.
#[test]
fn the_world_stops_meanwhile() {
    let _one = exclusive();
    watched(|| {
        gort::run(|| {
            let before = gort::runtime::gomaxprocs(0);
            let (stop, wg) = (Arc::new(AtomicBool::new(false)), WaitGroup::new());
            for g in 0..6 {
                let stop = stop.clone();
                wg.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        both(g % 2 == 0, || block_thread(Duration::from_micros(50 * g)));
                    }
                });
            }
            for i in 0..scaled(50, 500) {
                gort::runtime::gomaxprocs(1 + i % 4);
                gosched();
            }
            stop.store(true, Ordering::Relaxed);
            wg.wait();
            gort::runtime::gomaxprocs(before);
        });
    });
}

/// A goroutine in a declared call is told from one that runs.
#[test]
fn a_dump_says_syscall() {
    with_procs(1, || {
        let (inside, over) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
        let (there, end) = (inside.clone(), over.clone());
        let h = spawn(move || {
            blocking_long(|| {
                there.wait();
                while !end.load(Ordering::Acquire) {
                    block_thread(Duration::from_micros(100));
                }
            });
        });
        blocking_long(|| inside.wait());
        let dump = stack_dump();
        assert!(dump.contains(&format!("goroutine {} [syscall]:", h.id())), "{dump}");
        over.store(true, Ordering::Release);
        h.join().unwrap();
    });
}
