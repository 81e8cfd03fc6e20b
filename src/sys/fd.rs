//! Modes of descriptors, and what the standard library has no call for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Whether operations on the file of `fd` wait. Returns what was so before.
///
/// # Errors
/// Those of the system.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<bool> {
    let fd = fd.as_raw_fd();
    // SAFETY: no memory is touched.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    let was = flags & libc::O_NONBLOCK != 0;
    let wanted = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    // SAFETY: as above.
    if was != on && unsafe { libc::fcntl(fd, libc::F_SETFL, wanted) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(was)
}

/// Whether the system, not the caller, has run out of something: an attempt after a while may work.
pub(crate) fn is_shortage(e: &io::Error) -> bool {
    let errno = e.raw_os_error();
    matches!(errno, Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Whether a connection is on its way.
pub(crate) fn is_in_progress(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR | libc::EALREADY))
}

/// Takes a connection from `listener`'s queue, in non-blocking mode.
///
/// # Safety
/// `addr` and `len` are what accept(2) demands.
///
/// # Errors
/// Those of the system.
pub(crate) unsafe fn accept(
    listener: BorrowedFd<'_>,
    addr: *mut u8,
    len: *mut u32,
) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: passed on.
    let fd = unsafe { libc::accept4(listener.as_raw_fd(), addr.cast(), len, flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What a descriptor is, as far as it matters to who reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// A socket for a stream over IP.
    Tcp,
    /// Another socket.
    Socket,
    /// Anything else.
    File,
}

/// What `fd` is.
pub(crate) fn nature(fd: BorrowedFd<'_>) -> Nature {
    let (kind, domain) = (option(fd, libc::SO_TYPE), option(fd, libc::SO_DOMAIN));
    match (kind, domain) {
        (Ok(libc::SOCK_STREAM), Ok(libc::AF_INET | libc::AF_INET6)) => Nature::Tcp,
        (Ok(_), _) => Nature::Socket,
        (Err(_), _) => Nature::File,
    }
}

/// The value of a socket's option.
fn option(fd: BorrowedFd<'_>, name: i32) -> io::Result<i32> {
    let mut value = 0_i32;
    let mut len = size_of_val(&value) as libc::socklen_t;
    let at = (&raw mut value).cast();
    // SAFETY: room for `len` bytes lies at `at`.
    let done =
        unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, at, &raw mut len) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// Reads to `to`, at most `len` bytes; how many.
///
/// # Safety
/// There is room for `len` bytes at `to`.
///
/// # Errors
/// Those of the system.
pub(crate) unsafe fn read(fd: BorrowedFd<'_>, to: *mut u8, len: usize) -> io::Result<usize> {
    // SAFETY: passed on.
    let n = unsafe { libc::read(fd.as_raw_fd(), to.cast(), len) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Writes at most `len` bytes from `from`; how many. A connection that is gone is an error on sockets
/// and not a signal.
///
/// # Safety
/// `len` bytes lie at `from`.
///
/// # Errors
/// Those of the system.
pub(crate) unsafe fn write(
    fd: BorrowedFd<'_>,
    nature: Nature,
    from: *const u8,
    len: usize,
) -> io::Result<usize> {
    let number = fd.as_raw_fd();
    // SAFETY: passed on.
    let n = unsafe {
        match nature {
            Nature::File => libc::write(number, from.cast(), len),
            _ => libc::send(number, from.cast(), len, libc::MSG_NOSIGNAL),
        }
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Begins to connect a socket.
///
/// # Safety
/// `len` bytes lie at `address`.
///
/// # Errors
/// Those of the system.
pub(crate) unsafe fn connect(fd: BorrowedFd<'_>, address: *const u8, len: u32) -> io::Result<()> {
    // SAFETY: passed on.
    let done = unsafe { libc::connect(fd.as_raw_fd(), address.cast(), len) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// How the connection that is being made stands.
///
/// # Errors
/// `WouldBlock` while it is on its way; the one that it has come to.
pub(crate) fn connected(fd: BorrowedFd<'_>) -> io::Result<()> {
    match option(fd, libc::SO_ERROR)? {
        0 if is_ready(fd, true)? => Ok(()),
        0 => Err(io::ErrorKind::WouldBlock.into()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Whether a read, or a write, of `fd` would not have to wait just now.
///
/// # Errors
/// Those of the system.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, write: bool) -> io::Result<bool> {
    let events = if write { libc::POLLOUT } else { libc::POLLIN | libc::POLLRDHUP };
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one entry, as we say.
    match unsafe { libc::poll(&raw mut poll, 1, 0) } {
        n if n < 0 => Err(io::Error::last_os_error()),
        n => Ok(n > 0),
    }
}
