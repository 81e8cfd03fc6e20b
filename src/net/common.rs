//! What the types of this room share: the descriptor behind a handle, and methods that only pass on to
//! the standard library's socket.

use crate::io::{Fd, Kind};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

/// A shared descriptor: clones are the same socket.
#[derive(Debug)]
pub(super) struct Handle<S: AsFd>(Arc<Fd<S>>);

impl<S: AsFd> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AsFd> Handle<S> {
    /// Registers a socket that is in non-blocking mode.
    pub(super) fn new(socket: S) -> io::Result<Self> {
        match Fd::new(socket, Kind::Socket) {
            Ok(fd) => Ok(Self(Arc::new(fd))),
            Err((e, _)) => Err(e),
        }
    }

    /// The socket, in non-blocking mode, if this is the only handle.
    pub(super) fn into_inner(self) -> io::Result<S> {
        match Arc::try_unwrap(self.0) {
            Ok(fd) => Ok(fd.into_inner()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the socket has other handles in use",
            )),
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<S: AsFd> std::ops::Deref for Handle<S> {
    type Target = Fd<S>;
    fn deref(&self) -> &Fd<S> {
        &self.0
    }
}

impl<S: AsFd> AsFd for Handle<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<S: AsFd> AsRawFd for Handle<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// `AsFd`, `AsRawFd`, and to and from the standard library's type, for a type that wraps a [`Handle`].
macro_rules! descriptor {
    ($type:ident, $std:ty) => {
        impl $type {
            /// Takes over a socket of the standard library; sets it to non-blocking mode.
            ///
            /// # Errors
            /// Those of the system.
            pub fn from_std(socket: $std) -> ::std::io::Result<Self> {
                socket.set_nonblocking(true)?;
                $crate::net::common::Handle::new(socket).map(Self)
            }

            /// Gives the socket to the standard library's type, in blocking mode.
            ///
            /// # Errors
            /// `ResourceBusy` while there are clones (the socket is then closed when the last of them
            /// is), and those of the system.
            pub fn into_std(self) -> ::std::io::Result<$std> {
                let socket = self.0.into_inner()?;
                socket.set_nonblocking(false)?;
                Ok(socket)
            }

            /// Another handle to the same socket, which shares its deadlines and its end.
            ///
            /// # Errors
            /// None at present; the signature is the standard library's.
            pub fn try_clone(&self) -> ::std::io::Result<Self> {
                Ok(Self(self.0.clone()))
            }

            /// Closes the socket at once, for all its handles. Whoever waits for it wakes up; their calls,
            /// and all later ones, fail with [`Closed`](crate::net::Closed). The descriptor's number
            /// stays in use until the last handle is dropped.
            ///
            /// # Errors
            /// [`Closed`](crate::net::Closed), if it was closed before.
            pub fn close(&self) -> ::std::io::Result<()> {
                self.0.close()
            }

            /// The error that the system keeps for the socket, which is taken away (`SO_ERROR`).
            ///
            /// # Errors
            /// Those of the system.
            pub fn take_error(&self) -> ::std::io::Result<Option<::std::io::Error>> {
                self.0.now(|s| s.take_error())
            }

            /// With `true`, calls return `WouldBlock` instead of waiting; concerns all handles.
            ///
            /// # Errors
            /// [`Closed`](crate::net::Closed).
            pub fn set_nonblocking(&self, nonblocking: bool) -> ::std::io::Result<()> {
                self.0.set_nonblocking(nonblocking)
            }
        }

        impl ::std::os::fd::AsFd for $type {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl ::std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                self.0.as_raw_fd()
            }
        }

        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(self.0.get(), f)
            }
        }
    };
}
pub(super) use descriptor;

/// Deadlines for a type that reads and writes.
macro_rules! deadlines {
    ($type:ident) => {
        impl $type {
            /// Until when reads and writes may wait, those that wait already included; `None`: for
            /// ever. After it they fail with `TimedOut`, also if they would not have to wait (Go).
            ///
            /// # Errors
            /// [`Closed`](crate::net::Closed).
            pub fn set_deadline(&self, at: Option<::std::time::Instant>) -> ::std::io::Result<()> {
                self.set_read_deadline(at)?;
                self.set_write_deadline(at)
            }

            /// As [`set_deadline`](Self::set_deadline), for reads.
            ///
            /// # Errors
            /// [`Closed`](crate::net::Closed).
            pub fn set_read_deadline(
                &self,
                at: Option<::std::time::Instant>,
            ) -> ::std::io::Result<()> {
                self.0.set_deadline($crate::poll::Direction::Read, at)
            }

            /// As [`set_deadline`](Self::set_deadline), for writes.
            ///
            /// # Errors
            /// [`Closed`](crate::net::Closed).
            pub fn set_write_deadline(
                &self,
                at: Option<::std::time::Instant>,
            ) -> ::std::io::Result<()> {
                self.0.set_deadline($crate::poll::Direction::Write, at)
            }

            /// The longest that a read may wait; `None`: no limit. Then it fails with `TimedOut`.
            ///
            /// # Errors
            /// `InvalidInput` for zero; [`Closed`](crate::net::Closed).
            pub fn set_read_timeout(
                &self,
                d: Option<::std::time::Duration>,
            ) -> ::std::io::Result<()> {
                self.0.set_timeout($crate::poll::Direction::Read, d)
            }

            /// The longest that a write may wait; `None`: no limit. Then it fails with `TimedOut`.
            ///
            /// # Errors
            /// `InvalidInput` for zero; [`Closed`](crate::net::Closed).
            pub fn set_write_timeout(
                &self,
                d: Option<::std::time::Duration>,
            ) -> ::std::io::Result<()> {
                self.0.set_timeout($crate::poll::Direction::Write, d)
            }

            /// What [`set_read_timeout`](Self::set_read_timeout) was told last.
            ///
            /// # Errors
            /// [`Closed`](crate::net::Closed).
            pub fn read_timeout(&self) -> ::std::io::Result<Option<::std::time::Duration>> {
                self.0.timeout($crate::poll::Direction::Read)
            }

            /// What [`set_write_timeout`](Self::set_write_timeout) was told last.
            ///
            /// # Errors
            /// [`Closed`](crate::net::Closed).
            pub fn write_timeout(&self) -> ::std::io::Result<Option<::std::time::Duration>> {
                self.0.timeout($crate::poll::Direction::Write)
            }
        }
    };
}
pub(super) use deadlines;

/// Methods that pass on to the standard library's, and never wait.
macro_rules! pass_on {
    ($type:ident { $($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* }) => {
        impl $type {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Closed`](crate::net::Closed), and those of the system.
                pub fn $name(&self $(, $arg: $ty)*) -> ::std::io::Result<$out> {
                    self.0.now(|s| s.$name($($arg),*))
                }
            )*
        }
    };
}
pub(super) use pass_on;
