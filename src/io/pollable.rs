//! Any descriptor that the system can wait for.

use super::error::Kind;
use super::fd::{Done, Fd};
use crate::poll::Direction;
use crate::sys;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// A descriptor of any kind whose readiness parks the goroutine: a pipe, a terminal, an eventfd, a
/// timerfd, an inotify descriptor, a socket of another library (tokio's `AsyncFd`). It is set to
/// non-blocking mode.
///
/// Regular files and directories are always ready, and the system refuses to wait for them: use them
/// through `std::fs`, whose blocking calls hand the processor on.
///
/// ```
/// use gort::io::Pollable;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// gort::run(|| {
///     let (a, b) = UnixStream::pair().unwrap();
///     let (a, b) = (Pollable::new(a).unwrap(), Pollable::new(b).unwrap());
///     gort::go(move || (&a).write_all(b"ready").unwrap());
///     b.readable().unwrap();
///     let mut text = String::new();
///     (&b).read_to_string(&mut text).unwrap();
///     assert_eq!(text, "ready");
/// });
/// ```
pub struct Pollable<T: AsFd>(Fd<T>);

impl<T: AsFd> Pollable<T> {
    /// Registers the descriptor of `io`, and sets its file to non-blocking mode, which concerns everyone
    /// who uses that file.
    ///
    /// # Errors
    /// `PermissionDenied` (`EPERM`) for a file that is always ready; those of the system.
    pub fn new(io: T) -> io::Result<Self> {
        let was = sys::fd::set_nonblocking(io.as_fd(), true)?;
        Fd::new(io, Kind::File).map(Self).map_err(|(e, io)| {
            if !was {
                // Back to what it was; the error that counts is the first.
                drop(sys::fd::set_nonblocking(io.as_fd(), false));
            }
            e
        })
    }

    /// What it was made from. The system's answer to a call made through it may be `WouldBlock`.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        self.0.get()
    }

    /// What it was made from, still in non-blocking mode.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }

    /// Waits until a read would not have to wait: for data, the end of it, or an error.
    ///
    /// # Errors
    /// `TimedOut`; [`Closed`](super::Closed); those of the system.
    pub fn readable(&self) -> io::Result<()> {
        self.ready(Direction::Read)
    }

    /// Waits until a write would not have to wait: for room, or an error.
    ///
    /// # Errors
    /// `TimedOut`; [`Closed`](super::Closed); those of the system.
    pub fn writable(&self) -> io::Result<()> {
        self.ready(Direction::Write)
    }

    fn ready(&self, direction: Direction) -> io::Result<()> {
        self.0.run(direction, |io| {
            let ready = sys::fd::is_ready(io.as_fd(), direction == Direction::Write)?;
            if ready { Ok(Done::whole(())) } else { Err(io::ErrorKind::WouldBlock.into()) }
        })
    }

    /// Calls `op`, which reads, again and again until it returns something other than `WouldBlock`, and
    /// waits in between. One reader at a time.
    ///
    /// # Errors
    /// `TimedOut`; [`Closed`](super::Closed); those of `op`.
    pub fn read_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.0.run(Direction::Read, |io| op(io).map(Done::whole))
    }

    /// As [`read_with`](Self::read_with), for an `op` that writes.
    ///
    /// # Errors
    /// As for [`read_with`](Self::read_with).
    pub fn write_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.0.run(Direction::Write, |io| op(io).map(Done::whole))
    }

    /// Until when reads and writes may wait, those that wait already included; `None`: for ever.
    ///
    /// # Errors
    /// [`Closed`](super::Closed).
    pub fn set_deadline(&self, at: Option<Instant>) -> io::Result<()> {
        self.set_read_deadline(at)?;
        self.set_write_deadline(at)
    }

    /// As [`set_deadline`](Self::set_deadline), for reads.
    ///
    /// # Errors
    /// [`Closed`](super::Closed).
    pub fn set_read_deadline(&self, at: Option<Instant>) -> io::Result<()> {
        self.0.set_deadline(Direction::Read, at)
    }

    /// As [`set_deadline`](Self::set_deadline), for writes.
    ///
    /// # Errors
    /// [`Closed`](super::Closed).
    pub fn set_write_deadline(&self, at: Option<Instant>) -> io::Result<()> {
        self.0.set_deadline(Direction::Write, at)
    }

    /// Wakes everyone who waits here; their calls, and all later ones, fail with
    /// [`Closed`](super::Closed). The descriptor itself is closed by its owner.
    ///
    /// # Errors
    /// [`Closed`](super::Closed), if it was closed before.
    pub fn close(&self) -> io::Result<()> {
        self.0.shut()
    }
}

impl<T: AsFd> AsFd for Pollable<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Pollable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pollable").field(self.get_ref()).finish()
    }
}

impl<T: AsFd> Read for &Pollable<T>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_with(|mut io| io.read(buf))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.read_with(|mut io| io.read_vectored(bufs))
    }
}

impl<T: AsFd> Write for &Pollable<T>
where
    for<'a> &'a T: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_with(|mut io| io.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_with(|mut io| io.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_with(|mut io| io.flush())
    }
}

impl<T: AsFd> Read for Pollable<T>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl<T: AsFd> Write for Pollable<T>
where
    for<'a> &'a T: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}
