//! What channel operations can fail with.

use std::error::Error;
use std::fmt;

/// Debug, Display and Error for an error that carries an unsent value, which it does not print.
macro_rules! unsent {
    ($name:ident { $($variant:ident $text:literal),* }) => {
        impl<T> $name<T> {
            /// The value that was not sent.
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$variant(v) => v,)*
                }
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant(_) => concat!(stringify!($variant), "(..)"),)*
                })
            }
        }

        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant(_) => $text,)*
                })
            }
        }

        impl<T> Error for $name<T> {}
    };
}

/// Display and Error for a plain enumeration.
macro_rules! plain {
    ($name:ident { $($variant:ident $text:literal),* }) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }

        impl Error for $name {}
    };
}

/// The channel is closed, or all its [`Receiver`](crate::Receiver)s are gone; carries the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sending on a closed channel")
    }
}

impl<T> Error for SendError<T> {}

/// The channel is drained, and closed or without a [`Sender`](crate::Sender).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receiving on a closed and drained channel")
    }
}

impl Error for RecvError {}

/// Why a [`try_send`](crate::Chan::try_send) did not send; carries the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// No receiver waits and the buffer is full.
    Full(T),
    /// The channel is closed.
    Closed(T),
}

unsent!(TrySendError {
    Full "sending on a full channel",
    Closed "sending on a closed channel"
});

/// Why a [`try_recv`](crate::Chan::try_recv) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// No value is there now.
    Empty,
    /// The channel is closed and drained.
    Closed,
}

plain!(TryRecvError {
    Empty "receiving on an empty channel",
    Closed "receiving on a closed and drained channel"
});

/// Why a [`send_timeout`](crate::Chan::send_timeout) did not send; carries the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// Nobody took the value in time.
    Timeout(T),
    /// The channel is closed.
    Closed(T),
}

unsent!(SendTimeoutError {
    Timeout "timed out sending",
    Closed "sending on a closed channel"
});

/// Why a [`recv_timeout`](crate::Chan::recv_timeout) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// Nothing came in time.
    Timeout,
    /// The channel is closed and drained.
    Closed,
}

plain!(RecvTimeoutError {
    Timeout "timed out receiving",
    Closed "receiving on a closed and drained channel"
});

/// No operation of a [`Select`](crate::Select) could go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrySelectError;

impl fmt::Display for TrySelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no operation of the select is ready")
    }
}

impl Error for TrySelectError {}

/// No operation of a [`Select`](crate::Select) could go on in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectTimeoutError;

impl fmt::Display for SelectTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out selecting")
    }
}

impl Error for SelectTimeoutError {}
