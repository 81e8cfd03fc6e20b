//! `Chan`: Go's channel as a value that both ends hold.

use super::core::{Core, Received, Sent};
use super::error::{TryRecvError, TrySendError};
use crate::g::WaitReason;
use crate::sched::{Me, Task, Waiter, park, park_forever, ready};
use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

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
    let bytes = cap.checked_mul(size_of::<T>().max(1));
    assert!(bytes.is_some_and(|b| b <= isize::MAX as usize), "makechan: size out of range");
    Chan(Some(Arc::new(Core::new(cap))))
}

const SEND_ON_CLOSED: &str = "send on closed channel";

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
    pub fn send(&self, v: T) {
        let Some(core) = &self.0 else { park_forever(WaitReason::ChanSendNil) };
        core.lock.lock();
        // SAFETY: the lock is held.
        match unsafe { core.send(v) } {
            Sent::Done => core.lock.unlock(),
            Sent::Handed(receiver) => unlock_and_ready(core, receiver),
            Sent::Full(v) => wait_to_send(core, v),
            Sent::Closed(v) => {
                core.lock.unlock();
                drop(v);
                panic!("{SEND_ON_CLOSED}");
            }
        }
    }

    /// Receives a value; blocks until there is one. `None` once the channel is closed and drained.
    #[must_use = "a received value is lost unless it is used"]
    pub fn recv(&self) -> Option<T> {
        let Some(core) = &self.0 else { park_forever(WaitReason::ChanReceiveNil) };
        core.lock.lock();
        // SAFETY: the lock is held.
        match unsafe { core.recv() } {
            Received::Value(v, None) => {
                core.lock.unlock();
                Some(v)
            }
            Received::Value(v, Some(sender)) => {
                unlock_and_ready(core, sender);
                Some(v)
            }
            Received::Closed => {
                core.lock.unlock();
                None
            }
            Received::Empty => wait_to_recv(core),
        }
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
        if core.surely_full() {
            return Err(TrySendError::Full(v));
        }
        core.lock.lock();
        // SAFETY: the lock is held.
        let sent = unsafe { core.send(v) };
        match sent {
            Sent::Handed(receiver) => {
                unlock_and_ready(core, receiver);
                return Ok(());
            }
            _ => core.lock.unlock(),
        }
        match sent {
            Sent::Full(v) => Err(TrySendError::Full(v)),
            Sent::Closed(v) => {
                drop(v);
                panic!("{SEND_ON_CLOSED}")
            }
            Sent::Done | Sent::Handed(_) => Ok(()),
        }
    }

    /// Receives a value if one is there.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`], also on the nil channel; [`TryRecvError::Closed`] once closed and
    /// drained.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let Some(core) = &self.0 else { return Err(TryRecvError::Empty) };
        if core.surely_empty() {
            return Err(TryRecvError::Empty);
        }
        core.lock.lock();
        // SAFETY: the lock is held.
        match unsafe { core.recv() } {
            Received::Value(v, Some(sender)) => {
                unlock_and_ready(core, sender);
                Ok(v)
            }
            other => {
                core.lock.unlock();
                match other {
                    Received::Value(v, _) => Ok(v),
                    Received::Empty => Err(TryRecvError::Empty),
                    Received::Closed => Err(TryRecvError::Closed),
                }
            }
        }
    }

    /// Closes the channel: everyone who waits to receive gets `None` (once the buffer is drained),
    /// everyone who waits to send panics.
    ///
    /// # Panics
    /// With `close of nil channel` or `close of closed channel`.
    pub fn close(&self) {
        let Some(core) = &self.0 else { panic!("close of nil channel") };
        core.lock.lock();
        // SAFETY: the lock is held, and everyone is made ready below.
        let closed = unsafe { core.close() };
        core.lock.unlock();
        let Some(waiters) = closed else { panic!("close of closed channel") };
        for queue in waiters {
            // SAFETY: the queue is ours now.
            unsafe { queue.ready_all() };
        }
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

#[inline]
fn unlock_and_ready<T>(core: &Core<T>, task: Task) {
    core.lock.unlock();
    // SAFETY: the core took it from its queue.
    unsafe { ready(task) };
}

/// Parks as a sender; the lock is held and goes with the park.
fn wait_to_send<T: Send>(core: &Core<T>, v: T) {
    let me = Me::new();
    let mut value = MaybeUninit::new(v);
    let waiter = Waiter::new(&me, value.as_mut_ptr().cast());
    // SAFETY: the lock is held; this frame stays until the wait has ended.
    unsafe { core.wait_to_send(&waiter) };
    park(&me, WaitReason::ChanSend, || {
        core.lock.unlock();
        true
    });
    if !waiter.served.get() {
        // SAFETY: nobody took the value: it is still ours.
        drop(unsafe { value.assume_init() });
        panic!("{SEND_ON_CLOSED}");
    }
}

/// Parks as a receiver; the lock is held and goes with the park.
fn wait_to_recv<T: Send>(core: &Core<T>) -> Option<T> {
    let me = Me::new();
    let mut value = MaybeUninit::<T>::uninit();
    let waiter = Waiter::new(&me, value.as_mut_ptr().cast());
    // SAFETY: the lock is held; this frame stays until the wait has ended.
    unsafe { core.wait_to_recv(&waiter) };
    park(&me, WaitReason::ChanReceive, || {
        core.lock.unlock();
        true
    });
    // SAFETY: `served` says that a sender wrote the value.
    waiter.served.get().then(|| unsafe { value.assume_init() })
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

/// A panic of the user's never happens while the lock is held: a channel is whole after any unwind.
impl<T: Send> UnwindSafe for Chan<T> {}
impl<T: Send> RefUnwindSafe for Chan<T> {}

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
