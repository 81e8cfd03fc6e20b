//! epoll with a way to wake whoever waits, and the file that takes the place of a closed one.
//!
//! Every descriptor is watched for everything, edge-triggered, from one call for its whole life. The
//! wake-up is level-triggered: a thread that looks without waiting may see it, and must leave it to
//! the one that waits.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Events taken from the kernel at a time (Go's number).
const BATCH: usize = 128;

/// What the wake-up's events are tagged with.
const WAKE: u64 = u64::MAX;

/// What a descriptor is watched for. Urgent data, too: a read stops before it.
const INTEREST: i32 =
    libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET;

/// What has become of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    /// A read may get somewhere, if only to an error or the end.
    pub(crate) readable: bool,
    /// A write may get somewhere, if only to an error.
    pub(crate) writable: bool,
    /// The end of the data, an error, urgent data: a short read does not say that nothing is left.
    pub(crate) end: bool,
}

impl Happened {
    fn of(bits: u32) -> Self {
        let any = |wanted: i32| bits & wanted as u32 != 0;
        let both = any(libc::EPOLLHUP | libc::EPOLLERR);
        let end = both || any(libc::EPOLLRDHUP | libc::EPOLLPRI);
        let readable = end || any(libc::EPOLLIN);
        Self { readable, writable: both || any(libc::EPOLLOUT), end }
    }
}

/// An epoll instance.
#[derive(Debug)]
pub(crate) struct Epoll {
    fd: OwnedFd,
    /// An eventfd.
    waker: OwnedFd,
    /// A wake-up has been written that the waiter has not taken.
    woken: AtomicBool,
    /// Refers to no file's contents: every operation on it fails.
    grave: OwnedFd,
}

/// A batch of events, taken from the kernel, on the stack of who waits.
pub(crate) struct Events {
    room: [libc::epoll_event; BATCH],
    len: usize,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { room: [libc::epoll_event { events: 0, u64: 0 }; BATCH], len: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Each event, with the tag of its descriptor.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u64, Happened)> + '_ {
        let len = std::mem::take(&mut self.len);
        let all = self.room[..len].iter().map(|e| (e.u64, e.events));
        all.filter(|(tag, _)| *tag != WAKE).map(|(tag, bits)| (tag, Happened::of(bits)))
    }
}

fn check(rc: libc::c_int) -> io::Result<libc::c_int> {
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}

/// Takes ownership of a descriptor that a call has just returned.
fn own(rc: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: a descriptor that is new belongs to nobody else.
    check(rc).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Epoll {
    /// # Errors
    /// Those of the system, when it is short of descriptors or memory.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: (all three) no memory of ours is touched but the string, which is one.
        let fd = own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        let waker = own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: as above.
        let grave = own(unsafe { libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) })?;
        let this = Self { fd, waker, woken: AtomicBool::new(false), grave };
        this.control(libc::EPOLL_CTL_ADD, this.waker.as_raw_fd(), libc::EPOLLIN, WAKE)?;
        Ok(this)
    }

    fn control(&self, op: i32, fd: RawFd, interest: i32, tag: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest as u32, u64: tag };
        // SAFETY: `event` is a valid place for the length of the call.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), op, fd, &raw mut event) }).map(drop)
    }

    /// Watches `fd`: its events bear `tag`, which is not `u64::MAX`.
    ///
    /// # Errors
    /// `EPERM` when the file cannot be waited for (it is a regular one), and those of the system.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, tag: u64) -> io::Result<()> {
        debug_assert_ne!(tag, WAKE);
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), INTEREST, tag)
    }

    /// Watches `fd` no longer. Needed even before a close: another descriptor may refer to the same
    /// file and keep it watched. Events taken from the kernel earlier may still be on their way.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        // A failure says that it was not watched, which is what was wanted.
        drop(self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0, 0));
    }

    /// Closes the file of `fd` at once and keeps the number: it refers to nothing useful from now
    /// on, until its owner closes it.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn bury(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let (grave, fd) = (self.grave.as_raw_fd(), fd.as_raw_fd());
        loop {
            // SAFETY: both descriptors are open, and who lent `fd` wants its file closed.
            match check(unsafe { libc::dup3(grave, fd, libc::O_CLOEXEC) }) {
                // Busy: another thread is about to get this very number.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EBUSY | libc::EINTR)) => {}
                done => return done.map(drop),
            }
        }
    }

    /// Takes what has happened already; does not wait.
    ///
    /// # Errors
    /// None but those of a broken invariant; see [`wait`](Self::wait).
    pub(crate) fn look(&self, events: &mut Events) -> io::Result<()> {
        self.take(events, Some(0))
    }

    /// Waits until something happens, somebody calls [`wake`](Self::wake), or `timeout_ns` have passed
    /// (`None`: for ever). One thread at a time.
    ///
    /// # Errors
    /// None but those of a broken invariant: a signal is no error.
    pub(crate) fn wait(&self, events: &mut Events, timeout_ns: Option<u64>) -> io::Result<()> {
        self.take(events, timeout_ns)?;
        if events.room[..events.len].iter().any(|e| e.u64 == WAKE) {
            let mut count = 0u64;
            // SAFETY: `count` is a valid place of eight bytes.
            unsafe { libc::read(self.waker.as_raw_fd(), (&raw mut count).cast(), 8) };
            // After the read: who finds the flag cleared writes again. Acquire: pairs with the swap in
            // `wake`, also with that of somebody who found the flag set and wrote nothing.
            self.woken.swap(false, Ordering::AcqRel);
        }
        Ok(())
    }

    fn take(&self, events: &mut Events, timeout_ns: Option<u64>) -> io::Result<()> {
        let (fd, room) = (self.fd.as_raw_fd(), events.room.as_mut_ptr());
        let len = BATCH as libc::c_int;
        events.len = 0;
        let rc = match timeout_ns {
            // SAFETY: (both) there is room for as many events as we say.
            None => unsafe { libc::epoll_wait(fd, room, len, -1) },
            // SAFETY: as above.
            Some(0) => unsafe { libc::epoll_wait(fd, room, len, 0) },
            Some(ns) => wait_ns(fd, room, len, ns),
        };
        match check(rc) {
            Ok(n) => events.len = n as usize,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Ends the present [`wait`](Self::wait), or the next one.
    pub(crate) fn wake(&self) {
        // Release: pairs with the swap in `wait`. Who finds it set knows that the waiter has not yet
        // made that swap, and will see what was written before this one.
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let one = 1u64;
        // SAFETY: `one` is eight bytes. It can fail only if the counter is full, and then the waiter is
        // awake.
        unsafe { libc::write(self.waker.as_raw_fd(), (&raw const one).cast(), 8) };
    }
}

/// As `epoll_wait`, with a time in ns; in ms, rounded up, where the kernel (before 5.11) knows no better.
fn wait_ns(fd: RawFd, room: *mut libc::epoll_event, len: libc::c_int, ns: u64) -> libc::c_int {
    static COARSE: AtomicBool = AtomicBool::new(false);
    if !COARSE.load(Ordering::Relaxed) {
        let time = super::clock::timespec(ns);
        let no_mask = std::ptr::null::<libc::sigset_t>();
        // SAFETY: the caller's room for `len` events; `time` is a valid place; a null mask changes
        // no signals.
        let rc = unsafe {
            libc::syscall(libc::SYS_epoll_pwait2, fd, room, len, &raw const time, no_mask, 0usize)
        };
        let unknown = Some(libc::ENOSYS);
        if rc >= 0 || io::Error::last_os_error().raw_os_error() != unknown {
            return rc as libc::c_int;
        }
        COARSE.store(true, Ordering::Relaxed);
    }
    let ms = ns.div_ceil(1_000_000).min(i32::MAX as u64) as libc::c_int;
    // SAFETY: the caller's room for `len` events.
    unsafe { libc::epoll_wait(fd, room, len, ms) }
}
