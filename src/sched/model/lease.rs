//! The lease: the owner, one borrower, and a P that notices when both use it.

use crate::base::atomic::{Ordering, fence};
use crate::base::check::{Arc, Plain, check, thread};
use crate::sched::lease::Lease;

/// Which barrier the borrower brings.
#[derive(Clone, Copy)]
enum Barrier {
    Fence,
    #[cfg(loom)]
    Ipi,
    #[cfg(shuttle)]
    Nothing,
}

#[cfg(loom)]
const KINDS: [Barrier; 2] = [Barrier::Fence, Barrier::Ipi];
#[cfg(shuttle)]
const KINDS: [Barrier; 2] = [Barrier::Fence, Barrier::Nothing];

/// A lease, the place where its owner keeps a P, and the P.
struct World {
    kind: Barrier,
    lease: Lease,
    /// 0: the owner has the P, 1: it has been taken away.
    taken: Plain,
    /// Counts its uses.
    p: Plain,
}

impl World {
    /// The owner is outside and has its P.
    fn new(kind: Barrier) -> Arc<Self> {
        let world = Self {
            kind,
            lease: Lease::new(matches!(kind, Barrier::Fence)),
            taken: Plain::new(0),
            p: Plain::new(0),
        };
        world.lease.leave();
        Arc::new(world)
    }

    fn barrier(&self) -> bool {
        match self.kind {
            Barrier::Fence => fence(Ordering::SeqCst),
            #[cfg(loom)]
            Barrier::Ipi => crate::base::ipi::barrier(),
            #[cfg(shuttle)]
            Barrier::Nothing => {}
        }
        true
    }

    /// Uses the P where it is.
    fn borrow(&self) -> bool {
        self.lease.borrow(|| self.barrier(), || self.p.bump()).is_some()
    }

    /// Takes the P away and uses it afterwards, as its new holder.
    fn take_away(&self) -> bool {
        let took = self.lease.borrow(|| self.barrier(), || self.taken.bump()).is_some();
        if took {
            self.p.bump();
        }
        took
    }

    /// Inside and out again. True: with the P.
    fn visit(&self) -> bool {
        self.lease.enter();
        let has_p = self.taken.get() == 0;
        if has_p {
            self.p.bump();
        }
        self.lease.leave();
        has_p
    }
}

/// Runs `owner` on a thread that barriers reach, and `borrower` on another; then `check_end`.
fn race<O, R>(
    owner: impl Fn(&World) -> O + Copy + Send + Sync + 'static,
    borrower: impl Fn(&World) -> R + Copy + Send + Sync + 'static,
    check_end: impl Fn(&World, O, R) + Copy + Send + Sync + 'static,
) where
    O: Send + 'static,
    R: Send + 'static,
{
    for kind in KINDS {
        check(move || {
            let world = World::new(kind);
            let borrower = thread::spawn({
                let world = world.clone();
                move || borrower(&world)
            });
            #[cfg(loom)]
            crate::base::ipi::become_target();
            let outcome = owner(&world);
            #[cfg(loom)]
            crate::base::ipi::leave_cpu();
            check_end(&world, outcome, borrower.join().unwrap());
        });
    }
}

#[test]
fn model_lease_p_taken_away_or_not() {
    let owner = |world: &World| [world.visit(), world.visit()];
    race(owner, World::take_away, |world, visits, took| {
        assert!(visits[0] || !visits[1], "a P taken away does not come back by itself");
        assert!(took || visits[1], "nobody took it");
        let uses = visits.iter().filter(|v| **v).count() + usize::from(took);
        assert_eq!(world.p.get(), uses);
    });
}

#[test]
fn model_lease_borrowed() {
    let owner = |world: &World| [world.visit(), world.visit()];
    let borrower = |world: &World| [world.borrow(), world.borrow()];
    race(owner, borrower, |world, visits, borrowed| {
        assert_eq!(visits, [true; 2], "the owner never learns of it");
        let borrows = borrowed.iter().filter(|b| **b).count();
        assert_eq!(world.p.get(), 2 + borrows);
    });
}

#[test]
fn model_lease_borrowed_then_taken_away() {
    let borrower = |world: &World| (world.borrow(), world.take_away());
    race(World::visit, borrower, |world, visited, (borrowed, took)| {
        assert!(visited || took);
        let uses = [visited, borrowed, took].into_iter().filter(|u| *u).count();
        assert_eq!(world.p.get(), uses);
    });
}
