//! The state of a channel, and what an operation on it comes to. Nothing here blocks.
//!
//! Invariants (under the lock, not counting records whose claim is lost):
//! * at least one of the two queues is empty, unless one select stands in both;
//! * receivers wait only while the buffer is empty, senders only while it is full;
//! * nobody waits on a closed channel.
//!
//! Values pass directly from a sender to a waiting receiver and back: the waker writes into (or
//! reads from) the waiter's stack, which stays put until the waiter is made ready.
//!
//! What is unusual about a channel (closed, receive-only, filled by a clock) is in one word of
//! flags, looked at only where an ordinary open channel has nothing to offer, or before a send.

use super::timed::Timed;
use crate::base::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::sched::{Task, WaitQueue, Waiter};
use crate::sys::lock::RawLock;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;

/// A channel.
pub(crate) struct Core<T> {
    pub(super) lock: RawLock,
    /// Written under the lock; read without it by the fast answers.
    flags: AtomicU8,
    /// Values buffered, kept beside the buffer for `len` and the fast answers.
    len: AtomicUsize,
    /// Odd during a change that lets an operation go on which has blocked so far, and another even
    /// number after it; see [`look`](Self::look). Written under the lock.
    turn: AtomicUsize,
    cap: usize,
    /// Under the lock.
    buffer: UnsafeCell<VecDeque<T>>,
    senders: WaitQueue,
    receivers: WaitQueue,
    /// The clock that fills it, if one does.
    timed: Option<Box<Timed<T>>>,
}

const CLOSED: u8 = 1;
/// Users may not send or close.
const RECEIVE_ONLY: u8 = 2;
/// `timed` is there.
const TIMED: u8 = 4;

// SAFETY: the buffer, the queues and `timed` are used under `lock` (`looks_empty` aside); what
// passes between threads is T: Send.
unsafe impl<T: Send> Sync for Core<T> {}
// SAFETY: as above; queued records refer to parties that may be made ready from any thread.
unsafe impl<T: Send> Send for Core<T> {}
/// No code of the user's runs under the lock: a channel is whole after any unwind, as std's are.
impl<T> UnwindSafe for Core<T> {}
impl<T> RefUnwindSafe for Core<T> {}

/// What a look without the lock says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It blocked at some moment of the look, and since then while the turn is this one.
    Blocks(usize),
    /// It could go on.
    GoesOn,
    /// Only the lock's holder can say.
    Unclear,
}

/// What a send came to.
pub(super) enum Sent<T> {
    /// Buffered.
    Done,
    /// Handed to this receiver, which must be made ready.
    Handed(Task),
    /// No room; here is the value again.
    Full(T),
    /// Closed, or not for sending; here is the value again.
    Closed(T),
}

/// What a receive came to.
pub(super) enum Received<T> {
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
    pub(super) fn new(cap: usize) -> Self {
        Self::make(cap, 0, None)
    }

    /// A channel that users may only receive from.
    pub(super) fn receive_only(cap: usize) -> Self {
        Self::make(cap, RECEIVE_ONLY, None)
    }

    /// A channel that `timed` fills.
    pub(super) fn timed(timed: Timed<T>) -> Self {
        Self::make(0, RECEIVE_ONLY | TIMED, Some(Box::new(timed)))
    }

    fn make(cap: usize, flags: u8, timed: Option<Box<Timed<T>>>) -> Self {
        Self {
            lock: RawLock::new(),
            flags: AtomicU8::new(flags),
            len: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            cap,
            buffer: UnsafeCell::new(VecDeque::with_capacity(cap.min(RESERVE))),
            senders: WaitQueue::new(),
            receivers: WaitQueue::new(),
            timed,
        }
    }

    pub(super) fn cap(&self) -> usize {
        self.cap
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.has(CLOSED)
    }

    pub(super) fn is_receive_only(&self) -> bool {
        self.has(RECEIVE_ONLY)
    }

    pub(super) fn clock(&self) -> Option<&Timed<T>> {
        self.timed.as_deref()
    }

    pub(super) fn receivers(&self) -> &WaitQueue {
        &self.receivers
    }

    /// Makes a change that lets something go on which has blocked so far, if `opens`. Under the lock.
    #[inline]
    fn change<R>(&self, opens: bool, change: impl FnOnce() -> R) -> R {
        if !opens {
            return change();
        }
        let turn = self.turn();
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        let result = change();
        // Release: whoever reads the even number (`look`) sees the change.
        self.turn.store(turn.wrapping_add(2), Ordering::Release);
        result
    }

    /// See [`Look::Blocks`].
    #[inline]
    pub(super) fn turn(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    /// # Safety
    /// The lock is held.
    #[allow(clippy::mut_from_ref)]
    unsafe fn buffer(&self) -> &mut VecDeque<T> {
        // SAFETY: the lock is held, says the caller, and no reference outlives an operation.
        unsafe { &mut *self.buffer.get() }
    }

    /// Tries to send.
    ///
    /// # Safety
    /// The lock is held.
    #[inline]
    pub(super) unsafe fn send(&self, value: T) -> Sent<T> {
        if self.flags.load(Ordering::Relaxed) != 0 {
            return Sent::Closed(value);
        }
        // SAFETY: the lock is held.
        if let Some(receiver) = unsafe { self.receivers.pop() } {
            // SAFETY: its wait has not ended, and a receiver's slot is a place for a T.
            return Sent::Handed(unsafe { give(receiver, value) });
        }
        // SAFETY: the lock is held.
        let buffer = unsafe { self.buffer() };
        let len = buffer.len();
        if len < self.cap {
            buffer.push_back(value);
            self.change(len == 0, || self.len.store(len + 1, Ordering::Release));
            return Sent::Done;
        }
        Sent::Full(value)
    }

    /// Tries to receive.
    ///
    /// # Safety
    /// The lock is held.
    #[inline]
    pub(super) unsafe fn recv(&self) -> Received<T> {
        // SAFETY: the lock is held.
        let buffer = unsafe { self.buffer() };
        if let Some(value) = buffer.pop_front() {
            // SAFETY: as above.
            let task = unsafe { self.senders.pop() }.map(|sender| {
                // SAFETY: the sender waits, so its record and value are there.
                let (next, task) = unsafe { take(sender) };
                buffer.push_back(next);
                task
            });
            let len = buffer.len();
            self.change(len + 1 == self.cap, || self.len.store(len, Ordering::Release));
            return Received::Value(value, task);
        }
        // SAFETY: the lock is held.
        if let Some(sender) = unsafe { self.senders.pop() } {
            // SAFETY: the sender waits, so its record and value are there.
            let (value, task) = unsafe { take(sender) };
            return Received::Value(value, Some(task));
        }
        match self.flags.load(Ordering::Relaxed) {
            0 => Received::Empty,
            flags => self.recv_unusual(flags),
        }
    }

    #[cold]
    fn recv_unusual(&self, flags: u8) -> Received<T> {
        if flags & CLOSED != 0 {
            return Received::Closed;
        }
        match self.clock().and_then(Timed::take) {
            Some(value) => Received::Value(value, None),
            None => Received::Empty,
        }
    }

    /// Whether a receive may find something; if not, it is `Empty`. Under the lock.
    #[inline]
    pub(super) fn may_recv(&self) -> bool {
        self.len.load(Ordering::Relaxed) > 0
            || !self.senders.looks_empty()
            || self.flags.load(Ordering::Relaxed) != 0
    }

    /// Whether a send may go on; if not, it is `Full`. Under the lock.
    #[inline]
    pub(super) fn may_send(&self) -> bool {
        self.len.load(Ordering::Relaxed) < self.cap
            || !self.receivers.looks_empty()
            || self.flags.load(Ordering::Relaxed) != 0
    }

    /// Queues a sender whose record's slot points to its value.
    ///
    /// # Safety
    /// The lock is held, `send` said `Full`, and the record stays until its wait has ended.
    pub(super) unsafe fn wait_to_send(&self, waiter: &Waiter) {
        // SAFETY: passed on.
        self.change(true, || unsafe { self.senders.push(waiter) });
    }

    /// Queues a receiver whose record's slot points to room for a value.
    ///
    /// # Safety
    /// The lock is held, `recv` said `Empty`, and the record stays until its wait has ended.
    pub(super) unsafe fn wait_to_recv(&self, waiter: &Waiter) {
        let first = self.receivers.looks_empty();
        // SAFETY: passed on.
        self.change(true, || unsafe { self.receivers.push(waiter) });
        if first && let Some(timed) = self.clock() {
            timed.set();
        }
    }

    /// Takes a sender out whose wait has ended elsewhere, if it is still there.
    ///
    /// # Safety
    /// The lock is held; the record has a claim and was queued as a sender here.
    pub(super) unsafe fn leave_senders(&self, waiter: &Waiter) {
        // SAFETY: passed on.
        unsafe { self.senders.remove(waiter) };
    }

    /// Takes a receiver out whose wait has ended elsewhere, if it is still there.
    ///
    /// # Safety
    /// The lock is held; the record has a claim and was queued as a receiver here.
    pub(super) unsafe fn leave_receivers(&self, waiter: &Waiter) {
        // SAFETY: passed on.
        unsafe { self.receivers.remove(waiter) };
        if self.receivers.looks_empty()
            && let Some(timed) = self.clock()
        {
            timed.unset();
        }
    }

    /// Closes, and takes out everyone who waits: receivers and senders. `None` if it was closed.
    ///
    /// # Safety
    /// The lock is held. The caller makes all of them ready.
    pub(super) unsafe fn close(&self) -> Option<[WaitQueue; 2]> {
        let before = self.change(true, || self.flags.fetch_or(CLOSED, Ordering::AcqRel));
        if before & CLOSED != 0 {
            return None;
        }
        // SAFETY: (both) the lock is held; the caller makes them ready.
        Some(unsafe { [self.receivers.take(), self.senders.take()] })
    }

    /// Takes what is buffered: nobody will receive it.
    ///
    /// # Safety
    /// The lock is held.
    pub(super) unsafe fn drain(&self) -> VecDeque<T> {
        self.len.store(0, Ordering::Release);
        // SAFETY: the lock is held.
        std::mem::take(unsafe { self.buffer() })
    }

    /// Whether a receive without blocking can be answered "empty" at a glance. The channel was open
    /// after it was seen empty, and closing cannot be undone: so it was both at the first look. (A
    /// buffer that holds nothing has no sender waiting behind it.) One branch for all, since the answer
    /// is mostly yes where somebody asks again and again.
    #[inline]
    pub(super) fn surely_empty(&self) -> bool {
        let (empty, nobody) = (self.len() == 0, self.senders.looks_empty());
        empty & nobody & !self.has(CLOSED | TIMED)
    }

    /// Whether a send without blocking can be answered "full" at a glance.
    #[inline]
    pub(super) fn surely_full(&self) -> bool {
        let (full, nobody) = (self.len() == self.cap, self.receivers.looks_empty());
        full & nobody & !self.has(CLOSED | RECEIVE_ONLY)
    }

    /// Looks whether an operation would block. A select sees several channels block at one instant if
    /// it looks at all of them and then finds every turn as it was, because every channel then blocked
    /// from its own look to the last one. Suppose a channel was opened meanwhile, for all that was done
    /// before the last look. The change made the turn odd before it showed, and shows with Release; the
    /// last look reads with Acquire what came after it, and so the turn is found moved. It was not read
    /// as moved in the first place: then it was odd, or the change was seen.
    ///
    /// Rejected: moving the turn once, before the change (it may be read in between, and does not move
    /// when the change shows) or after it (who sees the change may act before the turn moves).
    #[inline]
    pub(super) fn look(&self, send: bool) -> Look {
        // Acquire: pairs with the Release in `change`; the look comes after it.
        let turn = self.turn.load(Ordering::Acquire);
        if turn % 2 == 1 {
            return Look::Unclear;
        }
        let blocks = if send { self.surely_full() } else { self.surely_empty() };
        match (blocks, send) {
            (true, _) => Look::Blocks(turn),
            (false, false) if self.has(TIMED) => Look::Unclear,
            _ => Look::GoesOn,
        }
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        debug_assert!(self.senders.looks_empty() && self.receivers.looks_empty());
    }
}

/// Hands `value` to a receiver that was taken from the queue.
///
/// # Safety
/// The receiver's wait has not ended, and its slot is a place for a `T`.
#[inline]
pub(super) unsafe fn give<T>(receiver: NonNull<Waiter>, value: T) -> Task {
    // SAFETY: the record and the slot it points to are there until its task is made ready.
    let receiver = unsafe { receiver.as_ref() };
    // SAFETY: as above.
    unsafe { receiver.slot.cast::<T>().write(value) };
    receiver.served.set(true);
    receiver.task()
}

/// Moves the value out of a sender that was taken from the queue.
///
/// # Safety
/// The sender's wait has not ended.
#[inline]
unsafe fn take<T>(sender: NonNull<Waiter>) -> (T, Task) {
    // SAFETY: the record is there until its task is made ready.
    let sender = unsafe { sender.as_ref() };
    // SAFETY: a sender's slot holds its value, which passes to us: `served` tells the sender.
    let value = unsafe { sender.slot.cast::<MaybeUninit<T>>().read().assume_init() };
    sender.served.set(true);
    (value, sender.task())
}

/// A strong reference as a word for an alarm.
pub(super) fn into_word<T>(core: Arc<Core<T>>) -> *const () {
    Arc::into_raw(core).cast()
}

/// The reference that [`into_word`] made.
///
/// # Safety
/// `word` came from `into_word` with the same `T`, and is given back once.
pub(super) unsafe fn from_word<T>(word: *const ()) -> Arc<Core<T>> {
    // SAFETY: passed on.
    unsafe { Arc::from_raw(word.cast::<Core<T>>()) }
}
