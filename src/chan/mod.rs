//! Channels: Go's, on a core that decides and a shell that parks.
//!
//! | file | owns |
//! |---|---|
//! | `core.rs` | the state and its rules; never blocks |
//! | `ops.rs` | performs what the core decides: goes on, makes a waiter ready, or parks |
//! | `chan.rs` `ends.rs` | the two faces: Go's and Rust's |
//! | `select.rs` | waiting on several channels at once |
//! | `arm.rs` `macros.rs` `list.rs` | `select!`, and `Select` for lists made at run time |
//! | `timed.rs` | channels that a clock fills |

pub(crate) mod arm;
#[allow(clippy::module_inception)]
mod chan;
mod core;
mod ends;
mod error;
mod list;
mod macros;
mod ops;
pub(crate) mod select;
mod timed;

pub use arm::{Sink, Source};
pub use chan::{Chan, IntoIter, Iter, chan};
pub use ends::{Receiver, ReceiverIntoIter, ReceiverIter, Sender, channel};
pub use error::{
    RecvError, RecvTimeoutError, SelectTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySelectError, TrySendError,
};
pub use list::{Select, SelectedOperation};

/// Refuses capacities whose buffer could not exist.
fn check_capacity<T>(cap: usize) {
    let bytes = cap.checked_mul(size_of::<T>().max(1));
    assert!(bytes.is_some_and(|b| b <= isize::MAX as usize), "makechan: size out of range");
}
