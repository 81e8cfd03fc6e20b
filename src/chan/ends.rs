//! `Sender` and `Receiver`: Rust's rules on the same core. Each end is counted; when the last one of
//! a kind is gone the channel is closed, and what nobody will receive is dropped.

use super::arm::{Sink, Source, sealed::End};
use super::core::Core;
use super::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::{check_capacity, ops};
use crate::sys::clock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A channel and its ends.
struct Shared<T> {
    core: Core<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

/// A channel with a sending and a receiving end, each clonable; buffers `cap` values, with 0 a send
/// waits for its receive. When all ends of one kind are dropped the channel is closed; nothing
/// panics, every operation returns a `Result`. See [`chan`](crate::chan()) for Go's rules.
///
/// # Panics
/// With `makechan: size out of range`, if the buffer could not exist in memory.
///
/// ```
/// gort::run(|| {
///     let (tx, rx) = gort::channel(1);
///     gort::go(move || (0..3).for_each(|i| tx.send(i).unwrap()));
///     assert_eq!(rx.iter().sum::<i32>(), 3);
///     assert_eq!(rx.recv(), Err(gort::RecvError));
/// });
/// ```
#[must_use]
pub fn channel<T: Send>(cap: usize) -> (Sender<T>, Receiver<T>) {
    check_capacity::<T>(cap);
    let shared = Arc::new(Shared {
        core: Core::new(cap),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
    });
    (Sender(shared.clone()), Receiver(shared))
}

/// The sending end of a [`channel`].
pub struct Sender<T: Send>(Arc<Shared<T>>);

/// The receiving end of a [`channel`]. Clones share the values: each is received once.
pub struct Receiver<T: Send>(Arc<Shared<T>>);

impl<T: Send> Sender<T> {
    /// Sends `v`; blocks until a receiver takes it or the buffer has room.
    ///
    /// # Errors
    /// With the value, if the channel is closed or has no receiver, or comes to that meanwhile.
    pub fn send(&self, v: T) -> Result<(), SendError<T>> {
        ops::send(&self.0.core, v).map_err(SendError)
    }

    /// Sends `v` if that needs no waiting.
    ///
    /// # Errors
    /// With the value, if it cannot be sent now, or ever.
    pub fn try_send(&self, v: T) -> Result<(), TrySendError<T>> {
        ops::try_send(&self.0.core, v)
    }

    /// Sends `v`; blocks for `d` at most.
    ///
    /// # Errors
    /// With the value, if it was not sent in time, or cannot be.
    pub fn send_timeout(&self, v: T, d: Duration) -> Result<(), SendTimeoutError<T>> {
        ops::send_until(&self.0.core, v, clock::after(d))
    }
}

impl<T: Send> Receiver<T> {
    /// Receives a value; blocks until there is one.
    ///
    /// # Errors
    /// Once the channel is drained, and closed or without a sender.
    pub fn recv(&self) -> Result<T, RecvError> {
        ops::recv(&self.0.core).ok_or(RecvError)
    }

    /// Receives a value if one is there.
    ///
    /// # Errors
    /// If none is there now, or ever will be.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        ops::try_recv(&self.0.core)
    }

    /// Receives a value; blocks for `d` at most.
    ///
    /// # Errors
    /// If none came in time, or ever will.
    pub fn recv_timeout(&self, d: Duration) -> Result<T, RecvTimeoutError> {
        ops::recv_until(&self.0.core, clock::after(d))
    }

    /// Receives until the channel is closed and drained.
    pub fn iter(&self) -> ReceiverIter<'_, T> {
        ReceiverIter(self)
    }

    /// Receives what is there now.
    pub fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.try_recv().ok())
    }
}

/// What both ends have.
macro_rules! end {
    ($End:ident $count:ident) => {
        impl<T: Send> $End<T> {
            /// Closes the channel for both ends; what is buffered can still be received. False if it
            /// was closed.
            pub fn close(&self) -> bool {
                ops::close(&self.0.core)
            }

            /// Whether the channel is closed, or all ends of the other kind are gone.
            #[must_use]
            pub fn is_closed(&self) -> bool {
                self.0.core.is_closed()
            }

            /// Values in the buffer now.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.core.len()
            }

            /// Whether the buffer holds nothing now.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many values the buffer can hold.
            #[must_use]
            pub fn cap(&self) -> usize {
                self.0.core.cap()
            }

            /// Whether both are ends of the same channel.
            #[must_use]
            pub fn same_channel(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0)
            }
        }

        impl<T: Send> Clone for $End<T> {
            fn clone(&self) -> Self {
                self.0.$count.fetch_add(1, Ordering::Relaxed);
                Self(self.0.clone())
            }
        }

        impl<T: Send> fmt::Debug for $End<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($End))
                    .field("len", &self.len())
                    .field("cap", &self.cap())
                    .field("closed", &self.is_closed())
                    .finish()
            }
        }

        impl<T: Send> End for $End<T> {
            type Item = T;
            #[allow(private_interfaces)]
            fn core(&self) -> Option<&Core<T>> {
                Some(&self.0.core)
            }
        }
    };
}

end!(Sender senders);
end!(Receiver receivers);

impl<T: Send> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: the last one sees all that the others sent; the core's lock does the rest.
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            ops::close(&self.0.core);
        }
    }
}

impl<T: Send> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.0.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            ops::close(&self.0.core);
            drop(ops::drain(&self.0.core));
        }
    }
}

impl<T: Send> Sink for Sender<T> {
    type Output = Result<(), SendError<T>>;
    const PANICS: bool = false;
    fn sent(unsent: Option<T>) -> Self::Output {
        unsent.map_or(Ok(()), |v| Err(SendError(v)))
    }
}

impl<T: Send> Source for Receiver<T> {
    type Output = Result<T, RecvError>;
    fn received(value: Option<T>) -> Self::Output {
        value.ok_or(RecvError)
    }
}

/// Receives until the channel is closed and drained; from [`Receiver::iter`].
#[derive(Debug)]
pub struct ReceiverIter<'a, T: Send>(&'a Receiver<T>);

impl<T: Send> Iterator for ReceiverIter<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

/// As [`ReceiverIter`], owning the receiver.
#[derive(Debug)]
pub struct ReceiverIntoIter<T: Send>(Receiver<T>);

impl<T: Send> Iterator for ReceiverIntoIter<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<'a, T: Send> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = ReceiverIter<'a, T>;
    fn into_iter(self) -> ReceiverIter<'a, T> {
        self.iter()
    }
}

impl<T: Send> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = ReceiverIntoIter<T>;
    fn into_iter(self) -> ReceiverIntoIter<T> {
        ReceiverIntoIter(self)
    }
}
