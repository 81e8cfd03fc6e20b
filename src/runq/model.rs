//! The run queues and free lists under every schedule: no element lost, doubled, or seen before it
//! was published.

use super::free::{FreeGlobal, FreeLocal, MAGAZINE};
use super::global::Global;
use super::ring::{CAP, Ring};
use crate::base::check::{Arc, Plain, check, thread};
use core::ptr::NonNull;

/// A goroutine, as far as a queue is concerned. `life` counts: 1 made, 2 taken.
struct Item {
    life: Plain,
}

/// Takes an item for good, and finds out if anybody else has.
fn take(x: NonNull<Item>) {
    // SAFETY: items live as long as their world, and threads are joined before it goes.
    assert_eq!(unsafe { x.as_ref() }.life.bump(), 1, "taken twice, or before it was made");
}

/// A victim's ring, the global queue, and the items that go through them.
struct World {
    ring: Ring<Item>,
    global: Global<Item>,
    items: Vec<Item>,
}

impl World {
    fn new(items: usize) -> Arc<Self> {
        let item = |_| Item { life: Plain::new(0) };
        Arc::new(Self {
            ring: Ring::new(),
            global: Global::new(),
            items: (0..items).map(item).collect(),
        })
    }

    /// Makes item `i` and pushes it. Only the ring's owner, the model's main thread, calls it.
    fn push(&self, i: usize) {
        self.items[i].life.bump();
        // SAFETY: the caller is the owner; the closure does not unwind or touch the ring.
        unsafe { self.ring.push(NonNull::from(&self.items[i]), |x| self.global.push(x)) };
    }

    /// Owner only, as `push`.
    fn pop(&self) {
        // SAFETY: the caller is the owner.
        unsafe { self.ring.pop() }.into_iter().for_each(take);
    }

    /// Owner only, as `push`: takes what is left and checks that nothing is missing.
    fn finish(&self) {
        // SAFETY: the caller is the owner.
        unsafe { self.ring.drain(take) };
        while let Some(x) = self.global.pop() {
            take(x);
        }
        assert!(self.items.iter().all(|item| item.life.get() == 2), "lost");
    }
}

/// Steals once and takes the loot.
fn rob(ring: &Ring<Item>) {
    let own = Ring::new();
    // SAFETY: `own` is the caller's.
    unsafe { ring.steal_into(&own) }.into_iter().for_each(take);
    // SAFETY: as above.
    unsafe { own.drain(take) };
}

fn thief(world: &Arc<World>) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || rob(&world.ring))
}

#[test]
fn model_ring_owner_against_thief() {
    check(|| {
        let world = World::new(4);
        world.push(0);
        let thief = thief(&world);
        world.push(1);
        world.push(2);
        world.pop();
        world.push(3);
        world.pop();
        thief.join().unwrap();
        world.finish();
    });
}

#[test]
fn model_ring_two_thieves() {
    check(|| {
        let world = World::new(3);
        (0..3).for_each(|i| world.push(i));
        let thieves = [thief(&world), thief(&world)];
        world.pop();
        thieves.into_iter().for_each(|t| t.join().unwrap());
        world.finish();
    });
}

/// The thief comes back until it reaches what was pushed last, by whichever path that went in.
#[test]
fn model_ring_overflow_against_thief() {
    const FULL: usize = CAP as usize;
    check(|| {
        let world = World::new(FULL + 1);
        (0..FULL).for_each(|i| world.push(i));
        let thief = thread::spawn({
            let world = world.clone();
            move || (0..3).for_each(|_| rob(&world.ring))
        });
        world.push(FULL);
        thief.join().unwrap();
        world.finish();
    });
}

/// What a thief puts into its own ring, with items there already, is stolen at once.
#[test]
fn model_ring_thief_is_robbed() {
    check(|| {
        let (victim, world) = (World::new(4), World::new(1));
        let robber = thread::spawn({
            let world = world.clone();
            move || (0..2).for_each(|_| rob(&world.ring))
        });
        (0..4).for_each(|i| victim.push(i));
        world.push(0);
        // SAFETY: this thread owns both rings.
        unsafe { victim.ring.steal_into(&world.ring) }.into_iter().for_each(take);
        robber.join().unwrap();
        // SAFETY: as above.
        unsafe { world.ring.drain(take) };
        world.finish();
        victim.finish();
    });
}

#[test]
fn model_ring_is_not_empty_while_an_element_stays() {
    check(|| {
        let world = World::new(4);
        (0..2).for_each(|i| world.push(i));
        let observer = thread::spawn({
            let world = world.clone();
            move || assert!(!world.ring.is_empty() && world.ring.len() > 0)
        });
        // At least one element is there at any moment, though never the same for long.
        world.pop();
        world.push(2);
        world.pop();
        world.push(3);
        observer.join().unwrap();
        world.finish();
    });
}

#[test]
fn model_global_is_shared_by_all() {
    check(|| {
        let world = World::new(3);
        let others = [1, 2].map(|i| {
            let world = world.clone();
            thread::spawn(move || {
                world.items[i].life.bump();
                world.global.push(NonNull::from(&world.items[i]));
                world.global.pop().into_iter().for_each(take);
            })
        });
        world.push(0);
        others.into_iter().for_each(|t| t.join().unwrap());
        world.finish();
    });
}

/// Both levels of a free list, and the items, all free at first in the main thread's list.
struct Lists {
    global: FreeGlobal<Item>,
    items: Vec<Item>,
}

#[test]
fn model_free_spill_against_refill() {
    const N: usize = 2 * MAGAZINE + 1;
    check(|| {
        let item = |_| Item { life: Plain::new(0) };
        let lists =
            Arc::new(Lists { global: FreeGlobal::new(), items: (0..N).map(item).collect() });
        let other = thread::spawn({
            let lists = lists.clone();
            move || {
                let own = FreeLocal::new();
                own.pop(&lists.global).into_iter().for_each(take);
                own.pop(&lists.global).into_iter().for_each(take);
                own.flush(&lists.global);
            }
        });
        let own = FreeLocal::new();
        for item in &lists.items {
            item.life.bump();
            // SAFETY: items outlive the lists, and each is freed once.
            unsafe { own.push(NonNull::from(item), &lists.global) };
        }
        lists.global.pop().into_iter().for_each(take);
        own.flush(&lists.global);
        other.join().unwrap();
        while let Some(x) = own.pop(&lists.global) {
            take(x);
        }
        assert!(lists.items.iter().all(|item| item.life.get() == 2), "lost");
    });
}

#[test]
fn model_free_single_elements() {
    check(|| {
        let item = |_| Item { life: Plain::new(1) };
        let lists =
            Arc::new(Lists { global: FreeGlobal::new(), items: (0..3).map(item).collect() });
        for item in &lists.items[..2] {
            // SAFETY: items outlive the lists, and each is freed once.
            unsafe { lists.global.push(NonNull::from(item)) };
        }
        let other = thread::spawn({
            let lists = lists.clone();
            move || lists.global.pop().into_iter().for_each(take)
        });
        // SAFETY: as above.
        unsafe { lists.global.push(NonNull::from(&lists.items[2])) };
        lists.global.pop().into_iter().for_each(take);
        other.join().unwrap();
        while let Some(x) = lists.global.pop() {
            take(x);
        }
        assert!(lists.items.iter().all(|item| item.life.get() == 2), "lost");
    });
}
