//! Unix-domain sockets: streams, their listeners, datagrams.

use super::common::{Handle, deadlines, descriptor, pass_on};
use super::listener::Pause;
use super::tcp::{read_by_reference, write_by_reference};
use crate::io::{Closed, Done};
use crate::poll::Direction;
use crate::sched::{self, Kind, blocking};
use crate::sys;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to wait before the next attempt where the system tells nothing.
const NEXT_TRY: Duration = Duration::from_millis(1);

/// A Unix-domain stream; [`std::os::unix::net::UnixStream`] whose waits park the goroutine.
///
/// ```
/// use gort::net::UnixStream;
/// use std::io::{Read, Write};
/// gort::run(|| {
///     let (mut a, mut b) = UnixStream::pair().unwrap();
///     gort::go(move || a.write_all(b"hello").unwrap());
///     let mut text = String::new();
///     b.read_to_string(&mut text).unwrap();
///     assert_eq!(text, "hello");
/// });
/// ```
pub struct UnixStream(Handle<std::os::unix::net::UnixStream>);

descriptor!(UnixStream, std::os::unix::net::UnixStream);
deadlines!(UnixStream);
pass_on!(UnixStream {
    /// The address of this end.
    local_addr() -> SocketAddr;
    /// The address of the other end.
    peer_addr() -> SocketAddr;
    /// Shuts down reading, writing, or both.
    shutdown(how: Shutdown) -> ();
});

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
        match socket.connect(&SockAddr::unix(path)?) {
            Ok(()) => Handle::new(socket.into()).map(Self),
            // The listener's queue is full, and there is no event that says when it no longer is.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                let connect = || std::os::unix::net::UnixStream::connect(path);
                Self::from_std(blocking(Kind::Long, connect)?)
            }
            Err(e) => Err(e),
        }
    }

    /// Connects to the socket at `addr`, which may be an abstract one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn connect_addr(addr: &SocketAddr) -> io::Result<Self> {
        let connect = || std::os::unix::net::UnixStream::connect_addr(addr);
        Self::from_std(blocking(Kind::Unknown, connect)?)
    }

    /// Two ends that are connected.
    ///
    /// # Errors
    /// Those of the system.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = std::os::unix::net::UnixStream::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }
}

// A short read of a Unix stream does not show that nothing is left: it stops where messages with
// different ancillary data meet.
impl Read for &UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.0.run(Direction::Read, |mut s| s.read(buf).map(Done::whole))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.run(Direction::Read, |mut s| s.read_vectored(bufs).map(Done::whole))
    }
}

impl Write for &UnixStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.run(Direction::Write, |mut s| s.write(buf).map(Done::whole))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.run(Direction::Write, |mut s| s.write_vectored(bufs).map(Done::whole))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

read_by_reference!(UnixStream);
write_by_reference!(UnixStream);

/// Who accepts Unix-domain streams; [`std::os::unix::net::UnixListener`] whose waits park the goroutine.
/// The file is not removed when the listener is dropped, as in the standard library.
pub struct UnixListener(Handle<std::os::unix::net::UnixListener>);

descriptor!(UnixListener, std::os::unix::net::UnixListener);
pass_on!(UnixListener {
    /// The address it listens at.
    local_addr() -> SocketAddr;
});

impl UnixListener {
    /// Listens at `path`, where a socket is made.
    ///
    /// # Errors
    /// Those of the system, such as `AddrInUse` when there is a file already.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixListener::bind(path)?)
    }

    /// Listens at `addr`, which may be an abstract one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixListener::bind_addr(addr)?)
    }

    /// The next connection, and who made it.
    ///
    /// # Errors
    /// As for [`TcpListener::accept`](super::TcpListener::accept).
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, addr) = self.0.run(Direction::Read, |s| s.accept().map(Done::whole))?;
        Ok((UnixStream::from_std(stream)?, addr))
    }

    /// Every further connection, until the listener is closed. Pauses when the system is short of
    /// something, as [`TcpListener::incoming`](super::TcpListener::incoming) does.
    pub fn incoming(&self) -> impl Iterator<Item = io::Result<UnixStream>> + '_ {
        let mut pause = Pause::default();
        std::iter::from_fn(move || {
            pause.wait();
            let accepted = self.accept().map(|(stream, _)| stream);
            pause.learn(accepted.as_ref().err());
            (!accepted.as_ref().is_err_and(Closed::is)).then_some(accepted)
        })
    }

    /// Until when [`accept`](Self::accept) may wait, also one that waits already; `None`: for ever.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn set_deadline(&self, at: Option<Instant>) -> io::Result<()> {
        self.0.set_deadline(Direction::Read, at)
    }
}

/// A Unix-domain datagram socket; [`std::os::unix::net::UnixDatagram`] whose waits park the goroutine.
///
/// ```
/// use gort::net::UnixDatagram;
/// gort::run(|| {
///     let (a, b) = UnixDatagram::pair().unwrap();
///     gort::go(move || a.send(b"a datagram").unwrap());
///     assert_eq!(b.recv(&mut [0; 64]).unwrap(), 10);
/// });
/// ```
pub struct UnixDatagram(Handle<std::os::unix::net::UnixDatagram>);

descriptor!(UnixDatagram, std::os::unix::net::UnixDatagram);
deadlines!(UnixDatagram);
pass_on!(UnixDatagram {
    /// The address of this socket.
    local_addr() -> SocketAddr;
    /// The address that [`connect`](Self::connect) named.
    peer_addr() -> SocketAddr;
    /// Shuts down reading, writing, or both.
    shutdown(how: Shutdown) -> ();
});

impl UnixDatagram {
    /// A socket at `path`, where a file is made.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixDatagram::bind(path)?)
    }

    /// A socket without an address.
    ///
    /// # Errors
    /// Those of the system.
    pub fn unbound() -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixDatagram::unbound()?)
    }

    /// Two sockets that are connected.
    ///
    /// # Errors
    /// Those of the system.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = std::os::unix::net::UnixDatagram::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }

    /// Names the one other end.
    ///
    /// # Errors
    /// Those of the system; [`Closed`].
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.0.now(|s| s.connect(path))
    }

    /// Sends a datagram to the socket at `path`; waits while that one's queue is full.
    ///
    /// # Errors
    /// Those of the system; `TimedOut`; [`Closed`].
    pub fn send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        loop {
            let sent = self.0.run(Direction::Write, |s| match s.send_to(buf, path) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.full(e),
                done => done.map(|n| Done::whole(Some(n))),
            })?;
            if let Some(n) = sent {
                return Ok(n);
            }
            sched::sleep_until(sys::clock::after(NEXT_TRY));
        }
    }

    /// A datagram could not be sent. If this socket itself has room, then it is the receiver that has
    /// none, and the system does not tell when that changes: the caller asks again in a while.
    fn full(&self, e: io::Error) -> io::Result<Done<Option<usize>>> {
        if !self.0.is_nonblocking() && sys::fd::is_ready(self.as_fd(), true)? {
            return Ok(Done::whole(None));
        }
        Err(e)
    }

    /// Takes a datagram, and who sent it. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// Those of the system; `TimedOut`; [`Closed`].
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.run(Direction::Read, |s| s.recv_from(buf).map(Done::whole))
    }

    /// Sends a datagram to the other end that [`connect`](Self::connect) named.
    ///
    /// # Errors
    /// Those of the system; `TimedOut`; [`Closed`].
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.run(Direction::Write, |s| s.send(buf).map(Done::whole))
    }

    /// Takes a datagram.
    ///
    /// # Errors
    /// Those of the system; `TimedOut`; [`Closed`].
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.run(Direction::Read, |s| s.recv(buf).map(Done::whole))
    }
}
