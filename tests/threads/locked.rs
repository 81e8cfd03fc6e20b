//! LockOSThread: the goroutine and the thread have nobody else.

use crate::support::{eventually, exclusive, on_procs, scaled, watched, with_procs};
use crate::{block_thread, tid};
use gort::runtime::{
    gomaxprocs, gosched, lock_os_thread as lock, stack_dump, unlock_os_thread as unlock,
};
use gort::sync::{Mutex, WaitGroup};
use gort::{chan, go, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Everything after which a goroutine may wake up elsewhere.
fn wander() {
    gosched();
    gort::time::sleep(Duration::from_micros(50));
    let c = chan(0);
    let d = c.clone();
    go(move || d.send(1));
    assert_eq!(c.recv(), Some(1));
    gort::blocking_long(|| block_thread(Duration::from_micros(20)));
    block_thread(Duration::from_micros(20));
}

fn is_thread(tid: i32) -> bool {
    std::path::Path::new(&format!("/proc/self/task/{tid}")).exists()
}

#[test]
fn a_locked_goroutine_stays_and_is_alone() {
    on_procs(|| {
        let (wg, seen) = (WaitGroup::new(), Arc::new(Mutex::new(Vec::new())));
        let others: Arc<Mutex<Vec<i32>>> = Arc::default();
        for _ in 0..4 {
            let seen = seen.clone();
            wg.go(move || {
                lock();
                let home = tid();
                seen.lock().push(home);
                for _ in 0..scaled(10, 100) {
                    wander();
                    assert_eq!(tid(), home);
                }
                // Nobody else may come here before all have looked.
                seen.lock().push(home);
                while seen.lock().len() < 8 {
                    wander();
                }
                unlock();
            });
        }
        for _ in 0..20 {
            let (seen, others) = (seen.clone(), others.clone());
            wg.go(move || {
                while seen.lock().len() < 4 {
                    wander();
                }
                for _ in 0..scaled(5, 50) {
                    let all = seen.lock();
                    if all.len() < 5 {
                        // All four are locked now.
                        others.lock().push(tid());
                    }
                    drop(all);
                    wander();
                }
            });
        }
        wg.wait();
        let seen = seen.lock();
        let (homes, others) = (&seen[..4], others.lock());
        assert!(homes.iter().all(|h| homes.iter().filter(|o| *o == h).count() == 1));
        assert!(others.iter().all(|o| !homes.contains(o)), "{homes:?} {others:?}");
    });
}

/// Go's TestLockOSThreadNesting.
#[test]
fn locks_are_counted() {
    with_procs(4, || {
        spawn(|| {
            unlock();
            unlock();
            let locked = || stack_dump().lines().next().unwrap().contains(", locked to thread");
            lock();
            lock();
            assert!(locked(), "{}", stack_dump());
            unlock();
            assert!(locked());
            let home = tid();
            (0..20).for_each(|_| wander());
            assert_eq!(tid(), home);
            unlock();
            assert!(!locked());
            unlock();
            lock();
            assert!(locked());
            unlock();
            assert!(!locked());
        })
        .join()
        .unwrap();
    });
}

/// Go's TestLockOSThreadExit, for a thread of the runtime's.
#[test]
fn a_thread_ends_with_its_locked_goroutine() {
    on_procs(|| {
        for i in 0..scaled(20, 200) {
            let h = spawn(move || {
                lock();
                if i % 3 == 0 {
                    wander();
                }
                if i % 7 == 0 {
                    lock();
                }
                let home = tid();
                match i % 4 {
                    0 => std::panic::panic_any(home),
                    _ => home,
                }
            });
            let home = h.join().unwrap_or_else(|p| *p.downcast::<i32>().unwrap());
            eventually(|| !is_thread(home));
        }
    });
}

/// What ends, ends for good; what is unlocked goes on to serve others.
#[test]
fn an_unlocked_thread_lives_on() {
    on_procs(|| {
        let before = gort::runtime::num_threads();
        for _ in 0..scaled(20, 200) {
            let h = spawn(|| {
                lock();
                wander();
                unlock();
                tid()
            });
            let home = h.join().unwrap();
            assert!(is_thread(home));
        }
        assert!(gort::runtime::num_threads() <= before + 12);
    });
}

/// The thread that called `run`, if main locks itself before it does anything else.
#[test]
fn main_keeps_the_thread_that_called_run() {
    let _one = exclusive();
    watched(|| {
        let before = gomaxprocs(2);
        for procs in [1, 2, 4] {
            gomaxprocs(procs);
            let own = tid();
            gort::run(|| {
                lock();
                for _ in 0..scaled(10, 100) {
                    wander();
                    assert_eq!(tid(), own);
                }
                unlock();
                lock();
                wander();
                assert_eq!(tid(), own);
                // And ends locked.
            });
            assert_eq!(tid(), own);
            gort::run(|| {
                lock();
                wander();
                unlock();
                wander();
            });
        }
        gomaxprocs(before);
    });
}

/// Also while all Ps are busy, and with several threads in `run` at once.
#[test]
fn main_begins_on_its_thread_whatever_happens() {
    let _one = exclusive();
    let before = gomaxprocs(1);
    let stop = Arc::new(AtomicBool::new(false));
    watched(|| {
        for _ in 0..2 {
            let stop = stop.clone();
            go(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for i in 0..scaled(3, 10) {
                        let own = tid();
                        gort::run(|| {
                            assert_eq!(tid(), own);
                            if i % 2 == 0 {
                                lock();
                                wander();
                                assert_eq!(tid(), own);
                            }
                        });
                    }
                });
            }
        });
        stop.store(true, Ordering::Relaxed);
    });
    gomaxprocs(before);
}

/// Go's TestYieldLocked and TestBlockLocked.
#[test]
fn a_locked_goroutine_yields_and_blocks_like_others() {
    on_procs(|| {
        let c = chan(0);
        let d = c.clone();
        go(move || {
            lock();
            for _ in 0..10 {
                gosched();
                gort::time::sleep(Duration::from_micros(100));
            }
            (0..scaled(50, 500)).for_each(|i| d.send(i));
            d.close();
            unlock();
        });
        assert!(c.iter().eq(0..scaled(50, 500)));
    });
}

/// All talk to all: each hop needs another thread.
#[test]
fn locked_goroutines_talk_to_each_other() {
    on_procs(|| {
        let (n, wg) = (scaled(30, 300), WaitGroup::new());
        let ring: Vec<_> = (0..5).map(|_| chan(0)).collect();
        for i in 0..5 {
            let (from, to) = (ring[i].clone(), ring[(i + 1) % 5].clone());
            wg.go(move || {
                lock();
                let home = tid();
                for round in 0..n {
                    if i == 0 {
                        to.send(round);
                    }
                    assert_eq!(from.recv(), Some(round));
                    if i != 0 {
                        to.send(round);
                    }
                    assert_eq!(tid(), home);
                }
            });
        }
        wg.wait();
    });
}

/// What a locked goroutine, or a thread of the program's, did to its thread is not inherited by threads
/// that the runtime makes: the slack of timers stands for what the kernel copies to a clone.
#[test]
fn no_thread_is_cloned_from_a_locked_one() {
    const ODD: libc::c_ulong = 123_456;
    fn is_odd() -> bool {
        // SAFETY: asks for the calling thread's timer slack.
        unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) == ODD as i32 }
    }
    fn make_odd() {
        // SAFETY: sets the calling thread's timer slack.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, ODD) }, 0);
    }
    on_procs(|| {
        let odd = Arc::new(AtomicUsize::new(0));
        let burst = |odd: &Arc<AtomicUsize>| {
            // More than there are threads, so that some are made.
            let n = gort::runtime::num_idle_threads() + 5;
            let (all, wg) = (Arc::new(std::sync::Barrier::new(n)), WaitGroup::new());
            for _ in 0..n {
                let (all, odd) = (all.clone(), odd.clone());
                wg.go(move || {
                    odd.fetch_add(usize::from(is_odd()), Ordering::Relaxed);
                    gort::blocking_long(|| all.wait());
                });
            }
            wg
        };
        let from = odd.clone();
        spawn(move || {
            lock();
            make_odd();
            burst(&from).wait();
            // Ends locked, so that nobody meets it.
        })
        .join()
        .unwrap();
        let from = odd.clone();
        let outside = std::thread::spawn(move || {
            make_odd();
            burst(&from).wait();
        });
        gort::blocking_long(|| outside.join().unwrap());
        assert_eq!(odd.load(Ordering::Relaxed), 0);
    });
}

/// Go's TestLockOSThreadTemplateThreadRace: many lock, start others, and end locked.
#[test]
fn threads_come_and_go() {
    on_procs(|| {
        let wg = WaitGroup::new();
        for i in 0..scaled(50, 500) {
            wg.go(move || {
                lock();
                let inner = WaitGroup::new();
                inner.go(move || {
                    lock();
                    block_thread(Duration::from_micros(10));
                    if i % 2 == 0 {
                        unlock();
                    }
                });
                inner.wait();
            });
        }
        wg.wait();
    });
}

/// The world is stopped and GOMAXPROCS changed while locked goroutines wander.
#[test]
fn the_world_stops_meanwhile() {
    let _one = exclusive();
    watched(|| {
        let before = gomaxprocs(0);
        gort::run(|| {
            let (stop, wg) = (Arc::new(AtomicBool::new(false)), WaitGroup::new());
            for i in 0..6 {
                let stop = stop.clone();
                wg.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        lock();
                        wander();
                        if i % 2 == 0 {
                            unlock();
                        } else {
                            let next = spawn(wander);
                            next.join().unwrap();
                            unlock();
                        }
                    }
                });
            }
            for i in 0..scaled(40, 400) {
                if i % 5 == 0 {
                    lock();
                }
                gomaxprocs(1 + i % 4);
                gosched();
                if i % 5 == 0 {
                    unlock();
                }
            }
            stop.store(true, Ordering::Relaxed);
            wg.wait();
        });
        gomaxprocs(before);
    });
}
