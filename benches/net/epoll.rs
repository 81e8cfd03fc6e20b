//! epoll by hand: what the client and the yardstick server are written with.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const ROOM: usize = 256;

/// Level-triggered; descriptors are told apart by a number of the caller's.
pub(crate) struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory of ours is touched.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is new, and ours.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; ROOM] })
    }

    /// Waits for `socket` to be readable, from now on.
    pub(crate) fn add(&self, socket: &impl AsRawFd, id: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: id as u64 };
        let (fd, socket) = (self.fd.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: `event` is a valid place.
        match unsafe { libc::epoll_ctl(fd, libc::EPOLL_CTL_ADD, socket, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The numbers of those that are readable; waits for the first, at most so many ms (-1: for ever).
    pub(crate) fn wait(&mut self, ms: i32) -> impl Iterator<Item = usize> + '_ {
        let (fd, room) = (self.fd.as_raw_fd(), self.events.as_mut_ptr());
        // SAFETY: there is room for so many.
        let n = unsafe { libc::epoll_wait(fd, room, ROOM as i32, ms) };
        self.events[..n.max(0) as usize].iter().map(|e| e.u64 as usize)
    }
}
