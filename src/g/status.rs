//! The states of a goroutine and who may change them.
//!
//! | from \ to | Runnable | Running | Waiting | Dead |
//! |-----------|----------|---------|---------|------|
//! | Idle      | -        | -       | -       | the spawner that took the fresh slot |
//! | Dead      | the spawner that took it from a free list | - | - | - |
//! | Runnable  | -        | the M that took it from a queue | - | - |
//! | Running   | the M it ran on (yield; commit refused) | - | the M it ran on (park) | the M it ran on (exit) |
//! | Waiting   | whoever was handed it (`ready`) | - | - | - |
//!
//! Every transition has exactly one party entitled to it, and the right passes with the goroutine
//! itself: through a queue (Release/Acquire of the queue), through the lock under which a waiter
//! was enqueued, or by program order on one M. So a state is a plain store, never a
//! compare-exchange; debug builds check the state that was left. Other threads read it only to
//! print it. The numbers are Go's (`runtime2.go`), so that `scheddetail` lines read alike.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a goroutine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// The slot was mapped, the control block never written.
    Idle = 0,
    /// In a run queue.
    Runnable = 1,
    /// On an M.
    Running = 2,
    /// Parked.
    Waiting = 4,
    /// Finished: in a free list, or being filled by a spawner.
    Dead = 6,
}

/// Marks that the scavenger leaves in the state of a parked or dead goroutine; any change of state
/// wipes them (`sched/scavenge.rs`). It has been that since an earlier walk:
pub(crate) const SEEN: u32 = 0x100;
/// and its stack has been emptied since.
pub(crate) const CLEAN: u32 = 0x200;
const STATE: u32 = 0xff;

impl State {
    /// The state in a word with marks.
    pub(crate) fn of(word: u32) -> Self {
        match word & STATE {
            0 => Self::Idle,
            1 => Self::Runnable,
            2 => Self::Running,
            4 => Self::Waiting,
            _ => Self::Dead,
        }
    }
}

/// A goroutine's state word.
#[derive(Debug)]
pub(crate) struct Status(AtomicU32);

impl Status {
    pub(crate) const fn idle() -> Self {
        Self(AtomicU32::new(State::Idle as u32))
    }

    pub(crate) const fn dead() -> Self {
        Self(AtomicU32::new(State::Dead as u32))
    }

    /// Moves from `from` to `to`. Release: the printer of a dump that reads `to` also sees the
    /// wait reason written before it.
    #[inline]
    pub(crate) fn set(&self, from: State, to: State) {
        if cfg!(debug_assertions) {
            let was = self.0.swap(to as u32, Ordering::Release) & STATE;
            assert_eq!(
                was, from as u32,
                "goroutine state: {was} left for {to:?}, expected {from:?}"
            );
        } else {
            self.0.store(to as u32, Ordering::Release);
        }
    }

    /// For printing and counting only: it may change at once.
    pub(crate) fn get(&self) -> State {
        State::of(self.word())
    }

    /// The state with its marks.
    pub(crate) fn word(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Adds a mark if the word is still `was`. Acquire: sees what whoever stored the state had done.
    pub(crate) fn mark(&self, was: u32, mark: u32) -> bool {
        self.0.compare_exchange(was, was | mark, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}
