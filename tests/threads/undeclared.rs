//! Goroutines that block their thread, or compute, without a word to anybody.

use crate::block_thread;
use crate::support::{eventually, on_procs, scaled, with_procs};
use gort::runtime::{gosched, num_idle_threads, num_threads};
use gort::sync::WaitGroup;
use gort::{chan, go, spawn};
use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

/// Computes until `end`, never calling the runtime.
fn compute_until(end: impl Fn() -> bool) {
    while !end() {
        std::hint::spin_loop();
    }
}

/// A barrier of std's for more goroutines than there are Ps: each must get a thread.
#[test]
fn all_block_at_the_same_time() {
    on_procs(|| {
        let (all, wg) = (Arc::new(Barrier::new(20)), WaitGroup::new());
        for _ in 0..20 {
            let all = all.clone();
            wg.go(move || _ = all.wait());
        }
        wg.wait();
    });
}

/// Eight goroutines sleep in the kernel one after the other, again and again, and a ticker ticks.
#[test]
fn a_ticker_ticks_beside_goroutines_that_block() {
    with_procs(1, || {
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (wg, all) = (WaitGroup::new(), Arc::new(Barrier::new(8)));
        for _ in 0..8 {
            let (inside, most, all) = (inside.clone(), most.clone(), all.clone());
            wg.go(move || {
                for _ in 0..3 {
                    most.fetch_max(inside.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    all.wait();
                    block_thread(Duration::from_millis(5));
                    inside.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
        let over = Arc::new(AtomicBool::new(false));
        let end = over.clone();
        let ticker = spawn(move || {
            let mut ticks = 0;
            while !end.load(Ordering::Relaxed) {
                gort::time::sleep(Duration::from_millis(1));
                ticks += 1;
            }
            ticks
        });
        wg.wait();
        over.store(true, Ordering::Relaxed);
        assert!(ticker.join().unwrap() > 0);
        assert_eq!(most.load(Ordering::Relaxed), 8, "all blocked at the same time");
    });
}

/// The hog ends only when the ticker has ticked.
#[test]
fn a_hog_does_not_stop_the_ticker() {
    on_procs(|| {
        let procs = gort::runtime::gomaxprocs(0);
        let (ticks, wg) = (Arc::new(AtomicUsize::new(0)), WaitGroup::new());
        for _ in 0..procs {
            let ticks = ticks.clone();
            wg.go(move || compute_until(|| ticks.load(Ordering::Relaxed) >= 5));
        }
        for _ in 0..5 {
            gort::time::sleep(Duration::from_millis(1));
            ticks.fetch_add(1, Ordering::Relaxed);
        }
        wg.wait();
    });
}

/// A hundred goroutines that compute do not become a hundred threads.
#[test]
fn hogs_are_few_at_a_time() {
    with_procs(2, || {
        let before = num_threads();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let wg = WaitGroup::new();
        for _ in 0..100 {
            let (running, most) = (running.clone(), most.clone());
            wg.go(move || {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let start = Instant::now();
                compute_until(|| start.elapsed() > Duration::from_millis(scaled(15, 25) as u64));
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut threads = 0;
        while running.load(Ordering::Relaxed) > 0 {
            gort::time::sleep(Duration::from_millis(1));
            threads = threads.max(num_threads());
        }
        wg.wait();
        // Two with a P, four without, and some that were called back for another reason.
        assert!(most.load(Ordering::Relaxed) <= 8, "{most:?} ran at a time");
        assert!(threads <= before + 12, "{threads} threads, {before} before");
    });
}

/// A goroutine parks with a std mutex in its hand, which all others want. Whoever is to wake it must
/// get on all the same.
#[test]
fn a_std_mutex_held_by_a_parked_goroutine() {
    on_procs(|| {
        let (held, wake) = (Arc::new(Mutex::new(0)), chan::<()>(0));
        let (theirs, gate, locked) = (held.clone(), wake.clone(), chan(0));
        let ready = locked.clone();
        let holder = spawn(move || {
            let mut guard = theirs.lock().unwrap();
            ready.send(());
            _ = gate.recv();
            *guard += 1;
        });
        _ = locked.recv();
        let wg = WaitGroup::new();
        for _ in 0..30 {
            let held = held.clone();
            wg.go(move || *held.lock().unwrap() += 1);
        }
        (0..50).for_each(|_| gosched());
        gort::time::sleep(Duration::from_millis(2));
        wake.close();
        wg.wait();
        holder.join().unwrap();
        assert_eq!(*held.lock().unwrap(), 31);
    });
}

#[test]
fn a_thousand_goroutines_resolve_read_and_write_and_start_processes() {
    with_procs(2, || {
        let dir = std::env::temp_dir().join(format!("gort-blocking-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let (wg, good) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        for i in 0..1000_usize {
            let (path, good) = (dir.join(i.to_string()), good.clone());
            wg.go(move || {
                let mut found = ("localhost", 80).to_socket_addrs().expect("/etc/hosts has it");
                assert!(found.any(|a| a.ip().is_loopback()));
                std::fs::write(&path, i.to_string()).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), i.to_string());
                std::fs::remove_file(&path).unwrap();
                let out = std::process::Command::new("echo").arg(i.to_string()).output().unwrap();
                assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), i.to_string());
                good.fetch_add(1, Ordering::Relaxed);
            });
        }
        wg.wait();
        assert_eq!(good.load(Ordering::Relaxed), 1000);
        std::fs::remove_dir(&dir).unwrap();
    });
}

/// Threads that a burst needed are parked, and the next burst makes no more.
#[test]
fn threads_are_used_again() {
    with_procs(2, || {
        let burst = |n| {
            let (all, wg) = (Arc::new(Barrier::new(n)), WaitGroup::new());
            for _ in 0..n {
                let all = all.clone();
                wg.go(move || _ = gort::blocking_long(|| all.wait()));
            }
            wg.wait();
        };
        burst(40);
        eventually(|| num_idle_threads() >= 38);
        let threads = num_threads();
        assert!(threads >= 40);
        for _ in 0..5 {
            burst(30);
            eventually(|| num_idle_threads() >= 38);
        }
        assert!(num_threads() <= threads + 2, "{} threads, {threads} before", num_threads());
    });
}

/// A goroutine whose P was taken while it computed goes on to use everything.
#[test]
fn a_goroutine_without_a_p_can_use_the_runtime() {
    on_procs(|| {
        let wg = WaitGroup::new();
        for g in 0..8 {
            wg.go(move || {
                for i in 0..scaled(3, 10) {
                    let ticked = Arc::new(AtomicBool::new(false));
                    let tick = ticked.clone();
                    go(move || tick.store(true, Ordering::Release));
                    if g % 2 == 0 {
                        compute_until(|| ticked.load(Ordering::Acquire));
                    } else {
                        while !ticked.load(Ordering::Acquire) {
                            block_thread(Duration::from_micros(200));
                        }
                    }
                    let c = chan(1);
                    assert_eq!(spawn(move || i).join().unwrap(), i);
                    c.send(i);
                    assert_eq!(c.recv(), Some(i));
                    gort::time::sleep(Duration::from_micros(10));
                }
            });
        }
        wg.wait();
    });
}
