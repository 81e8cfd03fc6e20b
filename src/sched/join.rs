//! Join cells: where a goroutine leaves its result for its `JoinHandle`, and where the joiner waits.
//!
//! A cell is shared by the goroutine and the handle and freed by the later of the two; which one
//! that is, the oneshot word decides (`base/oneshot.rs`). Cells come from a free list in the P, so
//! that spawn and join allocate nothing once warm. The cell knows nothing of the result's type:
//! results that fit lie in `room`, larger ones in a `Box` whose pointer lies there.

use super::SCHED;
use super::current::current;
use crate::base::oneshot::Oneshot;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Words of result a cell holds in place.
const ROOM: usize = 12;

/// A join cell; see the head.
#[repr(C)]
pub(crate) struct Cell {
    /// Who waits, or that the result is there.
    pub(crate) word: Oneshot,
    room: UnsafeCell<[MaybeUninit<usize>; ROOM]>,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("join::Cell")
    }
}

/// An empty cell, from the P's free list if the caller has a P.
pub(crate) fn take() -> NonNull<Cell> {
    let m = current();
    let free = match m {
        Some(m) => {
            let free = match m.enter() {
                Some(p) => p.cells.pop(&SCHED.cells),
                None => SCHED.cells.pop(),
            };
            m.leave();
            free
        }
        None => SCHED.cells.pop(),
    };
    let cell = free.unwrap_or_else(|| {
        NonNull::from(Box::leak(Box::new(Cell {
            word: Oneshot::new(),
            room: UnsafeCell::new([MaybeUninit::uninit(); ROOM]),
        })))
    });
    // SAFETY: cells are never freed to the allocator; this one is ours alone.
    unsafe { cell.as_ref() }.word.reset();
    cell
}

/// Gives a cell back.
///
/// # Safety
/// The caller is the last party that uses it, and its result has been taken.
pub(crate) unsafe fn give(cell: NonNull<Cell>) {
    // SAFETY: (both pushes) the cell lives for ever and nobody uses it any more.
    let outside = || unsafe { SCHED.cells.push(cell) };
    let Some(m) = current() else { return outside() };
    match m.enter() {
        // SAFETY: as above; inside the runtime the P is ours.
        Some(p) => unsafe { p.cells.push(cell, &SCHED.cells) },
        None => outside(),
    }
    m.leave();
}

impl Cell {
    const fn fits<T>() -> bool {
        size_of::<T>() <= ROOM * size_of::<usize>() && align_of::<T>() <= align_of::<usize>()
    }

    /// Stores the result.
    ///
    /// # Safety
    /// The caller is the goroutine, before it fires the word, and does so once.
    pub(crate) unsafe fn put<T>(&self, value: T) {
        if Self::fits::<T>() {
            // SAFETY: it fits, and until the word fires the room is the goroutine's.
            unsafe { self.room.get().cast::<T>().write(value) };
        } else {
            let boxed = Box::into_raw(Box::new(value));
            // SAFETY: as above, for one pointer.
            unsafe { self.room.get().cast::<*mut T>().write(boxed) };
        }
    }

    /// Moves the result out.
    ///
    /// # Safety
    /// The same `T` was [`put`](Self::put), the caller is the party left with the cell, once.
    pub(crate) unsafe fn get<T>(&self) -> T {
        if Self::fits::<T>() {
            // SAFETY: `put` wrote a T here.
            unsafe { self.room.get().cast::<T>().read() }
        } else {
            // SAFETY: `put` wrote the pointer of a Box here.
            *unsafe { Box::from_raw(self.room.get().cast::<*mut T>().read()) }
        }
    }
}
