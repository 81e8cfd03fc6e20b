//! The lease and the spinning handshake under every schedule.
//!
//! The lease is modelled twice. *Fenced*: both sides execute real fences, which loom knows. *Called
//! back*: the owner executes none, and the revoker's barrier is a handshake that lands a fence
//! somewhere in the owner's program (`base/ipi.rs`). That proves the protocol for every landing
//! place between two of the owner's steps; that the processor's own reordering within these steps is
//! cut by the interrupt is membarrier's promise and is taken on trust. shuttle's machine is
//! sequentially consistent, so there the barrier may be nothing at all.

mod lease;
mod spin;
