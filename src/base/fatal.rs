//! How to die: [`fatal`] ends the process without unwinding, with status 2, as Go's does.

use std::fmt::{self, Write as _};
use std::io::Write as _;

/// Writes to standard error piece by piece, unbuffered and without a lock: a crash report must
/// come out whatever the rest of the process holds.
pub(crate) struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        std::io::stderr().write_all(s.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Ends the process because of the program's mistake: `fatal error: <text>`, status 2.
#[cold]
pub(crate) fn fatal(text: fmt::Arguments<'_>) -> ! {
    let _ = writeln!(Stderr, "fatal error: {text}");
    std::process::exit(2)
}
