//! Who runs what where. The pure core: the lease on a P, the spinning handshake, the steal order.

#[cfg_attr(not(test), expect(dead_code, reason = "its caller, the scheduler, lands next"))]
pub(crate) mod lease;
#[cfg_attr(not(test), expect(dead_code, reason = "its caller, the scheduler, lands next"))]
pub(crate) mod order;
#[cfg_attr(not(test), expect(dead_code, reason = "its caller, the scheduler, lands next"))]
pub(crate) mod spin;

#[cfg(all(test, any(loom, shuttle)))]
mod model;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
