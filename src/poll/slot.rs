//! Slots: what is known of one registered descriptor, in memory that is never given back.
//!
//! They stand in chunks, each twice as large as the one before, and are found by number without a
//! lock. Free ones are linked under the lock of [`Slots`].

use super::gate::Gate;
use crate::base::width::Wide;
use crate::sys::clock::NEVER;
use crate::sys::epoll::Happened;
use crate::sys::lock::Lock;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// Slots in the first chunk.
const FIRST: u32 = 64;
/// Enough for every number of 31 bits.
const CHUNKS: usize = 25;

/// The one side of a descriptor or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];
}

/// No operation may begin, none may go on waiting.
const CLOSED: u32 = 1;
/// A short read does not say that the next one would wait.
const END: u32 = 2;

/// See the head. A cache line of its own: an event for one must not slow its neighbour.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Slot {
    gates: [Gate; 2],
    /// When waiting ends, by direction: [`NEVER`], or what the owner of the descriptor says.
    pub(crate) deadlines: [Wide; 2],
    /// The same for the call that waits just now.
    pub(crate) limits: [Wide; 2],
    flags: AtomicU32,
    /// Which owner of this slot it is. Changed when one leaves.
    generation: AtomicU32,
    number: u32,
    /// The next free one; under the lock.
    next: Cell<Option<&'static Slot>>,
}

// SAFETY: `next` is used under the lock of `Slots`; the rest are atomics.
unsafe impl Sync for Slot {}

impl Slot {
    fn new(number: u32) -> Self {
        Self {
            gates: [Gate::new(), Gate::new()],
            deadlines: [Wide::new(NEVER), Wide::new(NEVER)],
            limits: [Wide::new(NEVER), Wide::new(NEVER)],
            flags: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            number,
            next: Cell::new(None),
        }
    }

    #[inline]
    pub(crate) fn gate(&self, direction: Direction) -> &Gate {
        &self.gates[direction as usize]
    }

    /// What events for the present owner are marked with. Never `u64::MAX`: a number has 31 bits.
    pub(super) fn tag(&self) -> u64 {
        u64::from(self.generation.load(Ordering::Relaxed)) << 32 | u64::from(self.number)
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Says that it is closed; false if it was. Then the caller knocks at both gates.
    pub(crate) fn close(&self) -> bool {
        self.flags.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0
    }

    /// Whether a short read tells nothing; see [`Happened`].
    #[inline]
    pub(crate) fn at_end(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & END != 0
    }

    /// Takes note of an event; hands out who waited for it.
    fn happened(&self, what: Happened, mut ready: impl FnMut(NonNull<()>)) {
        // Before the gates: who passes one sees it.
        if what.end && !self.at_end() {
            self.flags.fetch_or(END, Ordering::Release);
        }
        if what.readable {
            self.gate(Direction::Read).open().map(&mut ready);
        }
        if what.writable {
            self.gate(Direction::Write).open().map(&mut ready);
        }
    }
}

/// All slots.
#[derive(Debug)]
pub(super) struct Slots {
    chunks: [AtomicPtr<Slot>; CHUNKS],
    pool: Lock<Pool>,
}

#[derive(Debug)]
struct Pool {
    free: Option<&'static Slot>,
    /// How many were ever made.
    made: u32,
}

/// Chunk and place of slot `number`: chunk k begins at FIRST * (2^k - 1).
fn locate(number: u32) -> (usize, usize) {
    let chunk = (number / FIRST + 1).ilog2();
    (chunk as usize, (number - FIRST * ((1 << chunk) - 1)) as usize)
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self {
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
            pool: Lock::new(Pool { free: None, made: 0 }),
        }
    }

    /// A slot for a new descriptor. Its former owner's deadlines and flags are gone.
    pub(super) fn take(&self) -> &'static Slot {
        let mut pool = self.pool.lock();
        let slot = match pool.free {
            Some(slot) => {
                pool.free = slot.next.take();
                slot
            }
            None => {
                pool.made += 1;
                self.make(pool.made - 1)
            }
        };
        drop(pool);
        slot.flags.store(0, Ordering::Relaxed);
        for direction in Direction::BOTH {
            slot.deadlines[direction as usize].store(NEVER, Ordering::Relaxed);
            slot.limits[direction as usize].store(NEVER, Ordering::Relaxed);
            slot.gate(direction).pass();
        }
        slot
    }

    /// The place of slot `number`, in a chunk that is made for the first of it. Under the lock.
    fn make(&self, number: u32) -> &'static Slot {
        let (chunk, at) = locate(number);
        if at == 0 {
            let first = number;
            let slots: Vec<Slot> = (first..first + (FIRST << chunk)).map(Slot::new).collect();
            // Release: pairs with `at`. Never freed.
            self.chunks[chunk].store(Vec::leak(slots).as_mut_ptr(), Ordering::Release);
        }
        self.at(number)
    }

    fn at(&self, number: u32) -> &'static Slot {
        let (chunk, at) = locate(number);
        // Acquire: pairs with `make`.
        let first = self.chunks[chunk].load(Ordering::Acquire);
        // SAFETY: the number was given out, so its chunk was made, with that many slots, and leaked.
        unsafe { &*first.add(at) }
    }

    /// Takes the slot back. Nobody waits at its gates; events on their way are stale from now on.
    pub(super) fn give(&self, slot: &'static Slot) {
        slot.generation.fetch_add(1, Ordering::Release);
        let mut pool = self.pool.lock();
        slot.next.set(pool.free.replace(slot));
    }

    /// Tells the slot that `tag` names of an event, unless its owner has left.
    pub(super) fn happened(&self, tag: u64, what: Happened, ready: impl FnMut(NonNull<()>)) {
        let slot = self.at(tag as u32);
        if slot.generation.load(Ordering::Acquire) == (tag >> 32) as u32 {
            slot.happened(what, ready);
        }
    }

    /// Whether anybody waits anywhere. Slow: looks at all.
    pub(super) fn any_waiter(&self) -> bool {
        let made = self.pool.lock().made;
        (0..made).any(|n| Direction::BOTH.iter().any(|d| self.at(n).gate(*d).is_waited_at()))
    }
}
