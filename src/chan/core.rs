//! The state of a channel, and what an operation on it comes to. Nothing here blocks.
//!
//! Invariants (under the lock):
//! * at least one of the two queues is empty;
//! * receivers wait only while the buffer is empty, senders only while it is full;
//! * nobody waits on a closed channel.
//!
//! Values pass directly from a sender to a waiting receiver and back: the waker writes into (or
//! reads from) the waiter's stack, which stays put until the waiter is made ready.

use crate::sched::{Task, WaitQueue, Waiter};
use crate::sys::lock::RawLock;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A channel.
pub(crate) struct Core<T> {
    pub(crate) lock: RawLock,
    /// Written under the lock; read without it by the fast answers.
    closed: AtomicBool,
    /// Values buffered, kept beside the buffer for `len` and the fast answers.
    len: AtomicUsize,
    cap: usize,
    state: UnsafeCell<State<T>>,
}

struct State<T> {
    buffer: VecDeque<T>,
    senders: WaitQueue,
    receivers: WaitQueue,
}

// SAFETY: `state` is used under `lock`; what passes between threads is T: Send.
unsafe impl<T: Send> Sync for Core<T> {}
// SAFETY: as above; queued records refer to parties that may be made ready from any thread.
unsafe impl<T: Send> Send for Core<T> {}

/// What a send came to.
pub(crate) enum Sent<T> {
    /// Buffered.
    Done,
    /// Handed to this receiver, which must be made ready.
    Handed(Task),
    /// No room; here is the value again.
    Full(T),
    /// Closed; here is the value again.
    Closed(T),
}

/// What a receive came to.
pub(crate) enum Received<T> {
    /// A value, and the sender to make ready whose value took its place (or which brought it).
    Value(T, Option<Task>),
    /// Nothing there.
    Empty,
    /// Nothing there, and never will be.
    Closed,
}

/// Values beyond this many are not reserved at once: a capacity of millions costs nothing until it
/// is used.
const RESERVE: usize = 4096;

impl<T> Core<T> {
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            lock: RawLock::new(),
            closed: AtomicBool::new(false),
            len: AtomicUsize::new(0),
            cap,
            state: UnsafeCell::new(State {
                buffer: VecDeque::with_capacity(cap.min(RESERVE)),
                senders: WaitQueue::new(),
                receivers: WaitQueue::new(),
            }),
        }
    }

    pub(crate) fn cap(&self) -> usize {
        self.cap
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// # Safety
    /// The lock is held.
    #[allow(clippy::mut_from_ref)]
    unsafe fn state(&self) -> &mut State<T> {
        // SAFETY: the lock is held, says the caller, and no reference outlives an operation.
        unsafe { &mut *self.state.get() }
    }

    /// Tries to send.
    ///
    /// # Safety
    /// The lock is held.
    #[inline]
    pub(crate) unsafe fn send(&self, value: T) -> Sent<T> {
        if self.closed.load(Ordering::Relaxed) {
            return Sent::Closed(value);
        }
        // SAFETY: the lock is held.
        let state = unsafe { self.state() };
        // SAFETY: as above.
        if let Some(receiver) = unsafe { state.receivers.pop() } {
            // SAFETY: its wait has not ended: the record and the slot it points to are there.
            let receiver = unsafe { receiver.as_ref() };
            // SAFETY: as above; a receiver's slot is a place for a T.
            unsafe { receiver.slot.cast::<T>().write(value) };
            receiver.served.set(true);
            return Sent::Handed(receiver.task());
        }
        if state.buffer.len() < self.cap {
            state.buffer.push_back(value);
            self.len.store(state.buffer.len(), Ordering::Release);
            return Sent::Done;
        }
        Sent::Full(value)
    }

    /// Tries to receive.
    ///
    /// # Safety
    /// The lock is held.
    #[inline]
    pub(crate) unsafe fn recv(&self) -> Received<T> {
        // SAFETY: the lock is held.
        let state = unsafe { self.state() };
        if let Some(value) = state.buffer.pop_front() {
            // SAFETY: as above.
            let task = unsafe { state.senders.pop() }.map(|sender| {
                // SAFETY: the sender waits, so its record and value are there.
                let (next, task) = unsafe { take(sender) };
                state.buffer.push_back(next);
                task
            });
            self.len.store(state.buffer.len(), Ordering::Release);
            return Received::Value(value, task);
        }
        // SAFETY: the lock is held.
        if let Some(sender) = unsafe { state.senders.pop() } {
            // SAFETY: the sender waits, so its record and value are there.
            let (value, task) = unsafe { take(sender) };
            return Received::Value(value, Some(task));
        }
        if self.closed.load(Ordering::Relaxed) { Received::Closed } else { Received::Empty }
    }

    /// Queues a sender whose record's slot points to its value.
    ///
    /// # Safety
    /// The lock is held, `send` said `Full`, and the record stays until its wait has ended.
    pub(crate) unsafe fn wait_to_send(&self, waiter: &Waiter) {
        // SAFETY: passed on.
        unsafe { self.state().senders.push(waiter) };
    }

    /// Queues a receiver whose record's slot points to room for a value.
    ///
    /// # Safety
    /// The lock is held, `recv` said `Empty`, and the record stays until its wait has ended.
    pub(crate) unsafe fn wait_to_recv(&self, waiter: &Waiter) {
        // SAFETY: passed on.
        unsafe { self.state().receivers.push(waiter) };
    }

    /// Closes, and takes out everyone who waits: receivers and senders. `None` if it was closed.
    ///
    /// # Safety
    /// The lock is held. The caller makes all of them ready.
    pub(crate) unsafe fn close(&self) -> Option<[WaitQueue; 2]> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: the lock is held.
        let state = unsafe { self.state() };
        // SAFETY: (both) the lock is held; the caller makes them ready.
        Some(unsafe { [state.receivers.take(), state.senders.take()] })
    }

    /// Whether a receive without blocking can be answered "empty" at a glance. The channel was open
    /// after it was seen empty, and closing cannot be undone: so it was both at the first look.
    pub(crate) fn surely_empty(&self) -> bool {
        self.cap > 0 && self.len() == 0 && !self.is_closed()
    }

    /// Whether a send without blocking can be answered "full" at a glance.
    pub(crate) fn surely_full(&self) -> bool {
        !self.is_closed() && self.cap > 0 && self.len() == self.cap
    }
}

/// Moves the value out of a sender that was taken from the queue.
///
/// # Safety
/// The sender's wait has not ended.
unsafe fn take<T>(sender: NonNull<Waiter>) -> (T, Task) {
    // SAFETY: the record is there until its task is made ready.
    let sender = unsafe { sender.as_ref() };
    // SAFETY: a sender's slot holds its value, which passes to us: `served` tells the sender.
    let value = unsafe { sender.slot.cast::<MaybeUninit<T>>().read().assume_init() };
    sender.served.set(true);
    (value, sender.task())
}
