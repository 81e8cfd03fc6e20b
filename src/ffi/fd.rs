//! Descriptors whose waits park the goroutine.
//!
//! Each call has a deadline of its own here, also while it waits for another call in the same direction
//! to end: calls queue at a [`Monitor`] before they come to the descriptor, whose lock is then free.

use super::monitor::Monitor;
use super::{Handle, Until, status};
use crate::io::{Closed, Done, Fd, Kind};
use crate::poll::Direction;
use crate::switch::Caught;
use crate::sys::errno::{self, EAGAIN, EBADF, EINVAL, EIO, ETIMEDOUT};
use crate::sys::fd::{self, Nature};
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;

/// A descriptor that goroutines wait for: a socket, a pipe, a terminal, an eventfd. Regular files are
/// always ready and need none; read(2) and write(2) on them block the thread, which is noticed.
///
/// One goroutine reads at a time, and one writes; others wait for their turn.
pub struct gort_fd {
    fd: Fd<OwnedFd>,
    nature: Nature,
    /// Whether a call is under way, by direction.
    busy: [Monitor<bool>; 2],
}

impl Handle for gort_fd {
    const MARK: usize = 0x6664_6664;
}

impl gort_fd {
    /// Registers a descriptor that is in non-blocking mode.
    fn new(owned: OwnedFd) -> Result<Self, (io::Error, OwnedFd)> {
        let nature = fd::nature(owned.as_fd());
        let kind = if nature == Nature::File { Kind::File } else { Kind::Socket };
        let busy = [Monitor::new(false), Monitor::new(false)];
        Ok(Self { fd: Fd::new(owned, kind)?, nature, busy })
    }

    /// Runs `op` when its turn has come until it does not have to wait any more.
    fn run<R>(
        &self,
        direction: Direction,
        deadline: i64,
        mut op: impl FnMut(BorrowedFd<'_>) -> io::Result<Done<R>>,
    ) -> Result<R, c_int> {
        let _caught = Caught::take();
        let busy = &self.busy[direction as usize];
        busy.wait(deadline, |busy| (!std::mem::replace(busy, true)).then_some(()))?;
        let until = Until::of(deadline);
        let done = self.fd.run_until(direction, until.point(), |fd| op(fd.as_fd()));
        busy.change_for_one(|busy| *busy = false);
        done.map_err(|e| number(&e, until))
    }

    /// Waits until `direction` is ready.
    fn ready(&self, direction: Direction, deadline: i64) -> Result<(), c_int> {
        self.run(direction, deadline, |fd| {
            let ready = fd::is_ready(fd, direction == Direction::Write)?;
            if ready { Ok(Done::whole(())) } else { Err(io::ErrorKind::WouldBlock.into()) }
        })
    }

    /// # Safety
    /// `len` bytes lie at `from`.
    unsafe fn write(&self, from: *const u8, len: usize, deadline: i64) -> Result<usize, c_int> {
        self.run(Direction::Write, deadline, |fd| {
            // SAFETY: passed on.
            unsafe { fd::write(fd, self.nature, from, len) }.map(Done::whole)
        })
    }
}

/// The error number of what went wrong by `until`.
fn number(e: &io::Error, until: Until) -> c_int {
    match (e.raw_os_error(), e.kind()) {
        _ if Closed::is(e) => EBADF,
        (_, io::ErrorKind::WouldBlock) => EAGAIN,
        (Some(number), _) => number,
        (None, io::ErrorKind::TimedOut) if until == Until::Now => EAGAIN,
        (None, io::ErrorKind::TimedOut) => ETIMEDOUT,
        (None, _) => EIO,
    }
}

/// As [`number`], where no deadline counts.
fn number_now(e: &io::Error) -> c_int {
    number(e, Until::Never)
}

/// A count or the negative error.
fn count(result: Result<usize, c_int>) -> isize {
    // A count is that of an object's bytes, and fits.
    result.map_or_else(|error| -(error as isize), usize::cast_signed)
}

/// Makes a handle of the descriptor with this number: `begin` gets it before it is registered, `end` after
/// that. A failure of either leaves it to the caller, as it was.
fn adopt(
    descriptor: c_int,
    begin: impl FnOnce(BorrowedFd<'_>) -> Result<(), c_int>,
    end: impl FnOnce(&gort_fd) -> Result<(), c_int>,
) -> Result<*mut gort_fd, c_int> {
    if descriptor < 0 {
        return Err(EBADF);
    }
    // SAFETY: not -1; the header's contract: it is open, or else the system says so.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let was = fd::set_nonblocking(borrowed, true).map_err(|e| number_now(&e))?;
    let made = begin(borrowed).and_then(|()| {
        // SAFETY: as above, and it becomes ours; where that fails `into_raw_fd` gives it up again.
        let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let made = gort_fd::new(owned).map_err(|(e, owned)| {
            let _number = owned.into_raw_fd();
            number_now(&e)
        })?;
        if let Err(error) = end(&made) {
            let _number = made.fd.into_inner().into_raw_fd();
            return Err(error);
        }
        Ok(made)
    });
    if made.is_err() && !was {
        // The error that counts is the first.
        drop(fd::set_nonblocking(borrowed, false));
    }
    made.map(Handle::hand_out)
}

/// Makes a handle of the open descriptor `number`, which belongs to the handle from then on, and sets
/// its file to non-blocking mode. Null, and errno: EPERM for what is always ready, such as regular files.
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_new(number: c_int) -> *mut gort_fd {
    adopt(number, |_| Ok(()), |_| Ok(())).unwrap_or_else(|error| {
        errno::set(error);
        ptr::null_mut()
    })
}

/// Closes the descriptor and frees the handle; nobody uses it any more. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_free(fd: *mut gort_fd) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_fd::free(fd) }
}

/// Frees the handle without closing the descriptor, which stays in non-blocking mode: its number.
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_release(fd: *mut gort_fd) -> c_int {
    // SAFETY: the header's contract.
    let taken = unsafe { gort_fd::take_back(fd) };
    taken.map_or_else(|error| -error, |fd| fd.fd.into_inner().into_raw_fd())
}

/// The descriptor's number, for calls that never wait, such as setsockopt(2).
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_number(fd: *const gort_fd) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_fd::borrow(fd) }.map_or_else(|error| -error, |fd| fd.fd.as_fd().as_raw_fd())
}

/// Closes the descriptor at once: whoever waits for it gets -EBADF, and so do all later calls. The handle
/// stays, and has to be freed.
///
/// 0; -EBADF if it was closed; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_close(fd: *const gort_fd) -> c_int {
    let close = |fd: &gort_fd| fd.fd.close().map_err(|e| number_now(&e));
    // SAFETY: the header's contract.
    status(unsafe { gort_fd::borrow(fd) }.and_then(close))
}

/// Waits until a read would not have to wait: for data, the end of it, a connection, or an error.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_readable(fd: *const gort_fd, deadline: i64) -> c_int {
    // SAFETY: the header's contract.
    status(unsafe { gort_fd::borrow(fd) }.and_then(|fd| fd.ready(Direction::Read, deadline)))
}

/// Waits until a write would not have to wait: for room, or an error.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_writable(fd: *const gort_fd, deadline: i64) -> c_int {
    // SAFETY: the header's contract.
    status(unsafe { gort_fd::borrow(fd) }.and_then(|fd| fd.ready(Direction::Write, deadline)))
}

/// Reads at most `size` bytes to `to`; waits until there are some.
///
/// How many; 0 at the end of the data. -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after
/// `gort_fd_close`; -EINVAL; other errors of read(2).
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_read(
    fd: *const gort_fd,
    to: *mut c_void,
    size: usize,
    deadline: i64,
) -> isize {
    let read = |fd: &gort_fd| {
        if to.is_null() && size > 0 {
            return Err(EINVAL);
        }
        fd.run(Direction::Read, deadline, |file| {
            // SAFETY: the header's contract: so much room.
            let n = unsafe { fd::read(file, to.cast(), size) }?;
            Ok(if fd.nature == Nature::Tcp { Done::part(n, size) } else { Done::whole(n) })
        })
    };
    // SAFETY: the header's contract.
    count(unsafe { gort_fd::borrow(fd) }.and_then(read))
}

/// Writes at most `size` bytes from `from`; waits until there is room for some. A socket whose other end
/// is gone is -EPIPE, and no signal.
///
/// How many. -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL;
/// other errors of write(2).
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_write(
    fd: *const gort_fd,
    from: *const c_void,
    size: usize,
    deadline: i64,
) -> isize {
    let write = |fd: &gort_fd| {
        if from.is_null() && size > 0 {
            return Err(EINVAL);
        }
        // SAFETY: the header's contract: so many bytes.
        unsafe { fd.write(from.cast(), size, deadline) }
    };
    // SAFETY: the header's contract.
    count(unsafe { gort_fd::borrow(fd) }.and_then(write))
}

/// Writes all `size` bytes from `from`, by as many `gort_fd_write` as it takes.
///
/// 0; after an error, as those of `gort_fd_write`, some of the bytes may have been written.
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_write_all(
    fd: *const gort_fd,
    from: *const c_void,
    size: usize,
    deadline: i64,
) -> c_int {
    let write = |fd: &gort_fd| {
        if from.is_null() && size > 0 {
            return Err(EINVAL);
        }
        let mut done = 0;
        while done < size {
            // SAFETY: the header's contract: so many bytes.
            done += unsafe { fd.write(from.byte_add(done).cast(), size - done, deadline) }?;
        }
        Ok(())
    };
    // SAFETY: the header's contract.
    status(unsafe { gort_fd::borrow(fd) }.and_then(write))
}

/// Takes the next connection from a listening socket; `*connection` is its handle.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EBADF after `gort_fd_close`; -EINVAL; other
/// errors of accept(2).
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_accept(
    connection: *mut *mut gort_fd,
    listener: *const gort_fd,
    deadline: i64,
) -> c_int {
    let accept = |listener: &gort_fd| {
        if connection.is_null() {
            return Err(EINVAL);
        }
        let accepted = listener.run(Direction::Read, deadline, |file| {
            loop {
                // SAFETY: without room for an address none is written.
                match unsafe { fd::accept(file, ptr::null_mut(), ptr::null_mut()) } {
                    // It was in the queue and has gone: the next one.
                    Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                    done => return done.map(Done::whole),
                }
            }
        })?;
        let made = gort_fd::new(accepted).map_err(|(e, _)| number_now(&e))?;
        // SAFETY: not null; the header's contract: a place for a handle.
        unsafe { connection.write(made.hand_out()) };
        Ok(())
    };
    // SAFETY: the header's contract.
    status(unsafe { gort_fd::borrow(listener) }.and_then(accept))
}

/// Connects the socket with the number `socket` to the `length` bytes of address at `address` (a struct
/// sockaddr_in or its kin); `*connection` is its handle, to which the socket belongs from then on.
///
/// 0; after an error the socket is the caller's still: -EAGAIN or -ETIMEDOUT when the deadline has come,
/// or -EINVAL, or another error of connect(2).
#[unsafe(no_mangle)]
pub extern "C" fn gort_fd_connect(
    connection: *mut *mut gort_fd,
    socket: c_int,
    address: *const c_void,
    length: usize,
    deadline: i64,
) -> c_int {
    status(connect(connection, socket, address, length, deadline))
}

fn connect(
    connection: *mut *mut gort_fd,
    socket: c_int,
    address: *const c_void,
    length: usize,
    deadline: i64,
) -> Result<(), c_int> {
    let length = u32::try_from(length).map_err(|_| EINVAL)?;
    if connection.is_null() || address.is_null() {
        return Err(EINVAL);
    }
    // The registration comes after the call: a socket that was never connected counts as hung up.
    let begin = |fd: BorrowedFd<'_>| {
        // SAFETY: the header's contract: so many bytes.
        match unsafe { fd::connect(fd, address.cast(), length) } {
            Err(e) if !fd::is_in_progress(&e) => Err(number_now(&e)),
            _ => Ok(()),
        }
    };
    let end = |made: &gort_fd| {
        made.run(Direction::Write, deadline, |fd| fd::connected(fd).map(Done::whole))
    };
    let made = adopt(socket, begin, end)?;
    // SAFETY: not null; the header's contract: a place for a handle.
    unsafe { connection.write(made) };
    Ok(())
}
