//! `std::net`'s types, which park the goroutine instead of blocking the thread.
//!
//! They are used as the standard library's, and implement the same traits, so code that was written for
//! blocking sockets works on them unchanged. On a plain OS thread they block that thread. What Go adds
//! is here, too: deadlines as points in time, which also end calls that wait already, and `close`,
//! which wakes everyone.
//!
//! A clone ([`TcpStream::try_clone`]) is the same socket: it shares deadlines, and `close` closes all. A
//! socket is closed when its last clone is dropped, as in the standard library.
//!
//! Reading and writing are independent of each other. Of several goroutines that read (or write) one
//! socket, one after the other has its turn.
//!
//! ```
//! use gort::net::{TcpListener, TcpStream};
//! use std::io::{Read, Write};
//!
//! gort::run(|| {
//!     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//!     let addr = listener.local_addr().unwrap();
//!     gort::go(move || {
//!         for stream in listener.incoming() {
//!             let mut stream = stream.unwrap();
//!             gort::go(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
//!         }
//!     });
//!     let mut stream = TcpStream::connect(addr).unwrap();
//!     stream.write_all(b"hello").unwrap();
//!     let mut back = [0; 5];
//!     stream.read_exact(&mut back).unwrap();
//!     assert_eq!(&back, b"hello");
//! });
//! ```

mod address;
mod common;
mod listener;
mod tcp;
mod udp;
mod unix;

pub use crate::io::Closed;
pub use listener::{Incoming, TcpListener};
pub use tcp::{ReadHalf, ReuniteError, TcpStream, WriteHalf};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
