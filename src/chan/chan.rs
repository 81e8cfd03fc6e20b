//! `Chan`: Go's channel as a value that both ends hold.

use super::arm::{Sink, Source, refuse_send, sealed::End};
use super::core::Core;
use super::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use super::timed::Timed;
use super::{check_capacity, ops};
use crate::g::WaitReason;
use crate::sched::{park_forever, sleep_until};
use crate::sys::clock;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A channel (Go's `chan T`): both ends in one value, clones are the same channel.
///
/// Values are received in the order they were sent, blocked senders and receivers are served first
/// come first served. Works in goroutines and on plain OS threads alike; a thread that blocks
/// blocks as a thread.
///
/// ```
/// gort::run(|| {
///     let c = gort::chan(0);
///     let d = c.clone();
///     gort::go(move || {
///         for i in 0..3 {
///             d.send(i);
///         }
///         d.close();
///     });
///     assert_eq!(c.iter().collect::<Vec<_>>(), [0, 1, 2]);
/// });
/// ```
pub struct Chan<T: Send>(Option<Arc<Core<T>>>);

/// A channel that buffers `cap` values; with 0 a send waits for its receive (rendezvous).
///
/// # Panics
/// With `makechan: size out of range`, if the buffer could not exist in memory.
///
/// ```
/// let c = gort::chan(1);
/// c.send("kept");
/// assert_eq!(c.recv(), Some("kept"));
/// ```
#[must_use]
pub fn chan<T: Send>(cap: usize) -> Chan<T> {
    check_capacity::<T>(cap);
    Chan(Some(Arc::new(Core::new(cap))))
}

impl<T: Send> Chan<T> {
    /// The nil channel: sends and receives on it block for ever.
    #[must_use]
    pub const fn nil() -> Self {
        Self(None)
    }

    /// Whether this is the nil channel.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.0.is_none()
    }

    /// Sends `v`; blocks until a receiver takes it or the buffer has room.
    ///
    /// # Panics
    /// With `send on closed channel`, if the channel is closed or is closed meanwhile; `v` is
    /// dropped.
    #[inline(always)]
    pub fn send(&self, v: T) {
        let Some(core) = &self.0 else { park_forever(WaitReason::ChanSendNil) };
        if let Err(v) = ops::send(core, v) {
            drop(v);
            refuse_send(core.is_receive_only());
        }
    }

    /// Receives a value; blocks until there is one. `None` once the channel is closed and drained.
    #[inline(always)]
    #[must_use = "a received value is lost unless it is used"]
    pub fn recv(&self) -> Option<T> {
        let Some(core) = &self.0 else { park_forever(WaitReason::ChanReceiveNil) };
        ops::recv(core)
    }

    /// Sends `v` if that needs no waiting.
    ///
    /// # Errors
    /// [`TrySendError::Full`] with the value, also on the nil channel.
    ///
    /// # Panics
    /// With `send on closed channel`, if the channel is closed.
    pub fn try_send(&self, v: T) -> Result<(), TrySendError<T>> {
        let Some(core) = &self.0 else { return Err(TrySendError::Full(v)) };
        match ops::try_send(core, v) {
            Err(TrySendError::Closed(v)) => {
                drop(v);
                refuse_send(core.is_receive_only())
            }
            result => result,
        }
    }

    /// Receives a value if one is there.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`], also on the nil channel; [`TryRecvError::Closed`] once closed and
    /// drained.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.as_ref().map_or(Err(TryRecvError::Empty), |core| ops::try_recv(core))
    }

    /// Sends `v`; blocks for `d` at most.
    ///
    /// # Errors
    /// With the value: [`SendTimeoutError::Timeout`], also on the nil channel;
    /// [`SendTimeoutError::Closed`] if the channel is closed, or is closed meanwhile.
    ///
    /// ```
    /// use gort::SendTimeoutError;
    /// use std::time::Duration;
    /// gort::run(|| {
    ///     let c = gort::chan(1);
    ///     assert_eq!(c.send_timeout(1, Duration::from_secs(9)), Ok(()));
    ///     let late = c.send_timeout(2, Duration::from_millis(1));
    ///     assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
    /// });
    /// ```
    pub fn send_timeout(&self, v: T, d: Duration) -> Result<(), SendTimeoutError<T>> {
        let when = clock::after(d);
        let Some(core) = &self.0 else {
            sleep_until(when);
            return Err(SendTimeoutError::Timeout(v));
        };
        match ops::send_until(core, v, when) {
            Err(SendTimeoutError::Closed(v)) if core.is_receive_only() => {
                drop(v);
                refuse_send(true)
            }
            result => result,
        }
    }

    /// Receives a value; blocks for `d` at most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`], also on the nil channel; [`RecvTimeoutError::Closed`] once
    /// closed and drained.
    pub fn recv_timeout(&self, d: Duration) -> Result<T, RecvTimeoutError> {
        let when = clock::after(d);
        let Some(core) = &self.0 else {
            sleep_until(when);
            return Err(RecvTimeoutError::Timeout);
        };
        ops::recv_until(core, when)
    }

    /// Closes the channel: everyone who waits to receive gets `None` (once the buffer is drained),
    /// everyone who waits to send panics.
    ///
    /// # Panics
    /// With `close of nil channel` or `close of closed channel`.
    pub fn close(&self) {
        let Some(core) = &self.0 else { panic!("close of nil channel") };
        assert!(!core.is_receive_only(), "close of receive-only channel");
        assert!(ops::close(core), "close of closed channel");
    }

    /// Values in the buffer now; 0 for nil.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |core| core.len())
    }

    /// Whether the buffer holds nothing now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the buffer can hold; 0 for nil.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.0.as_ref().map_or(0, |core| core.cap())
    }

    /// Whether the channel has been closed; false for nil.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.as_ref().is_some_and(|core| core.is_closed())
    }

    /// Receives until the channel is closed and drained (Go's `range`).
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }
}

/// For the rooms above: channels that users only receive from.
impl<T: Send> Chan<T> {
    /// A channel that only [`close_inside`](Self::close_inside) closes.
    pub(crate) fn receive_only() -> Self {
        Self(Some(Arc::new(Core::receive_only(0))))
    }

    /// Closes a receive-only channel. False: it was closed.
    pub(crate) fn close_inside(&self) -> bool {
        self.0.as_ref().is_some_and(|core| ops::close(core))
    }

    /// Whether there are other handles of this channel.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|core| Arc::strong_count(core) > 1)
    }

    /// A channel whose values `make` makes of their due times: the first at `when`, then one each
    /// `period` (0: no more). The runtime must have been started.
    pub(crate) fn timed(make: fn(u64) -> T, when: u64, period: u64) -> Self {
        Self(Some(Timed::channel(make, when, period)))
    }

    /// Changes the times of a [`timed`](Self::timed) channel; [`NEVER`](clock::NEVER) stops it.
    /// Returns whether there was a value to come, or to be received.
    pub(crate) fn reset_clock(&self, when: u64, period: u64) -> bool {
        self.0.as_ref().is_some_and(|core| super::timed::reset(core, when, period))
    }
}

impl<T: Send> End for Chan<T> {
    type Item = T;
    #[allow(private_interfaces)]
    fn core(&self) -> Option<&Core<T>> {
        self.0.as_deref()
    }
}

impl<T: Send> Source for Chan<T> {
    type Output = Option<T>;
    fn received(value: Option<T>) -> Option<T> {
        value
    }
}

impl<T: Send> Sink for Chan<T> {
    type Output = ();
    const PANICS: bool = true;
    fn sent(_: Option<T>) {}
}

impl<T: Send> Clone for Chan<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send> PartialEq for Chan<T> {
    /// Whether both are the same channel (or both nil).
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T: Send> Eq for Chan<T> {}

impl<T: Send> Default for Chan<T> {
    /// The nil channel, Go's zero value.
    fn default() -> Self {
        Self::nil()
    }
}

impl<T: Send> fmt::Debug for Chan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nil() {
            return f.write_str("Chan(nil)");
        }
        f.debug_struct("Chan")
            .field("len", &self.len())
            .field("cap", &self.cap())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// Receives from a channel until it is closed and drained; from [`Chan::iter`].
#[derive(Debug)]
pub struct Iter<'a, T: Send>(&'a Chan<T>);

impl<T: Send> Iterator for Iter<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.0.recv()
    }
}

/// As [`Iter`], owning the channel.
#[derive(Debug)]
pub struct IntoIter<T: Send>(Chan<T>);

impl<T: Send> Iterator for IntoIter<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.0.recv()
    }
}

impl<'a, T: Send> IntoIterator for &'a Chan<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T: Send> IntoIterator for Chan<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;
    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}
