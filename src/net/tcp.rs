//! TCP streams.

use super::address::first_of;
use super::common::{Handle, deadlines, descriptor, pass_on};
use crate::io::Done;
use crate::poll::Direction;
use crate::sys;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};
use std::{error, fmt};

/// A TCP connection; [`std::net::TcpStream`] whose waits park the goroutine.
///
/// `Read` and `Write` are implemented for `&TcpStream` as well, so one goroutine can read while
/// another writes.
pub struct TcpStream(pub(super) Handle<std::net::TcpStream>);

descriptor!(TcpStream, std::net::TcpStream);
deadlines!(TcpStream);
pass_on!(TcpStream {
    /// The address of this end.
    local_addr() -> SocketAddr;
    /// The address of the other end.
    peer_addr() -> SocketAddr;
    /// Shuts down reading, writing, or both. Readers at either end then find the end of the data.
    shutdown(how: Shutdown) -> ();
    /// With `true`, small writes are sent at once instead of waiting for more (`TCP_NODELAY`).
    set_nodelay(nodelay: bool) -> ();
    /// Whether small writes are sent at once.
    nodelay() -> bool;
    /// How many routers a packet may pass (`IP_TTL`).
    set_ttl(ttl: u32) -> ();
    /// How many routers a packet may pass.
    ttl() -> u32;
});

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    /// The last address's error; those of the resolver.
    pub fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        first_of(addr, |addr| dial(addr, None))
    }

    /// Connects to `addr`, or gives up after `timeout`.
    ///
    /// # Errors
    /// `TimedOut`; `InvalidInput` for a zero timeout; those of the system.
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        if timeout.is_zero() {
            let text = "cannot set a 0 duration timeout";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // A time beyond the clock's end is no limit.
        dial(addr, Instant::now().checked_add(timeout))
    }

    /// As [`connect_timeout`](Self::connect_timeout), with a point in time, for every address in turn.
    ///
    /// # Errors
    /// `TimedOut`, and those of [`connect`](Self::connect).
    pub fn connect_deadline(addr: impl ToSocketAddrs, at: Instant) -> io::Result<Self> {
        first_of(addr, |addr| dial(addr, Some(at)))
    }

    /// Reads without taking the data away.
    ///
    /// # Errors
    /// As for `read`.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.run(Direction::Read, |s| s.peek(buf).map(Done::whole))
    }

    /// Two halves, for two goroutines. Dropping the write half tells the other end that no more will
    /// come.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        let read = Self(self.0.clone());
        (ReadHalf(read), WriteHalf(Some(self)))
    }
}

/// A connection to `addr`, made until `deadline`.
fn dial(addr: &SocketAddr, deadline: Option<Instant>) -> io::Result<TcpStream> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(*addr), kind, Some(Protocol::TCP))?;
    let on_its_way = match socket.connect(&(*addr).into()) {
        Ok(()) => false,
        Err(e) if sys::fd::is_in_progress(&e) => true,
        Err(e) => return Err(e),
    };
    // After the call: a socket that was never connected counts as hung up.
    let stream = TcpStream(Handle::new(std::net::TcpStream::from(socket))?);
    if on_its_way {
        stream.0.set_deadline(Direction::Write, deadline)?;
        stream.0.run(Direction::Write, connected)?;
        stream.0.set_deadline(Direction::Write, None)?;
    }
    Ok(stream)
}

/// How the connection that is being made stands.
fn connected(socket: &std::net::TcpStream) -> io::Result<Done<()>> {
    if let Some(e) = socket.take_error()? {
        return Err(e);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(Done::whole(())),
        Err(e) if e.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        Err(e) => Err(e),
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.0.run(Direction::Read, |mut s| s.read(buf).map(|n| Done::part(n, buf.len())))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|b| b.is_empty()) {
            return Ok(0);
        }
        self.0.run(Direction::Read, |mut s| s.read_vectored(bufs).map(Done::whole))
    }
}

impl Write for &TcpStream {
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

/// Reading and writing through a plain reference, for those who own the value.
macro_rules! read_by_reference {
    ($type:ty) => {
        impl Read for $type {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(bufs)
            }
        }
    };
}
pub(super) use read_by_reference;

/// As [`read_by_reference`].
macro_rules! write_by_reference {
    ($type:ty) => {
        impl Write for $type {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}
pub(super) use write_by_reference;

read_by_reference!(TcpStream);
write_by_reference!(TcpStream);

/// The half of a [`TcpStream`] that reads.
#[derive(Debug)]
pub struct ReadHalf(TcpStream);

/// The half of a [`TcpStream`] that writes. Its drop shuts writing down.
#[derive(Debug)]
pub struct WriteHalf(Option<TcpStream>);

/// The halves were not of one stream.
#[derive(Debug)]
pub struct ReuniteError(pub ReadHalf, pub WriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl error::Error for ReuniteError {}

impl ReadHalf {
    /// The whole stream, for its deadlines and addresses.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.0
    }

    /// The stream, from its two halves.
    ///
    /// # Errors
    /// The halves, if they are of two streams.
    pub fn reunite(self, mut write: WriteHalf) -> Result<TcpStream, ReuniteError> {
        if !write.stream().0.is(&self.0.0) {
            return Err(ReuniteError(self, write));
        }
        write.0 = None;
        Ok(self.0)
    }
}

impl WriteHalf {
    /// The whole stream, for its deadlines and addresses.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.0.as_ref().expect("there until it is reunited")
    }
}

impl Read for ReadHalf {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_vectored(bufs)
    }
}

impl Write for WriteHalf {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream().write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream().write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            // It may be closed, or never have been connected: then there is nobody to tell.
            drop(stream.shutdown(Shutdown::Write));
        }
    }
}
