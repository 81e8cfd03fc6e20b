//! Size classes and the mappings their slots are carved from.
//!
//! Class `k` is for stacks of `2^k` bytes. A class maps chunks, the first of a few slots and
//! each later one twice as large; when a large chunk is refused (RLIMIT_AS, overcommit, a small
//! address space) it tries smaller ones down to a single slot before it reports [`Exhausted`], and
//! the ladder then steps down a rung.
//!
//! Invariant: the chunk table of a class only grows, and `taken` only counts up; a slot is handed
//! out once and from then on belongs to whoever got it.

use super::guard;
use crate::base::width;
use crate::sys::errno::ENOMEM;
use crate::sys::lock::Lock;
use crate::sys::mem::{self, PAGE};
use memmap2::{MmapMut, MmapOptions};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Log2 of the smallest and the largest class.
const MIN_LOG2: usize = 16;
/// Number of size classes: 64 KiB to 64 TiB, or to 256 MiB on 32-bit targets.
pub(crate) const CLASSES: usize = width::LARGEST_CLASS_LOG2 - MIN_LOG2 + 1;
/// Slots in a class's first chunk; each further chunk doubles up to [`width::LARGEST_CHUNK_BYTES`] bytes
/// or 16,384 slots.
const FIRST_CHUNK: usize = 16;
const LARGEST_CHUNK: usize = 16_384;
/// Neighbouring slots' tops differ by this much more than the power of two, so that they do not
/// share second-level cache sets and page-table cache lines.
const STAGGER: usize = PAGE;
/// What a roomy slot has above its stack's full size, for a control block and its like.
const HEAD: usize = 4 * PAGE;
/// Bytes by which tops differ within a page, and how many different ones there are.
const COLOUR: usize = 128;
const COLOURS: usize = 12;

/// What a slot is for; decides how it is laid out, and who finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A goroutine's stack that takes `2^k` bytes of addresses with everything: for crowds, where
    /// page tables count.
    Dense = 0,
    /// A goroutine's stack that can become `2^k` bytes; a wide guard and the rest lie beside that.
    Roomy = 1,
    /// A further segment, laid out as a roomy one. No control block lies in it.
    Segment = 2,
}

/// Memory for one goroutine. See the drawing in the room's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Lowest address; the guard begins here.
    pub(crate) base: usize,
    /// Lowest usable address: the guard ends here.
    pub(crate) limit: usize,
    /// One past the highest usable address; above are the reserve and the colour.
    pub(crate) top: usize,
    /// Size class, an index for [`class_bytes`].
    pub(crate) class: u8,
}

/// No slot could be had: the operating system's reason and what was asked of it.
#[derive(Debug)]
pub(crate) struct Exhausted {
    /// Bytes per slot that were wanted.
    pub(crate) bytes: usize,
    /// What the system said.
    pub(crate) error: io::Error,
}

impl Exhausted {
    /// No rung of the ladder may make another slot.
    pub(crate) fn every_rung() -> Self {
        Self { bytes: 0, error: io::Error::other("every rung of the stack ladder is in use") }
    }

    /// What to tell a person.
    pub(crate) fn describe(&self) -> String {
        format!("no stack of {} bytes could be reserved: {}", self.bytes, self.error)
    }
}

/// The slots of one mapping: enough to compute each.
#[derive(Clone, Copy, Debug)]
struct Row {
    start: usize,
    kind: Kind,
    class: u8,
    taken: usize,
}

struct Chunk {
    _map: MmapMut,
    slots: usize,
    row: Row,
}

#[derive(Default)]
struct Class {
    chunks: Vec<Chunk>,
    /// Chunks before this one have no slot left.
    first: usize,
    /// Slots mapped and not taken; `promised` of them are spoken for.
    left: usize,
    promised: usize,
}

/// Bytes at the top of each slot that belong to somebody else.
static RESERVED: AtomicUsize = AtomicUsize::new(0);

/// Leaves the topmost `bytes` of every slot, a multiple of 128, to the caller. Before the first slot
/// is made.
pub(crate) fn reserve(bytes: usize) {
    debug_assert!(bytes.is_multiple_of(COLOUR));
    RESERVED.store(bytes, Ordering::Relaxed);
}

/// What of it is left in a slot of the kind: no control block lies in a further segment, and no
/// thread-locals.
fn reserved(kind: Kind) -> usize {
    if kind == Kind::Segment { 0 } else { RESERVED.load(Ordering::Relaxed) }
}

impl Class {
    const EMPTY: Self = Self { chunks: Vec::new(), first: 0, left: 0, promised: 0 };

    /// Maps another chunk unless an unpromised slot is left.
    fn make_room(&mut self, kind: Kind, class: u8) -> Result<(), Exhausted> {
        if self.left == self.promised {
            let previous = self.chunks.last().map_or(0, |c| c.slots);
            let chunk = map_chunk(kind, class, previous)
                .map_err(|error| Exhausted { bytes: class_bytes(class), error })?;
            self.left += chunk.slots;
            self.chunks.push(chunk);
        }
        Ok(())
    }

    /// Takes a slot; one is left.
    fn take(&mut self) -> Slot {
        while self.chunks[self.first].row.taken == self.chunks[self.first].slots {
            self.first += 1;
        }
        let chunk = &mut self.chunks[self.first];
        chunk.row.taken += 1;
        self.left -= 1;
        chunk.row.slot(chunk.row.taken - 1)
    }
}

static TABLE: [[Lock<Class>; CLASSES]; 3] =
    [const { [const { Lock::new(Class::EMPTY) }; CLASSES] }; 3];

/// Smallest class for stacks of at least `bytes`; `None` beyond the largest.
pub(crate) fn class_for(bytes: usize) -> Option<u8> {
    let log2 = bytes.max(1 << MIN_LOG2).checked_next_power_of_two()?.trailing_zeros() as usize;
    (log2 - MIN_LOG2 < CLASSES).then_some((log2 - MIN_LOG2) as u8)
}

/// Bytes of a stack of the class: `2^k`.
pub(crate) fn class_bytes(class: u8) -> usize {
    1 << (class as usize + MIN_LOG2)
}

fn stride(kind: Kind, class: u8) -> usize {
    // What is reserved comes out of a dense slot's size and, as a rule, of a roomy one's head.
    let more = reserved(kind).saturating_sub(HEAD / 2).next_multiple_of(PAGE);
    let beside = if kind == Kind::Dense { 0 } else { guard::WIDE + HEAD + more };
    class_bytes(class) + beside + STAGGER
}

/// Where the first slot lies in a chunk. Large slots begin in the middle of a 2 MiB page-table
/// page, so that a slot's guard and the hot top of the slot below share one.
fn lead(class: u8) -> usize {
    if class_bytes(class) >= 2 << 20 { 1 << 20 } else { 0 }
}

impl Row {
    fn slot(&self, index: usize) -> Slot {
        let Self { kind, class, .. } = *self;
        let base = self.start + lead(class) + index * stride(kind, class);
        let guard =
            if kind == Kind::Dense { guard::dense_len(class_bytes(class)) } else { guard::WIDE };
        let end = base + stride(kind, class) - (index % COLOURS) * COLOUR;
        Slot { base, limit: base + guard, top: end - reserved(kind), class }
    }
}

/// A slot never used before, guarded, its pages untouched.
///
/// # Errors
/// [`Exhausted`] when not even a single slot of the class can be mapped or guarded.
pub(crate) fn fresh(kind: Kind, class: u8) -> Result<Slot, Exhausted> {
    let slot = {
        let mut table = TABLE[kind as usize][class as usize].lock();
        table.make_room(kind, class)?;
        table.take()
    };
    guarded(slot)
}

/// Promises up to `n` slots of the class, which [`fresh_promised`] will hand out: returns how many,
/// at least one.
///
/// # Errors
/// [`Exhausted`] when not even a single slot can be mapped.
pub(crate) fn promise(kind: Kind, class: u8, n: usize) -> Result<usize, Exhausted> {
    let mut table = TABLE[kind as usize][class as usize].lock();
    table.make_room(kind, class)?;
    let n = n.min(table.left - table.promised);
    table.promised += n;
    Ok(n)
}

/// Gives `n` promises back.
pub(crate) fn unpromise(kind: Kind, class: u8, n: usize) {
    TABLE[kind as usize][class as usize].lock().promised -= n;
}

/// As [`fresh`], for one promise.
///
/// # Errors
/// [`Exhausted`] when the system has no memory for the guard's page tables.
pub(crate) fn fresh_promised(kind: Kind, class: u8) -> Result<Slot, Exhausted> {
    let slot = {
        let mut table = TABLE[kind as usize][class as usize].lock();
        table.promised -= 1;
        table.take()
    };
    guarded(slot)
}

/// Guards a slot just taken.
fn guarded(slot: Slot) -> Result<Slot, Exhausted> {
    // SAFETY: the slot was just taken from its chunk, nobody else has it.
    match unsafe { guard::install(slot.base, slot.limit - slot.base) } {
        Ok(()) => Ok(slot),
        // An unguarded slot is never handed out; it stays taken, which costs address space only.
        Err(error) => Err(Exhausted { bytes: class_bytes(slot.class), error }),
    }
}

fn map_chunk(kind: Kind, class: u8, previous: usize) -> io::Result<Chunk> {
    let most = (width::LARGEST_CHUNK_BYTES / class_bytes(class)).clamp(1, LARGEST_CHUNK);
    let mut slots = (previous * 2).max(FIRST_CHUNK).min(most);
    loop {
        let len = lead(class) + slots * stride(kind, class);
        match map_with_room_to_spare(len) {
            Ok(map) => {
                let start = map.as_ptr().expose_provenance();
                // SAFETY: the mapping is ours, and advice does not change its contents.
                unsafe { mem::no_huge_pages(start, len) };
                let row = Row { start, kind, class, taken: 0 };
                return Ok(Chunk { _map: map, slots, row });
            }
            Err(e) if slots == 1 => return Err(e),
            Err(_) => slots /= 2,
        }
    }
}

/// Maps `len` bytes, but never the last of the address space: the rest of the program, the allocator
/// first, ends without a word when it cannot map.
fn map_with_room_to_spare(len: usize) -> io::Result<MmapMut> {
    let anonymous = |len| MmapOptions::new().len(len).no_reserve_swap().map_anon();
    match mem::room_left() {
        // Under a limit that can be read nothing is mapped to find out: other threads would see an
        // address space that is full while it lasts.
        Some(room) if room < (len + width::SPARE) as u64 => {
            Err(io::Error::from_raw_os_error(ENOMEM))
        }
        Some(_) => anonymous(len),
        // What is spared is mapped first and given back.
        None => {
            let spare = anonymous(width::SPARE)?;
            let map = anonymous(len);
            drop(spare);
            map
        }
    }
}

/// A walk over every goroutine's slot ever handed out, class by class, oldest first. A slot handed
/// out a moment ago may not have been written yet (its memory reads as zeroes).
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Numbers the classes of both kinds of stacks.
    class: usize,
    chunk: usize,
    index: usize,
    row: Option<Row>,
}

impl Iterator for Walk {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        loop {
            if let Some(row) = self.row {
                if self.index < row.taken {
                    self.index += 1;
                    return Some(row.slot(self.index - 1));
                }
                (self.chunk, self.index, self.row) = (self.chunk + 1, 0, None);
            }
            if self.class == 2 * CLASSES {
                return None;
            }
            let table = TABLE[self.class / CLASSES][self.class % CLASSES].lock();
            self.row = table.chunks.get(self.chunk).map(|c| c.row);
            if self.row.is_none() {
                (self.class, self.chunk) = (self.class + 1, 0);
            }
        }
    }
}

/// Calls `f` with every slot of a [`Walk`].
pub(crate) fn each_slot(f: impl FnMut(Slot)) {
    Walk::default().for_each(f);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_round_up_and_end() {
        assert_eq!(class_bytes(class_for(0).unwrap()), 64 << 10);
        assert_eq!(class_bytes(class_for((64 << 10) + 1).unwrap()), 128 << 10);
        let largest = 1 << width::LARGEST_CLASS_LOG2;
        assert_eq!(class_bytes(class_for(largest).unwrap()), largest);
        assert!(class_bytes(class_for(width::MAX_STACK).unwrap()) >= width::MAX_STACK);
        assert!(class_for(usize::MAX).is_none());
        assert!(class_for(largest + 1).is_none());
    }

    #[test]
    fn promises_are_kept_beside_others() {
        let class = class_for(512 << 10).unwrap();
        let mut promised = 0;
        while promised < 70 {
            promised += promise(Kind::Roomy, class, 70 - promised).unwrap();
        }
        let mut slots: Vec<Slot> = (0..50).map(|_| fresh(Kind::Roomy, class).unwrap()).collect();
        slots.extend((0..60).map(|_| fresh_promised(Kind::Roomy, class).unwrap()));
        unpromise(Kind::Roomy, class, 10);
        slots.extend((0..30).map(|_| fresh(Kind::Roomy, class).unwrap()));
        slots.sort_by_key(|s| s.base);
        for pair in slots.windows(2) {
            assert!(pair[1].base - pair[0].base >= stride(Kind::Roomy, class), "{pair:?}");
        }
        let table = TABLE[Kind::Roomy as usize][class as usize].lock();
        let mapped: usize = table.chunks.iter().map(|c| c.slots).sum();
        assert_eq!((table.promised, mapped - table.left), (0, 140));
    }

    #[test]
    fn slots_are_disjoint_usable_and_guarded() {
        let class = class_for(256 << 10).unwrap();
        for kind in [Kind::Dense, Kind::Roomy] {
            let slots: Vec<Slot> = (0..40).map(|_| fresh(kind, class).unwrap()).collect();
            for pair in slots.windows(2) {
                let apart = pair[1].base.abs_diff(pair[0].base);
                assert!(apart >= stride(kind, class), "{pair:?}");
            }
            for s in &slots {
                let least = if kind == Kind::Dense { 1 << 17 } else { (1 << 18) + 2 * PAGE };
                assert!(s.limit > s.base && s.top - s.limit >= least, "{s:?}");
                for at in [s.limit, s.top - 8] {
                    let p = std::ptr::with_exposed_provenance_mut::<u64>(at);
                    // SAFETY: both addresses lie in the usable part of a slot that is ours.
                    unsafe { p.write(7) };
                    // SAFETY: as above.
                    assert_eq!(unsafe { p.read() }, 7);
                }
                assert!(!readable(s.base) && !readable(s.limit - 1), "the guard is open: {s:?}");
            }
            let seen = Walk::default().filter(|s| slots.iter().any(|mine| mine.base == s.base));
            assert_eq!(seen.count(), slots.len());
        }
    }

    #[test]
    fn the_reserve_opens_and_closes_and_leaves_a_guard() {
        for kind in [Kind::Dense, Kind::Roomy, Kind::Segment] {
            let s = fresh(kind, class_for(256 << 10).unwrap()).unwrap();
            let bytes = s.reserve();
            assert!(bytes >= 8 << 10 && s.limit - bytes > s.base, "{s:?}");
            for _ in 0..2 {
                // SAFETY: the slot is ours.
                unsafe { s.open(s.limit - bytes..s.limit) }.unwrap();
                let p = std::ptr::with_exposed_provenance_mut::<u64>(s.limit - bytes);
                // SAFETY: just opened.
                unsafe { p.write(7) };
                assert!(!readable(s.limit - bytes - 1));
                // SAFETY: the slot is ours, and nothing lies there.
                unsafe { s.close(s.limit - bytes..s.limit) }.unwrap();
                assert!(!readable(s.limit - bytes) && !readable(s.limit - 1));
            }
        }
    }

    /// Asks the kernel, without touching the byte ourselves: a write(2) from it fails if guarded.
    fn readable(addr: usize) -> bool {
        use std::io::Write;
        let (_reader, mut writer) = std::io::pipe().unwrap();
        let byte = std::ptr::with_exposed_provenance::<u8>(addr);
        // SAFETY: the slice is only passed to the kernel, which answers EFAULT for a bad address.
        writer.write(unsafe { std::slice::from_raw_parts(byte, 1) }).is_ok()
    }
}
