//! Nobody can ever run again: say so and end, as Go does.
//!
//! The verdict needs all of: a thread waits in `run`; every P idle and every M asleep; nothing
//! runnable; no timer; nobody who waits for a descriptor; and no thread in the process but the runtime's
//! own, since any other thread could still wake a goroutine. It is reached by sysmon only after the
//! process has been idle for a while, and again from time to time (a foreign thread may end without our
//! knowing). What is read under the scheduler's lock cannot change: with all Ms asleep and no other
//! thread, only this thread could change it. (The keeper of the clock may be awake with an event in its
//! hands; but then somebody still waits at the gate, which it opens only after it has had the lock.)

use super::threads::SYSTEM;
use super::{SCHED, clock, p};
use crate::base::fatal::fatal;
use crate::poll;
use crate::sys;

/// Reports a deadlock and ends the process, or returns whether it is worth looking again later
/// without anything of ours having run in between.
pub(super) fn check() -> bool {
    // First without the lock, since it may take a while: whoever waits will wake the monitor when it
    // goes on.
    if poll::any_waiter() {
        return false;
    }
    let inner = SCHED.inner.lock();
    if inner.runners == 0 || !inner.all_asleep() {
        // The keeper falls asleep without a word, if only descriptors keep it there.
        return inner.runners != 0 && poll::active();
    }
    if !SCHED.global.is_empty() || clock::earliest() != sys::clock::NEVER {
        return false;
    }
    let ours = inner.ms + inner.runners + SYSTEM;
    if sys::proc::threads().is_none_or(|all| all > ours) {
        return true;
    }
    if poll::any_waiter() {
        return false;
    }
    drop(inner);
    report()
}

/// Without a goroutine at fault, the reporter shows them all.
fn report() -> ! {
    if p::goroutines() == 0 {
        fatal(format_args!("no goroutines (main called runtime.Goexit) - deadlock!"));
    }
    fatal(format_args!("all goroutines are asleep - deadlock!"))
}
