//! The park/ready race on a [`Oneshot`](super::oneshot::Oneshot), as a join uses it.

use super::check::{Arc, Plain, check, thread};
use super::oneshot::Oneshot;
use core::ptr::NonNull;

/// What the two sides share. The waiter's address stands for its goroutine.
struct Join {
    word: Oneshot,
    /// Written by the finisher, read by the waiter.
    result: Plain,
    /// Written by the waiter before it parks, used by whoever wakes it.
    registers: Plain,
    /// An aligned address to arm with.
    waiter: u64,
}

impl Join {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: Oneshot::new(),
            result: Plain::new(0),
            registers: Plain::new(0),
            waiter: 0,
        })
    }

    fn waiter(&self) -> NonNull<()> {
        NonNull::from(&self.waiter).cast()
    }

    /// The finishing goroutine. True: it has made the waiter ready.
    fn finish(&self) -> bool {
        self.result.bump();
        let Some(waiter) = self.word.fire() else { return false };
        assert_eq!(waiter, self.waiter());
        assert_eq!(self.registers.bump(), 1, "the waiter's registers are saved");
        true
    }

    /// The waiting goroutine's park commit. True: it sleeps until made ready.
    fn wait(&self) -> bool {
        self.registers.bump();
        let parked = self.word.arm(self.waiter());
        if !parked {
            assert_eq!(self.result.get(), 1, "the result is there");
            assert!(self.word.is_fired());
        }
        parked
    }
}

#[test]
fn model_waiter_and_finisher_meet_once() {
    check(|| {
        let join = Join::new();
        let finisher = thread::spawn({
            let join = join.clone();
            move || join.finish()
        });
        let parked = join.wait();
        let woken = finisher.join().unwrap();
        assert_eq!(parked, woken, "asleep for ever, or made ready while it runs");
    });
}

#[test]
fn model_who_sees_it_fired_sees_the_result() {
    check(|| {
        let join = Join::new();
        let finisher = thread::spawn({
            let join = join.clone();
            move || join.finish()
        });
        if join.word.is_fired() {
            assert_eq!(join.result.get(), 1);
        }
        assert!(!finisher.join().unwrap(), "nobody waits");
    });
}

#[test]
fn model_dropped_handle_and_finisher_agree_who_is_left_with_the_cell() {
    check(|| {
        let join = Join::new();
        let finisher = thread::spawn({
            let join = join.clone();
            move || {
                join.result.bump();
                let left = join.word.fire().is_some_and(Oneshot::is_detached);
                left.then(|| join.registers.bump())
            }
        });
        join.registers.bump();
        if !join.word.detach() {
            assert_eq!((join.result.get(), join.registers.bump()), (1, 1));
        }
        finisher.join().unwrap();
        assert_eq!(join.registers.get(), 2, "nobody frees the cell, or both do");
    });
}
