//! Stacks: what the calling goroutine's has left, and calls on further segments of it.
//!
//! A goroutine's stack reserves its addresses at the start, 1 GiB for most, and grows in place: the
//! kernel commits pages as they are touched, and nothing ever moves, because native code keeps raw
//! pointers into its stack. The first 16,384 goroutines alive have the whole of
//! [`Config::max_stack`](crate::Config::max_stack); a crowd beyond that stands on smaller rungs of the
//! ladder ([`Config::stack_ladder`](crate::Config::stack_ladder)). Whatever it has, a goroutine gets
//! more by [`ensure`] and [`grow`], up to its [`limit`]. What is not in use any more goes back to the
//! system after a second or two.
//!
//! # The room
//! Size classes carved from large lazily committed mappings, with guards; the ladder; further
//! segments; what overflowed where. Slots are never unmapped, so a pointer into a slot stays readable
//! for the life of the process; a dead goroutine's slot goes to a free list (the scheduler's), not back
//! here.
//!
//! ```text
//!   base                                                     top = base + stride of the class
//!    │ guard (faults) │ usable stack, grows downwards ...  │ control block │ reserve │ colour │
//!    └────────────────┴────────────────────────────────────┴───────────────┴─────────┴────────┘
//! ```
//! The *reserve* is for a goroutine's thread-locals, where it has its own (`tls`).
//! The *colour* shifts the hot top of neighbouring slots to different cache sets: without it all
//! of them would compete for the same eight lines of the first-level cache.

mod arena;
mod guard;
mod ladder;
mod promote;
mod segment;

use crate::base::width;

pub(crate) use arena::{
    CLASSES, Exhausted, Kind, Slot, Walk, class_bytes, class_for, each_slot, fresh, fresh_promised,
    promise, reserve, unpromise,
};
pub(crate) use guard::{GuardKind, guard_kind};
pub(crate) use ladder::{Ladder, MAX_RUNGS, Rung};
pub(crate) use promote::Promoted;
pub(crate) use segment::{
    Segment, Segments, WHERE_IN_SEGMENT, WHERE_IN_SEGMENTS, clean_pool, size_within,
};

pub use crate::api::stack::{ensure, grow, in_use, limit, released, remaining, segments};

/// Smallest stack a goroutine can be given, in bytes.
pub(crate) const MIN_STACK: usize = 64 << 10;

/// Default cap of a goroutine's stack: 1 GiB on 64-bit targets, 250 MB on 32-bit (Go's limits).
pub(crate) const DEFAULT_MAX_STACK: usize = width::MAX_STACK;
