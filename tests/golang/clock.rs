//! `after`, timers and their resets, as `time/sleep_test.go` asks for them. What Go checks with margins is
//! asked here of the clock's readings before and after each call, so that no machine is too slow for it.

use crate::support::{on_procs, scaled};
use gort::time::{Timer, after, after_func, sleep};
use gort::{chan, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// TestAfterQueuing: afters set out of order, equal ones among them, come with times in the order in which
/// they were due.
#[test]
fn afters_come_in_the_order_of_their_times() {
    const SLOTS: [u32; 13] = [5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0];
    on_procs(|| {
        let results = chan(0);
        for slot in SLOTS {
            let results = results.clone();
            go(move || {
                let earliest = Instant::now() + MS * slot;
                let c = after(MS * slot);
                let latest = Instant::now() + MS * slot;
                results.send((c.recv().expect("it is not closed"), earliest, latest));
            });
        }
        let all: Vec<_> = results.iter().take(SLOTS.len()).collect();
        for (at, earliest, latest) in &all {
            assert!(earliest <= at && *at <= *latest + MS / 10);
            let before = all.iter().filter(|(_, _, theirs)| theirs < earliest);
            assert!(before.clone().all(|(theirs, ..)| theirs < at), "{all:?}");
        }
    });
}

/// TestAfterTick: one after the other, each as long as it should be.
#[test]
fn afters_in_a_row_take_their_time() {
    on_procs(|| {
        let start = Instant::now();
        assert!((0..10).all(|_| after(MS).recv().is_some()));
        assert!(start.elapsed() >= MS * 10);
    });
}

/// TestAfterStop: a timer that is stopped in time does nothing, one that is over cannot be stopped.
#[test]
fn stopped_timers_do_nothing() {
    on_procs(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        let func = after_func(Duration::from_secs(3600), count.clone());
        let timer = Timer::new(Duration::from_secs(3600));
        let short = after(MS);
        assert!(func.stop() && !func.stop());
        assert!(timer.stop() && !timer.stop());
        assert!(short.recv().is_some());
        assert!(timer.chan().try_recv().is_err());
        let done = chan(0);
        let over = after_func(MS, {
            let done = done.clone();
            move || {
                count();
                done.send(());
            }
        });
        assert!(done.recv().is_some());
        assert!(!over.stop(), "its function has been called");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    });
}

/// TestReset: from far to near and from near to far, before and after the time is over.
#[test]
fn a_reset_timer_knows_its_last_time_only() {
    on_procs(|| {
        for _ in 0..scaled(10, 100) {
            let timer = Timer::new(Duration::from_secs(3600));
            let start = Instant::now();
            assert!(timer.reset(MS), "it was running");
            let at = timer.chan().recv().expect("it is not closed");
            assert!(at >= start + MS && at < start + Duration::from_secs(3600));
            assert!(!timer.reset(Duration::from_secs(3600)), "it was over, and received");
            assert!(timer.reset(MS));
            sleep(MS * 2);
            // Over, and not received: its value goes with the reset.
            let start = Instant::now();
            assert!(timer.reset(MS));
            assert!(timer.chan().recv().expect("it is not closed") >= start + MS);
        }
    });
}
