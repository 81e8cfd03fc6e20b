//! What a debugger reads: a list of all control blocks, and what lies where in them.
//!
//! A process that is stopped, or the core of one, has no functions to ask, and release builds have no
//! types. So the places are in a table with a name that C could use, and `gdb/gort-gdb.py` reads it. Both
//! know the table's version: whoever changes its members changes the version in both.
//!
//! Invariant: a block is put on the list once, when its slot is first used, and never leaves it.

use super::wait::WaitReason;
use super::{G, GRef, Site};
use crate::stack::{Slot, WHERE_IN_SEGMENT, WHERE_IN_SEGMENTS};
use crate::switch::Context;
use std::mem::offset_of;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A text for a debugger.
#[repr(C)]
#[derive(Debug)]
struct Text {
    at: *const u8,
    len: usize,
}

/// Places are in bytes from a block's beginning.
#[repr(C)]
#[derive(Debug)]
struct Layout {
    version: usize,
    /// The block that was made last.
    all: AtomicPtr<G>,
    /// The one that was made before it.
    next: usize,
    id: usize,
    parent: usize,
    status: usize,
    reason: usize,
    declared: usize,
    /// Its own stack.
    limit: usize,
    top: usize,
    /// The segment it runs on, or zero; and in a segment's record its ends and the next one.
    segment: usize,
    in_segment: [usize; 3],
    /// Where it stopped; a program counter of zero: nowhere, it has not begun.
    saved: [usize; 3],
    /// An instruction of who started it, or zero.
    created: usize,
    /// How many texts follow: one for each reason to wait.
    reasons: usize,
    texts: [Text; WaitReason::ALL.len()],
}

// SAFETY: the pointers are to constants.
unsafe impl Sync for Layout {}

#[unsafe(export_name = "gort_debug_layout")]
static LAYOUT: Layout = Layout {
    version: 1,
    all: AtomicPtr::new(std::ptr::null_mut()),
    next: offset_of!(G, next),
    id: offset_of!(G, id),
    parent: offset_of!(G, parent),
    status: offset_of!(G, status),
    reason: offset_of!(G, reason),
    declared: offset_of!(G, declared),
    limit: offset_of!(G, slot) + offset_of!(Slot, limit),
    top: offset_of!(G, slot) + offset_of!(Slot, top),
    segment: offset_of!(G, segments) + WHERE_IN_SEGMENTS,
    in_segment: WHERE_IN_SEGMENT,
    saved: {
        let [pc, sp, fp] = Context::WHERE_SAVED;
        let ctx = offset_of!(G, ctx);
        [ctx + pc, ctx + sp, ctx + fp]
    },
    created: offset_of!(G, created) + Site::WHERE_PC,
    reasons: WaitReason::ALL.len(),
    texts: texts(),
};

const fn texts() -> [Text; WaitReason::ALL.len()] {
    let mut texts = [const { Text { at: std::ptr::null(), len: 0 } }; WaitReason::ALL.len()];
    let mut i = 0;
    while i < texts.len() {
        assert!(WaitReason::ALL[i] as usize == i);
        let text = WaitReason::ALL[i].text();
        texts[i] = Text { at: text.as_ptr(), len: text.len() };
        i += 1;
    }
    texts
}

impl Site {
    /// Where the instruction lies in an `Option` of a site, which is `None` when the location is null.
    pub(crate) const WHERE_PC: usize = {
        assert!(size_of::<Option<Self>>() == size_of::<Self>());
        offset_of!(Self, pc)
    };
}

impl GRef {
    /// Puts a new block on the list.
    pub(super) fn list(self) {
        let mut last = LAYOUT.all.load(Ordering::Relaxed);
        loop {
            self.next.store(last, Ordering::Relaxed);
            // Release: who finds the block in the memory of a stopped process finds it written.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            match LAYOUT.all.compare_exchange_weak(last, self.0.as_ptr(), success, failure) {
                Ok(_) => return,
                Err(now) => last = now,
            }
        }
    }
}
