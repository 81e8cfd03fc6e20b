//! The panic hook and the report.

use crate::base::fatal::Stderr;
use crate::sched::current::current;
use crate::sys::lock::RawLock;
use std::any::Any;
use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::panic::PanicHookInfo;

/// What the hook saw of a panic, kept in the goroutine until somebody catches it.
struct Seen {
    message: String,
    location: Option<String>,
    trace: Backtrace,
}

/// Puts our hook in front of the present one: at the start of the runtime, which happens once.
pub(crate) fn install() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| match quiet_goroutine() {
        Some(g) => g.panic.set(Some(Box::new(see(info)))),
        None => before(info),
    }));
}

/// The calling goroutine, unless it is a main one.
fn quiet_goroutine() -> Option<crate::g::GRef> {
    current().and_then(|m| m.curg()).filter(|g| !g.is_main.get())
}

fn see(info: &PanicHookInfo<'_>) -> Seen {
    Seen {
        message: text(info.payload()),
        location: info.location().map(ToString::to_string),
        trace: Backtrace::force_capture(),
    }
}

/// The words of a payload, as far as they can be known.
fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(s) = payload.downcast_ref::<&str>() {
        (*s).to_owned()
    } else if let Some(s) = payload.downcast_ref::<String>() {
        s.clone()
    } else {
        "(a value that is no text)".to_owned()
    }
}

/// A panic has left the goroutine and nobody takes it: reports it, and ends the process with
/// status 2 if the configuration says so.
pub(crate) fn unrecovered(payload: &(dyn Any + Send)) {
    static ONE_AT_A_TIME: RawLock = RawLock::new();
    ONE_AT_A_TIME.lock();
    let g = quiet_goroutine();
    let seen = g.and_then(|g| g.panic.take()).and_then(|b| b.downcast::<Seen>().ok());
    let message = text(payload);
    let mut out = Stderr;
    let _ = writeln!(out, "panic: {message}");
    if let Some(g) = g {
        let _ = write!(out, "\ngoroutine {} [running]:\n", g.id.get());
        if let Some(seen) = seen.filter(|seen| seen.message == message) {
            let _ = writeln!(out, "\t{}", seen.location.as_deref().unwrap_or("?"));
            let _ = write!(out, "{}", seen.trace);
        }
        if g.parent.get() != 0 {
            let _ = writeln!(out, "created in goroutine {}", g.parent.get());
        }
    }
    if crate::sched::boot::settings().crash_on_panic {
        // The lock is kept: another goroutine's report would come after the end.
        std::process::exit(2);
    }
    ONE_AT_A_TIME.unlock();
}
