//! Names and addresses.

use crate::sched::{Kind, blocking};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// The addresses behind a name. The resolver may block for long, so the call is declared.
///
/// # Errors
/// Those of the resolver.
pub(super) fn resolve(addr: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    blocking(Kind::Unknown, || addr.to_socket_addrs()).map(Iterator::collect)
}

/// What `f` returns for the first address for which it succeeds.
///
/// # Errors
/// Those of the resolver; the last one of `f`; `InvalidInput` if there is no address.
pub(super) fn first_of<T>(
    addr: impl ToSocketAddrs,
    mut f: impl FnMut(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut error =
        io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses");
    for addr in resolve(addr)? {
        match f(&addr) {
            Ok(done) => return Ok(done),
            Err(e) => error = e,
        }
    }
    Err(error)
}
