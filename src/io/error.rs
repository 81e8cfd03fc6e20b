//! The errors that are ours and not the system's, with Go's texts.

use std::{error, fmt, io};

/// The descriptor was closed by one of its users, before or during the call (Go: `net.ErrClosed`,
/// `os.ErrClosed`).
///
/// It comes inside an [`io::Error`] of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted);
/// [`Closed::is`] tells it from an error of the system.
///
/// ```
/// gort::run(|| {
///     let listener = gort::net::TcpListener::bind("127.0.0.1:0").unwrap();
///     listener.close().unwrap();
///     let error = listener.accept().unwrap_err();
///     assert!(gort::io::Closed::is(&error));
///     assert_eq!(error.to_string(), "use of closed network connection");
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed(pub(crate) Kind);

/// What Go calls a thing that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Socket,
    File,
}

impl Closed {
    /// Whether `e` says that the caller's own side closed the descriptor.
    #[must_use]
    pub fn is(e: &io::Error) -> bool {
        e.get_ref().is_some_and(|e| e.is::<Self>())
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Socket => "use of closed network connection",
            Kind::File => "use of closed file",
        })
    }
}

impl error::Error for Closed {}

impl From<Closed> for io::Error {
    fn from(e: Closed) -> Self {
        Self::new(io::ErrorKind::ConnectionAborted, e)
    }
}

/// A deadline passed. The kind is what users ask for, the text is Go's.
#[derive(Debug)]
struct Timeout;

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("i/o timeout")
    }
}

impl error::Error for Timeout {}

pub(crate) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, Timeout)
}
