//! What a goroutine's stack has been through: how far its reserve is open, and what is under way.
//! Kept only for goroutines that have come to the end of a stack at least once.
//!
//! Touched by the goroutine's own thread alone: in its signal handlers, and by code it runs.

use super::GRef;
use crate::stack::Slot;
use crate::sys::mem;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Strain {
    /// Stacks with an open reserve: (base of the slot, lowest open address). Two: a goroutine's home
    /// and the segment it is on.
    edges: Cell<[(usize, usize); 2]>,
    /// It runs step by step, to the next call at which it can panic.
    pub(crate) stepping: Cell<bool>,
    /// It was stepping when it left its thread, and is to go on so.
    pub(crate) postponed: Cell<bool>,
    /// Steps since it last met the end of its stack.
    pub(crate) steps: Cell<u32>,
    /// The stack pointer of the frame that will catch the panic being raised.
    pub(crate) catch: Cell<usize>,
    /// Panics of overflows that have not been caught yet.
    pub(crate) unwinding: Cell<u32>,
    /// Panic hooks it is in: a panic there cannot be raised.
    pub(crate) hooks: Cell<u32>,
}

// SAFETY: reached through the goroutine and used by the thread that runs it (the head); what
// makes it move from one thread to another orders the accesses.
unsafe impl Sync for Strain {}

impl Strain {
    /// The lowest open address of the stack at `base`, which is `limit` unless it was opened.
    pub(crate) fn edge(&self, base: usize, limit: usize) -> usize {
        self.edges.get().iter().find(|e| e.0 == base).map_or(limit, |e| e.1)
    }

    /// Remembers how far the stack at `base` is open; `limit`: not at all.
    pub(crate) fn set_edge(&self, base: usize, edge: usize, limit: usize) {
        let mut edges = self.edges.get();
        let at = edges.iter().position(|e| e.0 == base);
        let at = at.or_else(|| edges.iter().position(|e| e.0 == 0)).unwrap_or(1);
        edges[at] = if edge == limit { (0, 0) } else { (base, edge) };
        self.edges.set(edges);
    }

    /// What was under way has come to an end.
    pub(crate) fn relax(&self) {
        self.stepping.set(false);
        self.postponed.set(false);
        self.steps.set(0);
    }
}

impl GRef {
    /// Makes the stack that it runs on usable from `to` on, which lies in the reserve. False: the
    /// kernel refuses.
    pub(crate) fn open_reserve(self, slot: Slot, to: usize) -> bool {
        let strain = self.strain();
        let edge = strain.edge(slot.base, slot.limit);
        // SAFETY: the reserve of the stack that the goroutine runs on.
        if to < edge && unsafe { slot.open(to..edge) }.is_err() {
            return false;
        }
        strain.set_edge(slot.base, to.min(edge), slot.limit);
        true
    }

    /// Closes the reserve of a stack of its own again, if it is open, as far as it lies below `to`,
    /// below which nothing is in use.
    pub(crate) fn close_reserve(self, slot: Slot, to: usize) {
        let Some(strain) = self.strain.get() else { return };
        let edge = strain.edge(slot.base, slot.limit);
        let to = slot.limit.min(to & !(mem::PAGE - 1));
        // SAFETY: the reserve of the goroutine's stack; the caller says that nothing lies there.
        if edge < to && unsafe { slot.close(edge..to) }.is_ok() {
            strain.set_edge(slot.base, to, slot.limit);
        }
    }

    /// It is back on a thread: if it was stepping when it left the last one, it goes on so.
    #[inline(always)]
    pub(crate) fn resumed(self) {
        if self.strain.get().is_some() {
            self.step_again();
        }
    }

    #[cold]
    #[inline(never)]
    fn step_again(self) {
        self.recover();
        if self.strain().postponed.get() {
            crate::switch::step();
        }
    }

    /// Closes the reserve of the stack that the caller runs on, if it is open and the caller is far
    /// enough from it.
    #[cold]
    #[inline(never)]
    pub(crate) fn recover(self) {
        let (slot, here) = (self.stack(), 0_u8);
        let sp = (&raw const here).addr();
        if sp.saturating_sub(slot.reserve()) > slot.limit {
            self.close_reserve(slot, slot.limit);
        }
    }

    /// Its function has returned: the next one on its stack begins afresh.
    #[inline]
    pub(crate) fn rest(self) {
        if let Some(strain) = self.strain.get() {
            strain.relax();
            strain.unwinding.set(0);
            self.recover();
        }
    }

    /// The strain of the goroutine that runs on the calling thread; made at the first call, which
    /// may be in a signal handler.
    pub(crate) fn strain(&self) -> &'static Strain {
        self.strain.get().unwrap_or_else(|| {
            let new = allocate();
            self.strain.set(Some(new));
            new
        })
    }
}

/// A place for a [`Strain`], without the allocator: that may be what was interrupted. Nothing is
/// given back, as control blocks are not.
fn allocate() -> &'static Strain {
    const CHUNK: usize = 16 * mem::PAGE;
    const SIZE: usize = size_of::<Strain>().next_multiple_of(64);
    /// The next free place; at the end of a chunk, or 0, there is none.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut next = NEXT.load(Ordering::Relaxed);
    loop {
        let (at, after) = if next.is_multiple_of(CHUNK) || next % CHUNK + SIZE > CHUNK {
            // Twice as much as needed, so that a chunk can be aligned to its size.
            let Some(map) = mem::map(2 * CHUNK) else {
                crate::base::fatal::fatal(format_args!("out of memory"))
            };
            let at = map.next_multiple_of(CHUNK) + SIZE;
            (at, at + SIZE)
        } else {
            (next, next + SIZE)
        };
        // Relaxed: a place is used by the goroutine that gets it. A lost chunk is a lost race.
        match NEXT.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                let place = std::ptr::with_exposed_provenance_mut::<Strain>(at);
                // SAFETY: the place is ours by the exchange, large enough and aligned to 64.
                unsafe { place.write(Strain::default()) };
                // SAFETY: written above, and never given back.
                return unsafe { &*place };
            }
            Err(now) => next = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stack_has_an_edge_of_its_own() {
        let s = Strain::default();
        assert_eq!(s.edge(0x1000, 0x9000), 0x9000);
        s.set_edge(0x1000, 0x8000, 0x9000);
        s.set_edge(0x20_000, 0x27_000, 0x29_000);
        assert_eq!((s.edge(0x1000, 0x9000), s.edge(0x20_000, 0x29_000)), (0x8000, 0x27_000));
        // A third one takes the place of the second: the home keeps its own.
        s.set_edge(0x30_000, 0x37_000, 0x39_000);
        assert_eq!((s.edge(0x1000, 0x9000), s.edge(0x20_000, 0x29_000)), (0x8000, 0x29_000));
        s.set_edge(0x1000, 0x9000, 0x9000);
        assert_eq!(s.edges.get()[0], (0, 0));
    }
}
