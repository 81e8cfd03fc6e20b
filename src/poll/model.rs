//! The gate: no event and no end of a wait is missed, and nobody is made ready twice.

use super::gate::Gate;
use crate::base::atomic::{AtomicUsize, Ordering};
use crate::base::check::{Arc, Plain, check, thread};
use core::ptr::NonNull;

/// A descriptor's one side. The kernel's buffer is a count of messages.
struct World {
    gate: Gate,
    messages: AtomicUsize,
    /// Somebody said that waiting is over.
    over: AtomicUsize,
    /// Written by the reader before it parks, used by whoever wakes it.
    registers: Plain,
    /// An aligned address to arm with.
    waiter: u64,
}

/// What the reader did.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Read,
    Over,
    /// It sleeps, and its waker has it.
    Parked,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(),
            messages: AtomicUsize::new(0),
            over: AtomicUsize::new(0),
            registers: Plain::new(0),
            waiter: 0,
        })
    }

    fn waiter(&self) -> NonNull<()> {
        NonNull::from(&self.waiter).cast()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) != 0
    }

    /// The reader's loop up to its park: A1 to A5.
    fn read(&self) -> Outcome {
        loop {
            if self.is_over() {
                return Outcome::Over;
            }
            self.gate.pass();
            // What the kernel does is ordered by locks of its own.
            if self.messages.load(Ordering::Acquire) > 0 {
                return Outcome::Read;
            }
            self.registers.bump();
            if self.gate.arm(self.waiter(), || self.is_over()) {
                return Outcome::Parked;
            }
        }
    }

    /// A message arrives, and the poller tells. True: the reader is the caller's to make ready.
    fn deliver(&self) -> bool {
        self.messages.fetch_add(1, Ordering::AcqRel);
        self.took(self.gate.open())
    }

    /// The wait is over, for everyone.
    fn end(&self) -> bool {
        self.over.store(1, Ordering::Relaxed);
        self.took(self.gate.knock())
    }

    fn took(&self, waiter: Option<NonNull<()>>) -> bool {
        let Some(waiter) = waiter else { return false };
        assert_eq!(waiter, self.waiter());
        assert!(self.registers.get() > 0, "its registers are saved");
        true
    }
}

/// What the reader comes to when `wakers` said so many times that it may go on.
fn judge(world: &World, outcome: &Outcome, woken: usize) {
    match outcome {
        Outcome::Parked => {
            assert_eq!(woken, 1, "asleep for ever, or made ready twice");
            // Whoever woke it left a reason.
            assert!(world.is_over() || world.messages.load(Ordering::Relaxed) > 0);
        }
        _ => assert_eq!(woken, 0, "made ready while it runs"),
    }
}

#[test]
fn model_gate_an_event_is_not_missed() {
    check(|| {
        let world = World::new();
        let poller = thread::spawn({
            let world = world.clone();
            move || world.deliver()
        });
        let outcome = world.read();
        let woken = poller.join().unwrap();
        judge(&world, &outcome, usize::from(woken));
    });
}

#[test]
fn model_gate_the_end_is_not_missed() {
    check(|| {
        let world = World::new();
        let closer = thread::spawn({
            let world = world.clone();
            move || world.end()
        });
        let outcome = world.read();
        let woken = closer.join().unwrap();
        judge(&world, &outcome, usize::from(woken));
        assert_ne!(outcome, Outcome::Read);
    });
}

#[test]
fn model_gate_an_event_and_the_end() {
    check(|| {
        let world = World::new();
        let wakers = [World::deliver as fn(&World) -> bool, World::end].map(|wake| {
            let world = world.clone();
            thread::spawn(move || wake(&world))
        });
        let outcome = world.read();
        let woken = wakers.into_iter().map(|w| w.join().unwrap());
        let woken = woken.filter(|woken| *woken).count();
        judge(&world, &outcome, woken);
    });
}

/// Two events, or an old one and a new one: the second is not swallowed with the first.
#[test]
fn model_gate_told_twice() {
    check(|| {
        let world = World::new();
        // An event of long ago, for which there is nothing to read any more.
        assert!(world.gate.open().is_none());
        let poller = thread::spawn({
            let world = world.clone();
            move || world.deliver()
        });
        let outcome = world.read();
        let woken = poller.join().unwrap();
        judge(&world, &outcome, usize::from(woken));
    });
}

/// A short read took all there was, so the read after it goes to sleep without having asked: what comes
/// after the short read is told, and ends the sleep or refuses it.
#[test]
fn model_gate_a_short_read_waits_at_once() {
    check(|| {
        let world = World::new();
        assert!(!world.deliver());
        let poller = thread::spawn({
            let world = world.clone();
            move || world.deliver()
        });
        world.gate.pass();
        assert!(world.messages.swap(0, Ordering::AcqRel) > 0);
        world.registers.bump();
        let told = world.gate.pass();
        let parked = !told && world.gate.arm(world.waiter(), || false);
        let woken = poller.join().unwrap();
        assert!(parked || !woken, "made ready while it runs");
        let left = world.messages.load(Ordering::Relaxed);
        assert!(!parked || woken || left == 0, "asleep before a message");
    });
}
