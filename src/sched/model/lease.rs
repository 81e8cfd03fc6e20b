//! The lease: the owner, one revoker, and a P that notices when both use it.

use crate::base::atomic::{Ordering, fence};
use crate::base::check::{Arc, Plain, check, thread};
use crate::sched::lease::Lease;

/// Which barrier the revoker brings.
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

/// A lease, the P it is on, and the P that its owner gets after it has given up the first.
struct World {
    kind: Barrier,
    lease: Lease,
    ps: [Plain; 2],
    /// Which of the two the lease is on. The owner writes it, inside.
    which: Plain,
}

impl World {
    /// The owner is outside and has its first P.
    fn new(kind: Barrier) -> Arc<Self> {
        let world = Self {
            kind,
            lease: Lease::new(matches!(kind, Barrier::Fence)),
            ps: [Plain::new(0), Plain::new(0)],
            which: Plain::new(0),
        };
        world.lease.grant();
        world.lease.leave();
        Arc::new(world)
    }

    fn barrier(&self) {
        match self.kind {
            Barrier::Fence => fence(Ordering::SeqCst),
            #[cfg(loom)]
            Barrier::Ipi => crate::base::ipi::barrier(),
            #[cfg(shuttle)]
            Barrier::Nothing => {}
        }
    }

    /// The P that the lease is on, used by who has the right to.
    fn use_p(&self) {
        self.ps[self.which.get()].bump();
    }

    fn revoke(&self) -> bool {
        let revoked = self.lease.try_revoke(|| self.barrier());
        if revoked {
            self.use_p();
        }
        revoked
    }

    fn borrow(&self) -> bool {
        self.lease.borrow(|| self.barrier(), || self.use_p()).is_some()
    }

    /// Inside and out again. True: with the P.
    fn visit(&self) -> bool {
        let has_p = self.lease.enter();
        if has_p {
            self.use_p();
        }
        self.lease.leave();
        has_p
    }
}

/// Runs `owner` on a thread that barriers reach, and `revoker` on another; then `check_end`.
fn race<O, R>(
    owner: impl Fn(&World) -> O + Copy + Send + Sync + 'static,
    revoker: impl Fn(&World) -> R + Copy + Send + Sync + 'static,
    check_end: impl Fn(&World, O, R) + Copy + Send + Sync + 'static,
) where
    O: Send + 'static,
    R: Send + 'static,
{
    for kind in KINDS {
        check(move || {
            let world = World::new(kind);
            let revoker = thread::spawn({
                let world = world.clone();
                move || revoker(&world)
            });
            #[cfg(loom)]
            crate::base::ipi::become_target();
            let outcome = owner(&world);
            #[cfg(loom)]
            crate::base::ipi::leave_cpu();
            check_end(&world, outcome, revoker.join().unwrap());
        });
    }
}

#[test]
fn model_lease_revoked_or_not() {
    let owner = |world: &World| [world.visit(), world.visit()];
    race(owner, World::revoke, |world, visits, revoked| {
        assert!(visits[0] || !visits[1], "a revoked P does not come back by itself");
        assert!(revoked || visits[1], "nobody took it");
        let uses = visits.iter().filter(|v| **v).count() + usize::from(revoked);
        assert_eq!(world.ps[0].get(), uses);
    });
}

#[test]
fn model_lease_borrowed() {
    let owner = |world: &World| [world.visit(), world.visit()];
    let revoker = |world: &World| [world.borrow(), world.borrow()];
    race(owner, revoker, |world, visits, borrowed| {
        assert_eq!(visits, [true; 2], "the owner never learns of it");
        let borrows = borrowed.iter().filter(|b| **b).count();
        assert_eq!(world.ps[0].get(), 2 + borrows);
    });
}

#[test]
fn model_lease_borrowed_then_revoked() {
    let revoker = |world: &World| (world.borrow(), world.revoke());
    race(World::visit, revoker, |world, visited, (borrowed, revoked)| {
        assert!(visited || revoked);
        let uses = [visited, borrowed, revoked].into_iter().filter(|u| *u).count();
        assert_eq!(world.ps[0].get(), uses);
    });
}

/// The owner gives its first P up, inside; whoever has it then uses it.
fn give_up(world: &World) -> bool {
    let has_p = world.lease.enter();
    if has_p {
        world.lease.surrender();
        world.ps[0].bump();
    }
    has_p
}

#[test]
fn model_lease_surrendered_or_revoked() {
    let owner = |world: &World| {
        let gave = give_up(world);
        world.lease.leave();
        gave
    };
    race(owner, World::revoke, |world, gave, revoked| {
        assert_ne!(gave, revoked, "the P goes to exactly one");
        assert_eq!(world.ps[0].get(), 1);
    });
}

/// A revoker that asked for the first P must not come away with it when the lease is on the second.
#[test]
fn model_lease_moves_to_another_p() {
    let owner = |world: &World| {
        let gave = give_up(world);
        world.which.bump();
        world.lease.grant();
        world.lease.leave();
        (gave, world.visit())
    };
    let revoker = |world: &World| {
        let which = world.lease.revoke_with(|| world.barrier(), || world.which.get());
        if let Some(p) = which {
            world.ps[p].bump();
        }
        which
    };
    race(owner, revoker, |world, (gave, visited), revoked| {
        let second = revoked == Some(1);
        assert_eq!(gave, revoked != Some(0), "the first P goes to exactly one");
        assert!(visited || second, "nobody took the second");
        assert_eq!(world.ps[0].get(), 1);
        assert_eq!(world.ps[1].get(), usize::from(visited) + usize::from(second));
    });
}
