//! For which descriptor: goroutines that wait until one can be read or written.
//!
//! A descriptor is registered with epoll once, for everything, edge-triggered; from then on its
//! [`Slot`] keeps what the kernel tells, a [`Gate`] for each direction. The room hands the waiting parties
//! to its caller as the words they armed with, and knows nothing of goroutines, deadlines or errors.
//!
//! Invariants:
//! * a slot's memory is never freed, so an event that arrives late may look at any slot;
//! * an event bears the slot's generation; one that was meant for an earlier descriptor is dropped.
//!   (A slot that changes its owner between that look and the gate's opening gets a false alarm, which
//!   a gate allows for.)
//! * while no descriptor is registered, [`active`] says so in one load, and nothing else is done.

pub(crate) mod gate;
#[cfg(not(any(loom, shuttle)))]
mod slot;

#[cfg(all(test, any(loom, shuttle)))]
mod model;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(not(any(loom, shuttle)))]
mod poller;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use self::{
    gate::Gate,
    poller::{Poller, active, any_waiter, poller, register},
    slot::{Direction, Slot},
};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use crate::sys::epoll::Events;
