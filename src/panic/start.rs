//! Start of the runtime together with what belongs to panics: the hook, the watch for overflows.

use crate::sched::boot::{self, Refused, Settings};
use crate::sched::{SCHED, goexit};

/// Starts the runtime, or checks that it runs with `wanted` (`None`: start with the defaults, accept
/// whatever runs).
///
/// # Errors
/// What is in the way, in words.
pub(crate) fn start_runtime(wanted: Option<Settings>) -> Result<(), String> {
    // Before anyone can start a goroutine.
    super::hook::install();
    crate::base::fatal::report_by(super::dump::fatal);
    match boot::start(wanted) {
        Ok(fresh) => {
            if fresh {
                super::overflow::watch();
                crate::sched::on_quit(|| super::dump::quit());
            }
            Ok(())
        }
        Err(Refused::Running(have)) => {
            Err(format!("the runtime already runs with another configuration: {have:?}"))
        }
        Err(Refused::Locals(why)) => Err(why.to_owned()),
        Err(Refused::Switch(why)) => Err(why.to_owned()),
        Err(Refused::Thread(e)) => Err(format!("the system refuses a thread: {e}")),
        Err(Refused::Forked) => Err(crate::sched::FORKED_CHILD.to_owned()),
    }
}

/// Starts the runtime with its defaults unless it runs already; a point at which a stopped goexit
/// goes on.
///
/// # Panics
/// When the system refuses.
#[inline]
pub(crate) fn ensure_started() {
    if SCHED.odd() {
        look_twice();
    }
}

#[cold]
#[inline(never)]
fn look_twice() {
    if !boot::is_started() {
        start_runtime(None).unwrap_or_else(|e| panic!("gort: cannot start: {e}"));
    }
    goexit::point();
}
