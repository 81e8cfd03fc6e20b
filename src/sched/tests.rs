//! The pure core's promises on one thread, and stress runs on several.

use super::lease::Lease;
use super::order::Order;
use super::spin::Spin;
use core::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

fn full() -> bool {
    fence(Ordering::SeqCst);
    true
}

#[test]
fn lease_can_be_borrowed_only_while_its_owner_is_out() {
    for fenced in [false, true] {
        let lease = Lease::new(fenced);
        assert_eq!(lease.borrow(full, || ()), None, "the owner is inside");
        lease.leave();
        assert_eq!(lease.borrow(full, || 7), Some(7));
        lease.enter();
        assert_eq!(lease.borrow(full, || 8), None);
        lease.leave();
    }
}

#[test]
fn borrowed_lease_comes_back_even_if_the_borrower_panics() {
    let lease = Lease::new(false);
    lease.leave();
    let borrower = std::panic::AssertUnwindSafe(|| lease.borrow(full, || panic!("borrower")));
    assert!(std::panic::catch_unwind(borrower).is_err());
    lease.enter();
    lease.leave();
}

#[test]
fn lease_is_not_borrowed_without_a_barrier_and_goes_on_with_fences() {
    let lease = Lease::new(false);
    lease.leave();
    assert_eq!(lease.borrow(|| false, || ()), None, "the barrier failed");
    lease.fence();
    assert_eq!(lease.borrow(full, || 7), Some(7));
    lease.enter();
    assert_eq!(lease.borrow(full, || 8), None, "the owner is inside");
    lease.leave();
}

#[test]
fn fenced_lease_excludes() {
    struct Shared(Cell<usize>);
    // SAFETY: the lease under test is the lock.
    unsafe impl Sync for Shared {}
    let (lease, shared) = (Lease::new(true), Shared(Cell::new(0)));
    let shared = &shared;
    let (stop, borrowed) = (AtomicBool::new(false), AtomicUsize::new(0));
    lease.leave();
    let entered = std::thread::scope(|s| {
        s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if lease.borrow(full, || shared.0.set(shared.0.get() + 1)).is_some() {
                    borrowed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut entered = 0;
        while entered < 20_000 || (borrowed.load(Ordering::Relaxed) == 0) {
            lease.enter();
            shared.0.set(shared.0.get() + 1);
            lease.leave();
            entered += 1;
        }
        stop.store(true, Ordering::Relaxed);
        entered
    });
    assert_eq!(shared.0.get(), entered + borrowed.load(Ordering::Relaxed));
}

#[test]
fn walks_visit_every_p_once_and_start_everywhere() {
    for procs in 1..=64u32 {
        let order = Order::new(procs);
        let common = |s: u32, d| s.is_multiple_of(d) && procs.is_multiple_of(d);
        let coprime = |s: &u32| !(2..=procs).any(|d| common(*s, d));
        let strides = (1..=procs).filter(coprime).count();
        let mut starts = vec![false; procs as usize];
        let mut seconds = std::collections::BTreeSet::new();
        for random in 0..procs * strides as u32 {
            let walk = order.walk(random);
            assert_eq!(walk.len(), procs as usize);
            let mut seen: Vec<_> = walk.collect();
            starts[seen[0]] = true;
            if seen[0] == 0 {
                seconds.insert(seen.get(1).copied());
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..procs as usize).collect::<Vec<_>>(), "procs {procs}");
        }
        assert!(starts.iter().all(|s| *s));
        assert_eq!(seconds.len(), strides, "every stride is used, procs {procs}");
    }
}

#[test]
fn at_most_half_of_the_busy_ps_spin() {
    let spin = Spin::new();
    let spinners = (0..8).take_while(|_| spin.may_spin(8)).count();
    assert_eq!(spinners, 4);
    (0..4).for_each(|_| spin.p_idle());
    spin.stop_spinning();
    spin.stop_spinning();
    assert!(!spin.may_spin(8), "4 busy, 2 spin");
    assert_eq!((spin.idle(), spin.spinning()), (4, 2));
    spin.stop_spinning();
    assert!(spin.may_spin(8));
}

#[test]
fn one_wake_at_a_time_and_only_for_an_idle_p() {
    let spin = Spin::new();
    assert!(!spin.should_wake(), "no idle P");
    spin.p_idle();
    assert!(spin.should_wake());
    assert!(!spin.should_wake(), "one is on its way");
    spin.p_busy();
    assert!(spin.found_work(), "it was the last");
    assert!(!spin.should_wake(), "no idle P");
    assert!(spin.may_spin(4));
    assert!(spin.may_spin(4));
    assert!(!spin.found_work(), "another spins");
}

#[test]
fn wake_that_found_no_p_leaves_no_spinner_behind() {
    let spin = Spin::new();
    spin.p_idle();
    assert!(spin.should_wake());
    spin.p_busy();
    spin.wake_failed();
    assert_eq!((spin.idle(), spin.spinning()), (0, 0));
    spin.p_idle();
    spin.look_again();
    assert!(spin.should_wake());
}

#[test]
fn sleeper_that_sees_work_spins_again() {
    let spin = Spin::new();
    assert!(spin.may_spin(2));
    spin.p_idle();
    spin.stop_spinning();
    assert_eq!(spin.spinning(), 0);
    spin.p_busy();
    spin.start_spinning();
    assert!(!spin.should_wake(), "no idle P, and a spinner");
    assert!(spin.found_work());
}
