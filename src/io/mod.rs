//! Descriptors that park the goroutine: any that can be waited for, and pipes.
//!
//! The sockets of [`net`](crate::net) stand on the same ground. What cannot be waited for (regular
//! files, and the standard streams as the standard library has them) is used as ever: a goroutine that
//! blocks its thread in a system call keeps it, and its processor goes to the others.
//!
//! | what | how |
//! |---|---|
//! | a pipe | [`pipe()`] |
//! | a child's stdin, stdout, stderr | `PipeWriter::try_from`, `PipeReader::try_from` |
//! | a terminal, eventfd, timerfd, … | [`Pollable`] |
//! | a regular file, `std::io::stdin()` | the standard library |

mod deadline;
mod error;
mod fd;
mod pipe;
mod pollable;

pub use error::Closed;
pub(crate) use error::Kind;
pub(crate) use fd::{Done, Fd};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use pollable::Pollable;
