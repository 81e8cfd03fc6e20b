//! A descriptor that is waited for: what every type of `net` and `io` is made of.
//!
//! # An operation
//! takes its direction's lock (so that one party at a time waits there, and one call's data is not
//! mixed with another's), then tries, and waits at the gate when the system says that it would have to
//! (`poll/gate.rs` has the protocol). Reading and writing know nothing of each other.
//!
//! *Short reads.* On a TCP stream, a read that returns less than was asked for has emptied the kernel's
//! buffer, so the next one would only be told to wait: it waits at once (epoll(7) describes the
//! edge-triggered rule; tokio uses it too). That halves the reads of a server that answers small messages.
//! It does not hold at the end of the data, before urgent data or after an error: of these the poller
//! tells, and the slot remembers. Nor does it hold for other kinds of descriptors, which therefore always
//! ask: a Unix stream stops where ancillary data changes, a terminal at the end of a line.
//!
//! # Closing
//! [`Fd::close`] ends every wait and closes the file, but keeps the *number*, which refers to an inert file
//! from then on and is given back with the last handle. So no operation can meet a stranger's file
//! under a number it read a moment before, a borrowed descriptor stays an open one, and operations need no
//! count of who is inside (Go's `fdMutex`).
//!
//! Invariant: the slot belongs to this descriptor from its registration to its drop.

use super::deadline::{self, Deadlines};
use super::error::{Closed, Kind, timed_out};
use crate::base::width::Wide;
use crate::panic::ensure_started;
use crate::poll::{self, Direction, Slot};
use crate::sched::netpoll;
use crate::sync::Mutex;
use crate::sys::clock::{self, NEVER};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

/// The registration, which ends before the descriptor is dropped.
#[derive(Debug)]
struct Watch<S: AsFd> {
    slot: &'static Slot,
    io: ManuallyDrop<S>,
}

impl<S: AsFd> Watch<S> {
    fn new(io: S) -> Result<Self, (io::Error, S)> {
        ensure_started();
        match poll::register(io.as_fd()) {
            Ok((slot, first)) => {
                if first {
                    netpoll::registered();
                }
                Ok(Self { slot, io: ManuallyDrop::new(io) })
            }
            Err(e) => Err((e, io)),
        }
    }

    fn end(&mut self) {
        if let Some(poller) = poll::poller() {
            poller.deregister(self.io.as_fd(), self.slot);
        }
    }

    fn into_inner(self) -> S {
        let mut this = ManuallyDrop::new(self);
        this.end();
        // SAFETY: `this` is not used again, nor dropped.
        unsafe { ManuallyDrop::take(&mut this.io) }
    }
}

impl<S: AsFd> Drop for Watch<S> {
    fn drop(&mut self) {
        self.end();
        // SAFETY: nobody uses it after this.
        unsafe { ManuallyDrop::drop(&mut self.io) };
    }
}

/// What a direction's lock guards.
#[derive(Debug)]
struct Side {
    /// The next attempt would be told to wait, unless the gate says otherwise.
    spent: bool,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Done<R> {
    pub(crate) value: R,
    /// It shows that the next one would have to wait.
    pub(crate) spent: bool,
}

impl<R> Done<R> {
    /// Shows nothing of the next attempt.
    pub(crate) fn whole(value: R) -> Self {
        Self { value, spent: false }
    }
}

impl Done<usize> {
    /// Of a stream: `n` of `wanted` bytes passed.
    #[inline]
    pub(crate) fn part(n: usize, wanted: usize) -> Self {
        // Nothing at all is the end of the data, and will be so the next time.
        Self { value: n, spent: 0 < n && n < wanted }
    }
}

/// See the head.
#[derive(Debug)]
pub(crate) struct Fd<S: AsFd> {
    watch: Watch<S>,
    deadlines: Deadlines,
    sides: [Mutex<Side>; 2],
    /// Longest wait of one call, by direction, in ns; [`NEVER`]: no limit.
    timeouts: [Wide; 2],
    /// The user wants to be told, not to wait.
    nonblocking: AtomicBool,
    kind: Kind,
}

/// The limit of the call that waits just now, taken away when the call ends.
struct Limit {
    slot: &'static Slot,
    direction: Direction,
    /// When the call's own patience ends; [`NEVER`].
    until: u64,
    is_set: bool,
}

impl Drop for Limit {
    fn drop(&mut self) {
        if self.is_set {
            self.slot.limits[self.direction as usize].store(NEVER, Ordering::Release);
        }
    }
}

impl<S: AsFd> Fd<S> {
    /// Registers `io`, which is in non-blocking mode.
    ///
    /// # Errors
    /// Those of the system, with `io`.
    pub(crate) fn new(io: S, kind: Kind) -> Result<Self, (io::Error, S)> {
        Ok(Self {
            watch: Watch::new(io)?,
            deadlines: Deadlines::new(),
            sides: [const { Mutex::new(Side { spent: false }) }; 2],
            timeouts: [const { Wide::new(NEVER) }; 2],
            nonblocking: AtomicBool::new(false),
            kind,
        })
    }

    pub(crate) fn get(&self) -> &S {
        &self.watch.io
    }

    /// The descriptor, still in non-blocking mode, registered no longer.
    pub(crate) fn into_inner(self) -> S {
        self.watch.into_inner()
    }

    fn slot(&self) -> &'static Slot {
        self.watch.slot
    }

    fn closed<T>(&self) -> io::Result<T> {
        Err(Closed(self.kind).into())
    }

    /// A call that never waits, such as a socket option.
    ///
    /// # Errors
    /// [`Closed`], and those of `op`.
    pub(crate) fn now<R>(&self, op: impl FnOnce(&S) -> io::Result<R>) -> io::Result<R> {
        let done = op(self.get());
        if self.slot().is_closed() { self.closed() } else { done }
    }

    /// Runs `op` until it does not have to wait any more.
    ///
    /// # Errors
    /// [`Closed`], a deadline that passed, and those of `op`.
    #[inline]
    pub(crate) fn run<R>(
        &self,
        direction: Direction,
        op: impl FnMut(&S) -> io::Result<Done<R>>,
    ) -> io::Result<R> {
        self.run_until(direction, NEVER, op)
    }

    /// As [`run`](Self::run), waiting no longer than until the clock shows `until`, and not at all
    /// with 0. (Whoever comes while another call waits in this direction waits for that one first.)
    ///
    /// # Errors
    /// As for [`run`](Self::run); `WouldBlock` with 0.
    #[inline]
    pub(crate) fn run_until<R>(
        &self,
        direction: Direction,
        until: u64,
        mut op: impl FnMut(&S) -> io::Result<Done<R>>,
    ) -> io::Result<R> {
        let slot = self.slot();
        let mut side = self.sides[direction as usize].lock();
        let mut limit = Limit { slot, direction, until, is_set: false };
        loop {
            if slot.is_closed() {
                return self.closed();
            }
            if deadline::is_over(slot, direction) {
                return Err(timed_out());
            }
            // First the gate: what it tells of happened before the attempt.
            let told = slot.gate(direction).pass();
            let nonblocking = until == 0 || self.is_nonblocking();
            if side.spent && !told && !nonblocking && !slot.at_end() {
                side.spent = false;
                self.wait(&mut limit);
                continue;
            }
            side.spent = false;
            match op(self.get()) {
                Ok(done) => {
                    side.spent = done.spent;
                    return Ok(done.value);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && !nonblocking => {
                    self.wait(&mut limit);
                }
                Err(_) if slot.is_closed() => return self.closed(),
                Err(e) => return Err(e),
            }
        }
    }

    /// Waits until there is a reason to try again, which may be none.
    fn wait(&self, limit: &mut Limit) {
        let (slot, direction) = (limit.slot, limit.direction);
        let timeout = self.timeouts[direction as usize].load(Ordering::Relaxed);
        if (timeout != NEVER || limit.until != NEVER) && !limit.is_set {
            let end = clock::now().saturating_add(timeout).min(limit.until).min(NEVER - 1);
            slot.limits[direction as usize].store(end, Ordering::Release);
            limit.is_set = true;
        }
        let until = deadline::until(slot, direction);
        if until != NEVER {
            self.deadlines.see_to(slot, direction, until);
        }
        let over = || {
            let now = deadline::until(slot, direction);
            slot.is_closed() || now < until || now != NEVER && now <= clock::now()
        };
        netpoll::wait(slot.gate(direction), over);
    }

    /// Until when operations in `direction` may wait; `None`: for ever. Also those that wait now.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) fn set_deadline(&self, direction: Direction, at: Option<Instant>) -> io::Result<()> {
        let slot = self.slot();
        if slot.is_closed() {
            return self.closed();
        }
        let now = clock::now();
        let when = at.map_or(NEVER, |at| {
            let left = at.saturating_duration_since(Instant::now());
            now.saturating_add(nanos(left)).min(NEVER - 1)
        });
        // Release: no more than what the fences give; see the head of `deadline.rs`.
        slot.deadlines[direction as usize].store(when, Ordering::Release);
        fence(Ordering::SeqCst); // pairs with A4 of the gate
        if when == NEVER || !slot.gate(direction).is_waited_at() {
            return Ok(());
        }
        if when <= clock::now() {
            netpoll::knock(slot.gate(direction));
        } else {
            self.deadlines.see_to(slot, direction, when);
        }
        Ok(())
    }

    /// The longest wait of one call in `direction`; `None`: no limit.
    ///
    /// # Errors
    /// [`Closed`]; `InvalidInput` for zero, as in the standard library.
    pub(crate) fn set_timeout(&self, direction: Direction, d: Option<Duration>) -> io::Result<()> {
        if d.is_some_and(|d| d.is_zero()) {
            let text = "cannot set a 0 duration timeout";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if self.slot().is_closed() {
            return self.closed();
        }
        let ns = d.map_or(NEVER, |d| nanos(d).min(NEVER - 1));
        self.timeouts[direction as usize].store(ns, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn timeout(&self, direction: Direction) -> io::Result<Option<Duration>> {
        if self.slot().is_closed() {
            return self.closed();
        }
        let ns = self.timeouts[direction as usize].load(Ordering::Relaxed);
        Ok((ns != NEVER).then(|| Duration::from_nanos(ns)))
    }

    /// Whether operations return `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        if self.slot().is_closed() {
            return self.closed();
        }
        self.nonblocking.store(on, Ordering::Relaxed);
        Ok(())
    }

    /// Whether operations return `WouldBlock` instead of waiting.
    pub(crate) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    /// Ends every wait and lets every further operation fail.
    ///
    /// # Errors
    /// [`Closed`], if it was closed before.
    pub(crate) fn shut(&self) -> io::Result<()> {
        if !self.slot().close() {
            return self.closed();
        }
        self.knock();
        Ok(())
    }

    /// As [`shut`](Self::shut), and closes the file, too; see the head. For an `S` that owns its
    /// descriptor.
    ///
    /// # Errors
    /// [`Closed`], if it was closed before.
    pub(crate) fn close(&self) -> io::Result<()> {
        if !self.slot().close() {
            return self.closed();
        }
        let buried = match poll::poller() {
            Some(poller) => poller.bury(self.get().as_fd()),
            None => Ok(()),
        };
        self.knock();
        buried
    }

    fn knock(&self) {
        for direction in Direction::BOTH {
            netpoll::knock(self.slot().gate(direction));
        }
    }
}

impl<S: AsFd> AsFd for Fd<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get().as_fd()
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}
