//! The park/ready race on a [`Oneshot`](super::oneshot::Oneshot), as a join uses it, and the race of
//! several wakers for one [`Claim`](super::claim::Claim), as a select has it. The holder and the runner
//! of a goroutine: `model/hold.rs`.

mod hold;

use super::check::{Arc, Mutex, Plain, check, thread};
use super::claim::{Claim, Ended};
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

/// A wait that two channels and a timer may end, as a select with a time limit has it: each channel
/// has its lock (the queue with the record in it), which the waiter passes through before it leaves.
struct Race {
    claim: Claim,
    queues: [Mutex<bool>; 2],
    /// The value that was handed over; whoever wins writes it, the waiter reads it.
    slot: Plain,
    /// The record's memory: whoever holds its queue's lock and finds it there may look.
    record: [Plain; 2],
}

impl Race {
    fn record(&self, i: usize) -> NonNull<()> {
        NonNull::from(&self.record[i]).cast()
    }

    /// A sender on channel `i`. True: it ended the wait.
    fn send(&self, i: usize) -> bool {
        let mut queue = self.queues[i].lock().unwrap();
        if !std::mem::take(&mut *queue) {
            return false;
        }
        self.record[i].get();
        let won = self.claim.take(self.record(i));
        if won {
            self.slot.bump();
        }
        won
    }

    /// The waiter once it is resumed: leaves every queue but the winner's, and its stack is gone.
    fn leave(&self, ended: Ended) {
        for i in 0..2 {
            if ended == Ended::By(self.record(i)) {
                continue;
            }
            *self.queues[i].lock().unwrap() = false;
            self.record[i].bump();
        }
        let value = self.slot.get();
        assert_eq!(
            value,
            usize::from(ended != Ended::Expired),
            "the winner's value, and only that"
        );
    }
}

#[test]
fn model_one_of_two_senders_and_a_timer_ends_a_wait() {
    check(|| {
        let race = Arc::new(Race {
            claim: Claim::new(),
            queues: [Mutex::new(true), Mutex::new(true)],
            slot: Plain::new(0),
            record: [Plain::new(0), Plain::new(0)],
        });
        let sender = thread::spawn({
            let race = race.clone();
            move || race.send(0)
        });
        let timer = thread::spawn({
            let race = race.clone();
            move || race.claim.expire()
        });
        let second = race.send(1);
        let first = sender.join().unwrap();
        let expired = timer.join().unwrap();
        let winners = usize::from(first) + usize::from(second) + usize::from(expired);
        assert_eq!(winners, 1, "ended twice, or not at all");
        race.leave(race.claim.ended().unwrap());
    });
}

/// The waiter leaves while a loser may still look at its record and claim.
#[test]
fn model_waiter_leaves_only_when_losers_have_looked() {
    check(|| {
        let race = Arc::new(Race {
            claim: Claim::new(),
            queues: [Mutex::new(true), Mutex::new(true)],
            slot: Plain::new(0),
            record: [Plain::new(0), Plain::new(0)],
        });
        let loser = thread::spawn({
            let race = race.clone();
            move || race.send(0)
        });
        let second = race.send(1);
        if let Some(ended) = race.claim.ended().filter(|_| second) {
            race.leave(ended);
        }
        let first = loser.join().unwrap();
        assert!(first != second, "ended twice, or not at all");
    });
}
