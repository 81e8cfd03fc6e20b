//! Goexit: an unwind with a payload of our own, which runs deferred calls and destructors up to the
//! goroutine's entry and prints nothing. `sched/goexit.rs` has the rules.

use crate::sched::current::current;
use crate::sched::goexit::raise;

/// Ends the calling goroutine.
pub(crate) fn goexit() -> ! {
    if current().and_then(|m| m.curg()).is_none() {
        panic!("gort: goexit called on a thread that is not a goroutine");
    }
    if cfg!(panic = "abort") {
        crate::base::fatal::fatal(format_args!(
            "goexit needs panic = \"unwind\"; this program is built with panic = \"abort\""
        ));
    }
    raise()
}
