//! Memory for the deferred calls of frames that have many, or large ones.
//!
//! Invariant: a block lies in one list, or is the spare of one goroutine.

use crate::sched::current::current;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// Size of an ordinary block; a larger one is made for a larger record.
const BLOCK: usize = 2048;

/// What blocks are made of.
#[repr(C, align(16))]
struct Unit([u8; 16]);

/// What a block begins with.
#[repr(C, align(16))]
struct Block {
    next: *mut Block,
    bytes: usize,
}

/// The blocks of a frame.
#[derive(Debug)]
pub(super) struct List(*mut Block);

impl Default for List {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl List {
    pub(super) const EMPTY: Self = Self(ptr::null_mut());

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_null()
    }

    /// Adds a block with room for `bytes`; returns the room's start and end.
    pub(super) fn add(&mut self, bytes: usize) -> (*mut u8, *mut u8) {
        let bytes = (bytes + size_of::<Block>()).next_multiple_of(size_of::<Unit>()).max(BLOCK);
        let spare = if bytes == BLOCK { take_spare() } else { None };
        let block = spare.unwrap_or_else(|| make(bytes)).as_ptr();
        // SAFETY: the block is ours and large enough for its head.
        unsafe { block.write(Block { next: self.0, bytes }) };
        self.0 = block;
        let start = block.cast::<u8>();
        (start.wrapping_add(size_of::<Block>()), start.wrapping_add(bytes))
    }

    /// Returns the blocks: one to the goroutine, as its spare.
    #[cold]
    pub(super) fn give_back(self) {
        let mut at = self.0;
        while let Some(block) = NonNull::new(at) {
            // SAFETY: blocks in a list have a head, and this list is given up.
            let Block { next, bytes } = unsafe { block.read() };
            at = next;
            if bytes != BLOCK || !keep_spare(block) {
                // SAFETY: `make` made it of so many units, and nobody uses it any more.
                drop(unsafe { Box::from_raw(units(block, bytes)) });
            }
        }
    }
}

fn units(block: NonNull<Block>, bytes: usize) -> *mut [MaybeUninit<Unit>] {
    ptr::slice_from_raw_parts_mut(block.as_ptr().cast(), bytes / size_of::<Unit>())
}

fn make(bytes: usize) -> NonNull<Block> {
    let units = Box::<[Unit]>::new_uninit_slice(bytes / size_of::<Unit>());
    NonNull::from(Box::leak(units)).cast()
}

fn take_spare() -> Option<NonNull<Block>> {
    let g = current().and_then(|m| m.curg())?;
    NonNull::new(g.spare.replace(ptr::null_mut()).cast())
}

/// Leaves a block for the goroutine's next frame, or the next goroutine on its stack; false if it has
/// one.
fn keep_spare(block: NonNull<Block>) -> bool {
    match current().and_then(|m| m.curg()) {
        Some(g) if g.spare.get().is_null() => {
            g.spare.set(block.as_ptr().cast());
            true
        }
        _ => false,
    }
}
