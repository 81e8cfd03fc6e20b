//! The one poller of the process: it is made with the first descriptor.

use super::slot::{Slot, Slots};
use crate::base::fatal::fatal;
use crate::sys::epoll::{Epoll, Events};
use crate::sys::lock::Lock;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static SLOTS: Slots = Slots::new();
static POLLER: OnceLock<Poller> = OnceLock::new();
/// Descriptors registered now.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// What asks the kernel.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: Epoll,
}

/// Whether there is anything to ask the kernel about.
#[inline]
pub(crate) fn active() -> bool {
    REGISTERED.load(Ordering::Relaxed) != 0
}

/// The poller, if any descriptor was ever registered.
#[inline]
pub(crate) fn poller() -> Option<&'static Poller> {
    POLLER.get()
}

/// Whether anybody waits for a descriptor. Slow, and true of a moment only, unless nothing runs.
pub(crate) fn any_waiter() -> bool {
    active() && SLOTS.any_waiter()
}

/// Registers `fd`, which is in non-blocking mode. The flag says that it is the only one now: then
/// somebody may sleep who does not know that there is something to wait for.
///
/// # Errors
/// `EPERM` when the file cannot be waited for, and those of the system.
pub(crate) fn register(fd: BorrowedFd<'_>) -> io::Result<(&'static Slot, bool)> {
    let poller = Poller::get_or_make()?;
    let slot = SLOTS.take();
    if let Err(e) = poller.epoll.add(fd, slot.tag()) {
        SLOTS.give(slot);
        return Err(e);
    }
    let first = REGISTERED.fetch_add(1, Ordering::Relaxed) == 0;
    Ok((slot, first))
}

impl Poller {
    fn get_or_make() -> io::Result<&'static Self> {
        static MAKING: Lock<()> = Lock::new(());
        if let Some(poller) = POLLER.get() {
            return Ok(poller);
        }
        let _one = MAKING.lock();
        if let Some(poller) = POLLER.get() {
            return Ok(poller);
        }
        let poller = Self { epoll: Epoll::new()? };
        Ok(POLLER.get_or_init(|| poller))
    }

    /// Registers `fd` no longer. Nobody waits at its slot, or will.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>, slot: &'static Slot) {
        self.epoll.remove(fd);
        SLOTS.give(slot);
        REGISTERED.fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes the file of `fd` at once; the number stays taken until its owner closes that. It is
    /// told of no more events.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn bury(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.epoll.remove(fd);
        self.epoll.bury(fd)
    }

    /// Takes what has happened already.
    pub(crate) fn look(&self, events: &mut Events) {
        self.epoll.look(events).unwrap_or_else(|e| broken(&e));
    }

    /// Waits for something to happen; see [`Epoll::wait`]. One thread at a time.
    pub(crate) fn wait(&self, events: &mut Events, timeout_ns: Option<u64>) {
        self.epoll.wait(events, timeout_ns).unwrap_or_else(|e| broken(&e));
    }

    /// Ends the present wait, or the next one.
    pub(crate) fn wake(&self) {
        self.epoll.wake();
    }

    /// Tells the slots of what was taken; `ready` gets each party that waited for it, to be made
    /// ready.
    pub(crate) fn tell(&self, events: &mut Events, mut ready: impl FnMut(NonNull<()>)) {
        for (tag, what) in events.drain() {
            SLOTS.happened(tag, what, &mut ready);
        }
    }
}

/// epoll refuses what it is there for: Go's text and end.
#[cold]
fn broken(e: &io::Error) -> ! {
    let errno = e.raw_os_error().unwrap_or(0);
    fatal(format_args!("runtime: netpoll failed with {errno}"));
}
