//! Memory to run on: size classes carved from large lazily committed mappings, with guards.
//!
//! Stacks grow in place: a slot reserves its whole size at once, the kernel commits pages as they
//! are touched, and nothing ever moves, because native code keeps raw pointers into its stack.
//! Slots are never unmapped, so a pointer into a slot stays readable for the life of the process;
//! a dead goroutine's slot goes to a free list (the scheduler's), not back here.
//!
//! ```text
//!   base                                                     top = base + stride of the class
//!    │ guard (faults) │ usable stack, grows downwards ...  │ control block │ colour │
//!    └────────────────┴────────────────────────────────────┴───────────────┴────────┘
//! ```
//! The *colour* shifts the hot top of neighbouring slots to different cache sets: without it all
//! of them would compete for the same eight lines of the first-level cache.

mod arena;
mod guard;
mod ladder;

use crate::base::width;

pub(crate) use arena::{
    CLASSES, Exhausted, Slot, class_for, each_slot, fresh, fresh_promised, promise, unpromise,
};
pub(crate) use guard::{GuardKind, guard_kind};
pub(crate) use ladder::{Ladder, MAX_RUNGS};

/// Smallest stack a goroutine can be given, in bytes.
pub(crate) const MIN_STACK: usize = 64 << 10;

/// What a slot reserves beside the usable stack, at most: guard, control block, colour.
pub(crate) const OVERHEAD: usize = (64 << 10) + 4096;

/// Default cap of a goroutine's stack: 1 GiB on 64-bit targets, 250 MB on 32-bit (Go's limits).
pub(crate) const DEFAULT_MAX_STACK: usize = width::MAX_STACK;
