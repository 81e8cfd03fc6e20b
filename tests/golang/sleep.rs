//! `sleep`: at least as long, in the order of the due times, however many sleep and whoever is busy.

use crate::support::{exclusive, on_procs, scaled, watched, with_procs};
use gort::runtime::{gomaxprocs, gosched};
use gort::sync::WaitGroup;
use gort::time::sleep;
use gort::{chan, go, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// TestSleep
#[test]
fn sleep_lasts_at_least_as_long() {
    on_procs(|| {
        for d in [1, 10, 1_000, 20_000].map(Duration::from_micros) {
            let start = Instant::now();
            sleep(d);
            assert!(start.elapsed() >= d);
        }
        let wg = WaitGroup::new();
        for i in 0..scaled(200, 2000) {
            wg.go(move || {
                let d = Duration::from_nanos(i as u64 * 7_919 % 3_000_000);
                let start = Instant::now();
                sleep(d);
                assert!(start.elapsed() >= d);
            });
        }
        wg.wait();
    });
}

/// Sleep(0) returns at once and does not yield: on one P nobody else has run meanwhile. (On a busy
/// machine the P may be taken away in between, hence not every time.)
#[test]
fn sleeping_not_at_all_does_not_yield() {
    with_procs(1, || {
        const ROUNDS: usize = 40;
        let alone = |_: &usize| {
            let ran = Arc::new(AtomicBool::new(false));
            let flag = ran.clone();
            go(move || flag.store(true, Ordering::Relaxed));
            sleep(Duration::ZERO);
            !ran.load(Ordering::Relaxed)
        };
        let right = (0..ROUNDS).filter(alone).count();
        assert!(right > ROUNDS / 2, "only {right} of {ROUNDS}");
    });
}

/// TestAfterQueuing: wake-ups come in the order of their due times, whatever the order of the
/// sleeps. On a busy machine several become due before anyone looks, and then the last is the first
/// to run: so this is tried again, with the times further apart.
#[test]
fn sleepers_wake_in_the_order_of_their_times() {
    on_procs(|| {
        let order = |apart: u32| {
            let (c, base) = (chan(8), Instant::now());
            for slot in [5, 3, 6, 1, 4, 2, 0] {
                let c = c.clone();
                go(move || {
                    let due = base + Duration::from_millis(5) * apart * slot;
                    sleep(due.saturating_duration_since(Instant::now()));
                    c.send(slot);
                });
            }
            c.iter().take(7).collect::<Vec<_>>()
        };
        let tries: Vec<_> = (1..=6).map(|n| order(n * n)).take_while(|o| !o.is_sorted()).collect();
        assert!(tries.len() < 6, "never in order: {tries:?}");
    });
}

/// A short sleep that begins while the only other sleeper sleeps long, and all else is asleep.
#[test]
fn a_short_sleep_does_not_wait_for_a_long_one() {
    on_procs(|| {
        let long = Arc::new(AtomicBool::new(false));
        let flag = long.clone();
        let sleeper = spawn(move || {
            sleep(Duration::from_secs(3));
            flag.store(true, Ordering::Release);
        });
        // Everybody else goes to sleep; a plain thread starts the next one.
        let (c, d) = (chan(0), chan(0));
        let (e, f) = (c.clone(), d.clone());
        let outside = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            e.send(());
            _ = f.recv();
        });
        _ = c.recv();
        // Longer than the monitor takes to fall asleep.
        sleep(Duration::from_millis(200));
        let overslept = long.load(Ordering::Acquire);
        d.send(());
        outside.join().unwrap();
        assert!(!overslept, "a sleep of 0.2 s ended after one of 3 s");
        drop(sleeper);
    });
}

/// TestTimerFairness: two goroutines hot on a channel let a timer fire.
#[test]
fn a_busy_channel_does_not_keep_a_sleeper_asleep() {
    on_procs(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let c = chan(0);
        let (d, flag) = (c.clone(), stop.clone());
        let sender = spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                d.send(());
            }
            d.close();
        });
        let receiver = spawn(move || c.iter().count());
        sleep(Duration::from_millis(20));
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap();
        assert!(receiver.join().unwrap() > 0);
    });
}

/// TestAfterFuncStarvation: nor do goroutines that yield, nor a hog on every P.
#[test]
fn busy_goroutines_do_not_keep_a_sleeper_asleep() {
    for spin in [false, true] {
        on_procs(|| {
            let stop = Arc::new(AtomicBool::new(false));
            let wg = WaitGroup::new();
            for _ in 0..gomaxprocs(0) {
                let stop = stop.clone();
                wg.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        if spin { std::hint::spin_loop() } else { gosched() }
                    }
                });
            }
            for _ in 0..3 {
                sleep(Duration::from_millis(2));
            }
            stop.store(true, Ordering::Relaxed);
            wg.wait();
        });
    }
}

/// Sleepers of Ps that go away wake up on those that stay.
#[test]
fn timers_move_when_ps_go_away() {
    let _one = exclusive();
    let before = gomaxprocs(4);
    watched(|| {
        gort::run(|| {
            for round in 0..scaled(5, 20) {
                let wg = WaitGroup::new();
                for i in 0..100 {
                    wg.go(move || sleep(Duration::from_micros(i * 37 % 5_000)));
                }
                gosched();
                gomaxprocs(1 + round % 3);
                wg.wait();
                gomaxprocs(4);
            }
        });
    });
    gomaxprocs(before);
}

/// TestOverflowSleep, as far as one can wait: the longest sleeps do not end, and harm nobody.
#[test]
fn the_longest_sleeps_do_not_end() {
    on_procs(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let years = Duration::from_secs(1 << 62);
        for d in
            [Duration::MAX, years, Duration::from_nanos(u64::MAX), Duration::from_nanos(1 << 63)]
        {
            let ended = ended.clone();
            go(move || {
                sleep(d);
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        sleep(Duration::from_millis(3));
        assert_eq!(ended.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn sleep_works_on_a_plain_thread_and_while_a_panic_unwinds() {
    struct Sleepy;
    impl Drop for Sleepy {
        fn drop(&mut self) {
            sleep(Duration::from_micros(300));
        }
    }
    on_procs(|| {
        let end: Result<(), _> = spawn(|| {
            let _sleepy = Sleepy;
            panic!("good night");
        })
        .join();
        assert!(end.is_err());
    });
    let start = Instant::now();
    sleep(Duration::from_millis(2));
    assert!(start.elapsed() >= Duration::from_millis(2));
}
