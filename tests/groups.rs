//! What `ErrGroup` and `SingleFlight` promise.

mod common;

use common::at_procs;
use gort::chan;
use gort::runtime::{goexit, gosched};
use gort::sync::{ErrGroup, SingleFlight};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn error_groups_return_the_first_error_and_cancel_once() {
    at_procs(|| {
        let cancelled = Arc::new(AtomicUsize::new(0));
        let count = cancelled.clone();
        let group = ErrGroup::with_cancel(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        for i in 0..10 {
            group.go(move || if i % 2 == 0 { Ok(()) } else { Err(i) });
        }
        assert!(group.wait().is_err_and(|i| i % 2 == 1));
        assert_eq!((group.wait(), cancelled.load(Ordering::Relaxed)), (Ok(()), 1));
    });
}

#[test]
fn error_groups_keep_their_limit() {
    at_procs(|| {
        let group = ErrGroup::<()>::new().limit(3);
        let (alive, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for i in 0..30 {
            let (alive, most) = (alive.clone(), most.clone());
            group.go(move || {
                most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gosched();
                alive.fetch_sub(1, Ordering::SeqCst);
                if i == 7 {
                    goexit();
                }
                Ok(())
            });
        }
        assert_eq!(group.wait(), Ok(()));
        assert!(most.load(Ordering::SeqCst) <= 3);
        let hold = chan::<()>(0);
        for _ in 0..3 {
            let hold = hold.clone();
            assert!(group.try_go(move || hold.recv().ok_or(())));
        }
        assert!(!group.try_go(|| Ok(())), "the places are taken");
        hold.close();
        assert_eq!(group.wait(), Err(()));
    });
}

/// All who ask while the call is under way get its result; who asks later makes a new one.
#[test]
fn single_flights_are_shared_while_they_fly() {
    at_procs(|| {
        let flights = Arc::new(SingleFlight::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let gate = chan::<()>(0);
        let ask = || {
            let (flights, calls, gate) = (flights.clone(), calls.clone(), gate.clone());
            gort::spawn(move || {
                flights.run("key", || {
                    _ = gate.recv();
                    calls.fetch_add(1, Ordering::Relaxed) + 1
                })
            })
        };
        let all: Vec<_> = (0..5).map(|_| ask()).collect();
        (0..50).for_each(|_| gosched());
        gate.close();
        let results: Vec<_> = all.into_iter().map(|one| one.join().unwrap().0).collect();
        let made = calls.load(Ordering::Relaxed);
        assert!(results.iter().all(|n| (1..=made).contains(n)));
        assert_eq!(flights.run("key", || 7), (7, false), "nothing is kept");
    });
}

#[test]
fn a_single_flight_that_panics_leaves_the_others_to_their_own() {
    at_procs(|| {
        let flights = Arc::new(SingleFlight::<u8, u32>::new());
        let (started, gate) = (chan::<()>(0), chan::<()>(0));
        let bad = gort::spawn({
            let (flights, started, gate) = (flights.clone(), started.clone(), gate.clone());
            move || {
                flights.run(1, || {
                    started.send(());
                    _ = gate.recv();
                    panic!("no result")
                })
            }
        });
        _ = started.recv();
        let good = gort::spawn({
            let flights = flights.clone();
            move || flights.run(1, || 2).0
        });
        (0..20).for_each(|_| gosched());
        gate.close();
        assert!(bad.join().is_err());
        assert_eq!(good.join().unwrap(), 2);
    });
}
