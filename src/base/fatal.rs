//! How to die: [`fatal`] ends the process without unwinding, with status 2, as Go's does.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::OnceLock;

/// Writes to standard error piece by piece, unbuffered and without a lock: a crash report must
/// come out whatever the rest of the process holds.
pub(crate) struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        std::io::stderr().write_all(s.as_bytes()).map_err(|_| fmt::Error)
    }
}

static REPORT: OnceLock<fn(&str) -> !> = OnceLock::new();

/// From now on `report` prints what is to be said and ends the process: once there are goroutines
/// whose stacks can be told.
pub(crate) fn report_by(report: fn(&str) -> !) {
    REPORT.get_or_init(|| report);
}

/// Ends the process because of the program's mistake: `fatal error: <text>`, status 2.
#[cold]
pub(crate) fn fatal(text: fmt::Arguments<'_>) -> ! {
    if let Some(report) = REPORT.get() {
        report(&text.to_string());
    }
    let _ = writeln!(Stderr, "fatal error: {text}");
    std::process::exit(2)
}
