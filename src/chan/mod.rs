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

#[cfg(not(any(loom, shuttle)))]
pub(crate) mod arm;
#[cfg(not(any(loom, shuttle)))]
#[allow(clippy::module_inception)]
mod chan;
mod core;
#[cfg(not(any(loom, shuttle)))]
mod ends;
mod error;
#[cfg(not(any(loom, shuttle)))]
mod list;
#[cfg(not(any(loom, shuttle)))]
mod macros;
mod ops;
pub(crate) mod select;
#[cfg(not(any(loom, shuttle)))]
mod timed;
#[cfg(any(loom, shuttle))]
mod timed {
    //! Under a checker no clock fills a channel.

    pub(crate) struct Timed<T>(std::convert::Infallible, std::marker::PhantomData<T>);

    impl<T> Timed<T> {
        pub(super) fn take(&self) -> Option<T> {
            match self.0 {}
        }
        pub(super) fn set(&self) {
            match self.0 {}
        }
        pub(super) fn unset(&self) {
            match self.0 {}
        }
    }
}

#[cfg(all(test, any(loom, shuttle)))]
mod model;

#[cfg(not(any(loom, shuttle)))]
pub use arm::{Sink, Source};
#[cfg(not(any(loom, shuttle)))]
pub use chan::{Chan, IntoIter, Iter, chan};
#[cfg(not(any(loom, shuttle)))]
pub use ends::{Receiver, ReceiverIntoIter, ReceiverIter, Sender, channel};
pub use error::{
    RecvError, RecvTimeoutError, SelectTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySelectError, TrySendError,
};
#[cfg(not(any(loom, shuttle)))]
pub use list::{Select, SelectedOperation};

/// Refuses capacities whose buffer could not exist.
fn check_capacity<T>(cap: usize) {
    let bytes = cap.checked_mul(size_of::<T>().max(1));
    assert!(bytes.is_some_and(|b| b <= isize::MAX as usize), "makechan: size out of range");
}
