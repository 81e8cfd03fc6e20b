//! Stacks: caps, the ladder, further segments, memory that comes back, and what lies at the edges.

mod alone;
mod caps;
mod edges;
mod memory;
mod segments;
#[path = "../support/mod.rs"]
mod support;
mod trees;
