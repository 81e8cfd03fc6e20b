//! Who accepts TCP connections.

use super::address::first_of;
use super::common::{Handle, descriptor, pass_on};
use super::tcp::TcpStream;
use crate::io::{Closed, Done};
use crate::poll::Direction;
use crate::sched;
use crate::sys;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// First and longest pause of [`Incoming`] while the system is short of something (Go's `net/http`).
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A TCP socket that takes connections; [`std::net::TcpListener`] whose waits park the goroutine.
pub struct TcpListener(Handle<std::net::TcpListener>);

descriptor!(TcpListener, std::net::TcpListener);
pass_on!(TcpListener {
    /// The address it listens at.
    local_addr() -> SocketAddr;
    /// How many routers a packet may pass (`IP_TTL`).
    set_ttl(ttl: u32) -> ();
    /// How many routers a packet may pass.
    ttl() -> u32;
});

impl TcpListener {
    /// Listens at the first of the addresses that can be had. The port may have been in use a moment
    /// ago (`SO_REUSEADDR`); the queue is as long as the system allows.
    ///
    /// # Errors
    /// The last address's error; those of the resolver.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        first_of(addr, |addr| {
            let kind = Type::STREAM.nonblocking().cloexec();
            let socket = Socket::new(Domain::for_address(*addr), kind, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&(*addr).into())?;
            socket.listen(i32::MAX)?;
            Handle::new(std::net::TcpListener::from(socket)).map(Self)
        })
    }

    /// The next connection, and who made it.
    ///
    /// # Errors
    /// `TimedOut` after a deadline; [`Closed`]; and those of the system. When it is short of
    /// descriptors or memory the connection stays in the queue: pause, and accept it then, as
    /// [`incoming`](Self::incoming) does.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (fd, addr) = self.0.run(Direction::Read, |s| accept(s).map(Done::whole))?;
        let addr = addr.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        Ok((TcpStream(Handle::new(fd.into())?), addr))
    }

    /// Every further connection. The iterator ends when the listener is closed. After an error that says
    /// that the system is short of something it pauses, for 5 ms at first and up to 1 s if that goes on
    /// (Go's `net/http`).
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self, pause: Pause::default() }
    }

    /// Until when [`accept`](Self::accept) may wait, also one that waits already; `None`: for ever.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn set_deadline(&self, at: Option<Instant>) -> io::Result<()> {
        self.0.set_deadline(Direction::Read, at)
    }
}

/// One connection, in non-blocking mode.
fn accept(listener: impl AsFd) -> io::Result<(OwnedFd, SockAddr)> {
    loop {
        // SAFETY: the call fills in what it is given, as accept(2) says.
        let accepted = unsafe {
            SockAddr::try_init(|addr, len| sys::fd::accept(listener.as_fd(), addr.cast(), len))
        };
        match accepted {
            // It was in the queue and has gone: the next one.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            done => return done,
        }
    }
}

/// What [`TcpListener::incoming`] returns.
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
    pause: Pause,
}

/// How long to wait before the next connection, after a shortage.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<Duration>);

impl Pause {
    pub(super) fn wait(&self) {
        if let Some(pause) = self.0 {
            sched::sleep_until(sys::clock::after(pause));
        }
    }

    /// What became of the last attempt.
    pub(super) fn learn(&mut self, e: Option<&io::Error>) {
        let short = e.is_some_and(sys::fd::is_shortage);
        let next = self.0.map_or(PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.0 = short.then_some(next);
    }
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pause.wait();
        let accepted = self.listener.accept().map(|(stream, _)| stream);
        self.pause.learn(accepted.as_ref().err());
        (!accepted.as_ref().is_err_and(Closed::is)).then_some(accepted)
    }
}
