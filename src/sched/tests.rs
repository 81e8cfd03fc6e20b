//! The pure core's promises on one thread, and stress runs on several.

use super::lease::Lease;
use core::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

fn full() {
    fence(Ordering::SeqCst);
}

#[test]
fn lease_can_be_revoked_only_while_its_owner_is_out() {
    for fenced in [false, true] {
        let lease = Lease::new(fenced);
        assert!(!lease.try_revoke(full), "nothing to take yet");
        lease.grant();
        assert!(!lease.try_revoke(full), "the owner is inside");
        assert_eq!(lease.borrow(full, || ()), None);
        lease.leave();
        assert!(lease.enter(), "nobody came");
        lease.leave();
        assert!(lease.try_revoke(full));
        assert!(!lease.try_revoke(full), "taken already");
        assert!(!lease.enter());
        lease.grant();
        lease.leave();
        assert!(lease.enter());
    }
}

#[test]
fn borrowed_lease_comes_back_even_if_the_borrower_panics() {
    let lease = Lease::new(false);
    lease.grant();
    lease.leave();
    assert_eq!(lease.borrow(full, || 7), Some(7));
    let borrower = std::panic::AssertUnwindSafe(|| lease.borrow(full, || panic!("borrower")));
    assert!(std::panic::catch_unwind(borrower).is_err());
    assert!(lease.enter());
}

#[test]
fn surrender_wins_against_a_revoker_that_has_asked() {
    for fenced in [false, true] {
        let lease = Lease::new(fenced);
        lease.grant();
        // The barrier is the one place where the owner can act between the two halves of a revoke.
        assert!(!lease.try_revoke(|| lease.surrender()), "still inside");
        lease.grant();
        let gone = || {
            lease.surrender();
            lease.leave();
        };
        assert!(!lease.try_revoke(gone), "outside, but the P is somebody else's by now");
        assert!(!lease.enter());
        let again = || {
            lease.surrender();
            lease.grant();
            lease.leave();
        };
        lease.grant();
        assert!(!lease.try_revoke(again), "another P than the one asked for");
        assert!(lease.enter());
    }
}

/// Owner and borrower add to one plain counter; a lost exclusion loses an addition.
#[test]
fn fenced_lease_excludes() {
    struct Shared(Cell<usize>);
    // SAFETY: the lease under test is the lock.
    unsafe impl Sync for Shared {}
    let (lease, shared) = (Lease::new(true), Shared(Cell::new(0)));
    let shared = &shared;
    let (stop, borrowed) = (AtomicBool::new(false), AtomicUsize::new(0));
    lease.grant();
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
            assert!(lease.enter());
            shared.0.set(shared.0.get() + 1);
            lease.leave();
            entered += 1;
        }
        stop.store(true, Ordering::Relaxed);
        entered
    });
    assert_eq!(shared.0.get(), entered + borrowed.load(Ordering::Relaxed));
}
