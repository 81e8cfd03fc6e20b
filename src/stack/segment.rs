//! Further segments: what a stack goes on with when its own slot is not enough and it may not move.
//!
//! A segment is a slot of its own table, with a [`Record`] at its top. Segments in use form a chain
//! from the innermost outwards, kept by whoever runs on them ([`Segments`]); those in no use lie in a
//! pool, a list per class. One that was left stays with its owner until the next is left, so that a
//! loop whose calls cross the same boundary again and again does not go through the pool.
//!
//! Invariants: a segment is in one pool list, or is one party's spare, or is in one chain; its record
//! is written by that party alone. Segments are never unmapped.

use super::arena::{CLASSES, Exhausted, Kind, Slot, class_bytes, class_for, fresh};
use crate::sys::lock::Lock;
use std::cell::Cell;
use std::mem::offset_of;
use std::ptr::NonNull;

/// What lies at the top of a segment.
#[derive(Debug)]
#[repr(align(64))]
struct Record {
    slot: Slot,
    /// In a chain: the segment that was left for this one; `None`: the stack that is no segment. In
    /// the pool: the next one.
    outer: Cell<Option<Segment>>,
    /// Bytes in use outside this segment.
    outside: Cell<usize>,
    /// The stack pointer with which the stack before this one was left.
    left: Cell<usize>,
    /// Segments in the chain from here outwards.
    depth: Cell<usize>,
    /// Nobody has been on it yet.
    fresh: Cell<bool>,
    /// In the pool: its pages have been given back since it was used.
    clean: Cell<bool>,
}

/// A further segment. Holding one is no right to touch it: see the invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment(NonNull<Record>);

// SAFETY: a segment's record belongs to one party at a time, and passes on through the pool's lock.
unsafe impl Send for Segment {}

impl Segment {
    fn create(slot: Slot) -> Self {
        let at = (slot.top - size_of::<Record>()) & !(align_of::<Record>() - 1);
        let at = std::ptr::with_exposed_provenance_mut::<Record>(at);
        let at = NonNull::new(at).expect("a slot does not lie at address zero");
        let record = Record {
            slot,
            outer: Cell::new(None),
            outside: Cell::new(0),
            left: Cell::new(0),
            depth: Cell::new(0),
            fresh: Cell::new(true),
            clean: Cell::new(false),
        };
        // SAFETY: the place is aligned and in a fresh slot's usable memory.
        unsafe { at.as_ptr().write(record) };
        Self(at)
    }

    fn record(&self) -> &Record {
        // SAFETY: records are never moved or unmapped.
        unsafe { self.0.as_ref() }
    }

    /// Its memory.
    pub(crate) fn slot(self) -> Slot {
        self.record().slot
    }

    /// Whether this is asked for the first time.
    pub(crate) fn is_first_use(self) -> bool {
        self.record().fresh.replace(false)
    }

    /// Where a stack on it begins.
    pub(crate) fn stack_top(self) -> usize {
        self.0.as_ptr().addr()
    }
}

/// Where a debugger finds a party's innermost segment.
pub(crate) const WHERE_IN_SEGMENTS: usize = offset_of!(Segments, current);
/// And from there lowest and highest address, and the next segment outwards.
pub(crate) const WHERE_IN_SEGMENT: [usize; 3] = [
    offset_of!(Record, slot) + offset_of!(Slot, limit),
    offset_of!(Record, slot) + offset_of!(Slot, top),
    offset_of!(Record, outer),
];

/// The segments of one party: a goroutine, or a plain thread.
#[derive(Debug)]
pub(crate) struct Segments {
    /// The one it runs on.
    current: Cell<Option<Segment>>,
    /// The one it left last.
    spare: Cell<Option<Segment>>,
}

impl Segments {
    pub(crate) const fn none() -> Self {
        Self { current: Cell::new(None), spare: Cell::new(None) }
    }

    /// The memory it runs on, if that is not its first.
    #[inline]
    pub(crate) fn slot(&self) -> Option<Slot> {
        self.current.get().map(Segment::slot)
    }

    /// Bytes in use on all stacks but the current one.
    pub(crate) fn outside(&self) -> usize {
        self.current.get().map_or(0, |s| s.record().outside.get())
    }

    /// Segments in the chain.
    pub(crate) fn count(&self) -> usize {
        self.current.get().map_or(0, |s| s.record().depth.get())
    }

    /// The chain, innermost first.
    pub(crate) fn chain(&self) -> impl Iterator<Item = Slot> {
        let chain = std::iter::successors(self.current.get(), |s| s.record().outer.get());
        chain.map(Segment::slot)
    }

    /// A segment for at least `least` bytes, better one for `wanted`, and no larger than that.
    ///
    /// # Errors
    /// [`Exhausted`] when the system gives none that is large enough.
    pub(crate) fn take(&self, least: usize, wanted: usize) -> Result<Segment, Exhausted> {
        let none = || Exhausted { bytes: least, error: std::io::ErrorKind::OutOfMemory.into() };
        let least = class_for(least).ok_or_else(none)?;
        let mut class = class_for(wanted).unwrap_or(CLASSES as u8 - 1).max(least);
        if let Some(spare) = self.spare.take() {
            if (least..=class).contains(&spare.slot().class) {
                return Ok(spare);
            }
            put(spare);
        }
        loop {
            match pooled(class).map_or_else(|| fresh(Kind::Segment, class).map(Segment::create), Ok)
            {
                Err(_) if class > least => class -= 1,
                end => return end,
            }
        }
    }

    /// For each stack that was left, innermost first: its memory, `None` for the one that is no
    /// segment, and the stack pointer with which it was left.
    pub(crate) fn left(&self) -> impl Iterator<Item = (Option<Slot>, usize)> {
        let chain = std::iter::successors(self.current.get(), |s| s.record().outer.get());
        chain.map(|s| (s.record().outer.get().map(Segment::slot), s.record().left.get()))
    }

    /// Goes on with `segment`; `outside` bytes are in use on the others, and the present stack down to
    /// `left`.
    pub(crate) fn enter(&self, segment: Segment, outside: usize, left: usize) {
        let record = segment.record();
        record.outer.set(self.current.get());
        record.outside.set(outside);
        record.left.set(left);
        record.depth.set(self.count() + 1);
        // A fault handler may look at any time: the record first.
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::Release);
        self.current.set(Some(segment));
    }

    /// Goes back to the one before; the one left becomes the spare.
    pub(crate) fn leave(&self) {
        // While a thread's locals go away nothing may be kept in them: the segment is lost then.
        let Some(left) = self.current.take() else { return };
        self.current.set(left.record().outer.take());
        if let Some(before) = self.spare.replace(Some(left)) {
            put(before);
        }
    }

    /// Gives the spare up.
    pub(crate) fn tidy(&self) {
        if let Some(spare) = self.spare.take() {
            put(spare);
        }
    }

    /// Whether there is a spare.
    #[cfg(test)]
    fn has_spare(&self) -> bool {
        let spare = self.spare.take();
        self.spare.set(spare);
        spare.is_some()
    }
}

/// The segments of one class that are in no use.
struct Pool(Option<Segment>);

static POOL: [Lock<Pool>; CLASSES] = [const { Lock::new(Pool(None)) }; CLASSES];

fn pooled(class: u8) -> Option<Segment> {
    let mut pool = POOL[class as usize].lock();
    let first = pool.0?;
    pool.0 = first.record().outer.take();
    Some(first)
}

fn put(segment: Segment) {
    segment.record().clean.set(false);
    let mut pool = POOL[segment.slot().class as usize].lock();
    segment.record().outer.set(pool.0);
    pool.0 = Some(segment);
}

/// Calls `clean` with every segment of the pool that was used since the last time, one after the
/// other, while nobody else can have it.
pub(crate) fn clean_pool(mut clean: impl FnMut(Slot)) {
    for pool in &POOL {
        // The clean ones lie below those that came later.
        let used = || {
            let mut pool = pool.lock();
            let first = pool.0.filter(|s| !s.record().clean.get())?;
            pool.0 = first.record().outer.take();
            Some(first)
        };
        let mut cleaned = None;
        while let Some(segment) = used() {
            clean(segment.slot());
            segment.record().clean.set(true);
            segment.record().outer.set(cleaned);
            cleaned = Some(segment);
        }
        let mut pool = pool.lock();
        while let Some(segment) = cleaned {
            cleaned = segment.record().outer.replace(pool.0);
            pool.0 = Some(segment);
        }
    }
}

/// The largest size of a segment that is not above `bytes`.
pub(crate) fn size_within(bytes: usize) -> usize {
    class_for(bytes / 2 + 1).map_or(0, class_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 64 << 10;

    #[test]
    fn a_chain_grows_and_shrinks_and_keeps_one_spare() {
        let mine = Segments::none();
        assert_eq!((mine.count(), mine.outside()), (0, 0));
        let first = mine.take(SMALL, 2 * SMALL).unwrap();
        assert_eq!(class_bytes(first.slot().class), 2 * SMALL);
        mine.enter(first, 100, 1);
        let second = mine.take(SMALL, 4 * SMALL).unwrap();
        mine.enter(second, 300, 2);
        assert_eq!((mine.count(), mine.outside()), (2, 300));
        let slots: Vec<usize> = mine.chain().map(|s| s.base).collect();
        assert_eq!(slots, [second.slot().base, first.slot().base]);
        let left: Vec<_> = mine.left().map(|(s, sp)| (s.map(|s| s.base), sp)).collect();
        assert_eq!(left, [(Some(first.slot().base), 2), (None, 1)]);
        mine.leave();
        assert_eq!((mine.count(), mine.outside()), (1, 100));
        assert_eq!(mine.take(SMALL, 4 * SMALL).unwrap(), second, "kept against ping-pong");
        mine.enter(second, 300, 2);
        mine.leave();
        mine.leave();
        assert!(mine.has_spare() && mine.slot().is_none());
        mine.tidy();
        assert!(!mine.has_spare());
    }

    #[test]
    fn the_pool_is_cleaned_once() {
        let mine = Segments::none();
        let class = class_for(16 << 20).unwrap(); // nobody else's
        let segments: Vec<_> = (0..5).map(|_| mine.take(16 << 20, 0).unwrap()).collect();
        segments.iter().for_each(|s| put(*s));
        let count = || {
            let mut n = 0;
            clean_pool(|slot| n += usize::from(slot.class == class));
            n
        };
        assert_eq!((count(), count()), (5, 0));
        let one = mine.take(16 << 20, 0).unwrap();
        put(one);
        assert_eq!((count(), count()), (1, 0));
    }

    #[test]
    fn a_size_within_bounds_is_the_largest_power_of_two() {
        assert_eq!(size_within(1 << 20), 1 << 20);
        assert_eq!(size_within((1 << 21) - 1), 1 << 20);
        assert_eq!(size_within((1 << 20) + 1), 1 << 20);
    }
}
