//! Pipes, also those to child processes.

use super::error::Kind;
use super::fd::{Done, Fd};
use crate::poll::Direction;
use crate::sys;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::time::Instant;

/// A pipe: what is written at one end is read at the other. When all writers are gone a read returns 0;
/// when all readers are gone a write fails with `BrokenPipe`.
///
/// # Errors
/// Those of the system.
///
/// ```
/// use std::io::{Read, Write};
/// gort::run(|| {
///     let (mut reader, mut writer) = gort::io::pipe().unwrap();
///     gort::go(move || writer.write_all(b"through the pipe").unwrap());
///     let mut text = String::new();
///     reader.read_to_string(&mut text).unwrap();
///     assert_eq!(text, "through the pipe");
/// });
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = std::io::pipe()?;
    Ok((PipeReader::new(OwnedFd::from(reader))?, PipeWriter::new(OwnedFd::from(writer))?))
}

/// The end of a pipe to read from. Made by [`pipe`], or from the standard output of a child:
///
/// ```
/// use gort::io::PipeReader;
/// use std::io::Read;
/// use std::process::{Command, Stdio};
///
/// gort::run(|| {
///     let mut child = Command::new("echo").arg("hi").stdout(Stdio::piped()).spawn().unwrap();
///     let mut stdout = PipeReader::try_from(child.stdout.take().unwrap()).unwrap();
///     let mut text = String::new();
///     stdout.read_to_string(&mut text).unwrap();
///     assert_eq!(text, "hi\n");
///     child.wait().unwrap();
/// });
/// ```
#[derive(Debug)]
pub struct PipeReader(Fd<std::io::PipeReader>);

/// The end of a pipe to write to. Made by [`pipe`], or from the standard input of a child.
#[derive(Debug)]
pub struct PipeWriter(Fd<std::io::PipeWriter>);

/// What the two ends have in common.
macro_rules! end {
    ($type:ident, $std:ty, $direction:ident) => {
        impl $type {
            /// Takes over a pipe's end, and sets it to non-blocking mode.
            fn new(fd: OwnedFd) -> io::Result<Self> {
                sys::fd::set_nonblocking(fd.as_fd(), true)?;
                Fd::new(<$std>::from(fd), Kind::File).map(Self).map_err(|(e, _)| e)
            }

            /// Until when calls may wait, one that waits already included; `None`: for ever. After it
            /// they fail with `TimedOut`.
            ///
            /// # Errors
            /// [`Closed`](super::Closed).
            pub fn set_deadline(&self, at: Option<Instant>) -> io::Result<()> {
                self.0.set_deadline(Direction::$direction, at)
            }

            /// Closes this end at once. Whoever waits at it wakes up; their calls, and all later ones, fail
            /// with [`Closed`](super::Closed).
            ///
            /// # Errors
            /// [`Closed`](super::Closed), if it was closed before.
            pub fn close(&self) -> io::Result<()> {
                self.0.close()
            }

            /// The standard library's type, in blocking mode.
            ///
            /// # Errors
            /// Those of the system.
            pub fn into_std(self) -> io::Result<$std> {
                let pipe = self.0.into_inner();
                sys::fd::set_nonblocking(pipe.as_fd(), false)?;
                Ok(pipe)
            }
        }

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
    };
}

/// From the standard library's types.
macro_rules! from {
    ($($from:ty => $type:ident),*) => {
        $(
            impl TryFrom<$from> for $type {
                type Error = io::Error;
                fn try_from(pipe: $from) -> io::Result<Self> {
                    Self::new(OwnedFd::from(pipe))
                }
            }
        )*
    };
}

end!(PipeReader, std::io::PipeReader, Read);
end!(PipeWriter, std::io::PipeWriter, Write);
from!(
    std::io::PipeReader => PipeReader, ChildStdout => PipeReader, ChildStderr => PipeReader,
    std::io::PipeWriter => PipeWriter, ChildStdin => PipeWriter
);

impl Read for &PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.0.run(Direction::Read, |mut pipe| pipe.read(buf).map(Done::whole))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.run(Direction::Read, |mut pipe| pipe.read_vectored(bufs).map(Done::whole))
    }
}

impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for &PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.run(Direction::Write, |mut pipe| pipe.write(buf).map(Done::whole))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.run(Direction::Write, |mut pipe| pipe.write_vectored(bufs).map(Done::whole))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for PipeWriter {
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
