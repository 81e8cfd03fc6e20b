//! UDP sockets.

use super::address::first_of;
use super::common::{Handle, deadlines, descriptor, pass_on};
use crate::io::Done;
use crate::poll::Direction;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// A UDP socket; [`std::net::UdpSocket`] whose waits park the goroutine.
///
/// ```
/// use gort::net::UdpSocket;
/// gort::run(|| {
///     let a = UdpSocket::bind("127.0.0.1:0").unwrap();
///     let b = UdpSocket::bind("127.0.0.1:0").unwrap();
///     let to = b.local_addr().unwrap();
///     let from = a.local_addr().unwrap();
///     gort::go(move || a.send_to(b"a datagram", to).unwrap());
///     let mut buf = [0; 64];
///     assert_eq!(b.recv_from(&mut buf).unwrap(), (10, from));
/// });
/// ```
pub struct UdpSocket(Handle<std::net::UdpSocket>);

descriptor!(UdpSocket, std::net::UdpSocket);
deadlines!(UdpSocket);
pass_on!(UdpSocket {
    /// The address of this socket.
    local_addr() -> SocketAddr;
    /// The address that [`connect`](Self::connect) named.
    peer_addr() -> SocketAddr;
    /// Whether datagrams to everyone may be sent (`SO_BROADCAST`).
    set_broadcast(on: bool) -> ();
    /// Whether datagrams to everyone may be sent.
    broadcast() -> bool;
    /// How many routers a datagram may pass (`IP_TTL`).
    set_ttl(ttl: u32) -> ();
    /// How many routers a datagram may pass.
    ttl() -> u32;
    /// Whether multicasts come back to this machine.
    set_multicast_loop_v4(on: bool) -> ();
    /// Whether multicasts come back to this machine.
    multicast_loop_v4() -> bool;
    /// How many routers a multicast may pass.
    set_multicast_ttl_v4(ttl: u32) -> ();
    /// How many routers a multicast may pass.
    multicast_ttl_v4() -> u32;
    /// Whether multicasts come back to this machine.
    set_multicast_loop_v6(on: bool) -> ();
    /// Whether multicasts come back to this machine.
    multicast_loop_v6() -> bool;
    /// Takes part in a multicast group, on the interface with that address.
    join_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Takes part in a multicast group, on the interface with that index (0: any).
    join_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    /// Leaves a multicast group.
    leave_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Leaves a multicast group.
    leave_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
});

impl UdpSocket {
    /// A socket at the first of the addresses that can be had.
    ///
    /// # Errors
    /// The last address's error; those of the resolver.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        first_of(addr, |addr| Self::from_std(std::net::UdpSocket::bind(addr)?))
    }

    /// Names the one other end: for [`send`](Self::send), and to hear nobody else.
    ///
    /// # Errors
    /// The last address's error; those of the resolver.
    pub fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        first_of(addr, |addr| self.0.now(|s| s.connect(addr)))
    }

    /// Sends a datagram to the first of the addresses.
    ///
    /// # Errors
    /// Those of the system; `TimedOut`; [`Closed`](super::Closed).
    pub fn send_to(&self, buf: &[u8], addr: impl ToSocketAddrs) -> io::Result<usize> {
        let first = super::address::resolve(addr)?.into_iter().next();
        let to = first.ok_or(io::ErrorKind::InvalidInput)?;
        self.0.run(Direction::Write, |s| s.send_to(buf, to).map(Done::whole))
    }

    /// Takes a datagram, and who sent it. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// Those of the system; `TimedOut`; [`Closed`](super::Closed).
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.run(Direction::Read, |s| s.recv_from(buf).map(Done::whole))
    }

    /// As [`recv_from`](Self::recv_from), and leaves it there.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.run(Direction::Read, |s| s.peek_from(buf).map(Done::whole))
    }

    /// Sends a datagram to the other end that [`connect`](Self::connect) named.
    ///
    /// # Errors
    /// Those of the system; `TimedOut`; [`Closed`](super::Closed).
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.run(Direction::Write, |s| s.send(buf).map(Done::whole))
    }

    /// Takes a datagram of the other end that [`connect`](Self::connect) named.
    ///
    /// # Errors
    /// Those of the system, such as `ConnectionRefused` when an earlier datagram found nobody;
    /// `TimedOut`; [`Closed`](super::Closed).
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.run(Direction::Read, |s| s.recv(buf).map(Done::whole))
    }

    /// As [`recv`](Self::recv), and leaves it there.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.run(Direction::Read, |s| s.peek(buf).map(Done::whole))
    }
}
