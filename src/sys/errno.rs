//! Error numbers as C has them: the C interface answers with them, negated.

pub(crate) use libc::{
    EAGAIN, EBADF, ECANCELED, EINVAL, EIO, ENOMEM, ENOTRECOVERABLE, EPERM, EPIPE, ETIMEDOUT,
};

/// Sets the calling thread's `errno`.
pub(crate) fn set(number: i32) {
    // SAFETY: the C library gives every thread a place for its error number.
    unsafe { *libc::__errno_location() = number };
}
