//! Declared blocking calls (Go's entersyscall and exitsyscall).
//!
//! Going in, the goroutine keeps its P and says that it may be away for a while: `G::declared` counts
//! the depth, `M::calls` tells one call from the next. Coming back in time it finds its P where it
//! was, and the call has cost two entries of the runtime. The monitor takes the P away once it has seen
//! the same call twice, 20 µs apart at least, and somebody could use it (`retake.rs`). A call that is
//! known to be long hands the P on by itself, at once.
//!
//! Coming back without a P: the old one if it is idle, else any idle one, else the goroutine queues
//! globally and its thread parks. While it unwinds it cannot queue, since std counts panics per
//! thread: it goes on without a P, as after an undeclared call.
//!
//! During the call the goroutine is an ordinary one that happens to be allowed to lose its P at any
//! moment: it may use the runtime, park, come back on another thread, and declare again.

use super::current::current;
use super::goexit;
use super::m::M;
use super::p::P;
use super::{SCHED, idle, sysmon};
use crate::g::{GRef, Stop};
use crate::sys::clock::NEVER;
use std::sync::atomic::Ordering;

/// How long a call is going to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Perhaps short: the P stays until the monitor finds the call long.
    Unknown,
    /// The P goes to others at once.
    Long,
}

/// Runs `f` as a blocking call of the calling goroutine. On a plain thread just runs it.
#[inline]
pub(crate) fn blocking<T>(kind: Kind, f: impl FnOnce() -> T) -> T {
    goexit::point();
    let Some(m) = current() else { return f() };
    let Some(g) = m.curg() else { return f() };
    let call = Call::begin(m, g, kind);
    let result = f();
    drop(call);
    result
}

/// A call under way; its drop is the return, by whichever way `f` ends.
struct Call(GRef);

impl Call {
    #[inline]
    fn begin(m: &'static M, g: GRef, kind: Kind) -> Self {
        m.enter();
        // Relaxed: hints for the monitor, which takes a P only under the lease.
        g.declared.store(g.declared.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        g.since.store(sysmon::second(), Ordering::Relaxed);
        m.calls.store(m.calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        if let Some(p) = m.p()
            && (kind == Kind::Long || SCHED.stopping() || sysmon::is_slow())
        {
            begin_slow(m, p, kind);
        }
        m.leave();
        Self(g)
    }
}

#[cold]
fn begin_slow(m: &'static M, p: &'static P, kind: Kind) {
    if kind == Kind::Long || SCHED.stopping() {
        m.old_p.set(m.release());
        idle::hand_off(p);
    } else if p.has_work() || !SCHED.global.is_empty() || p.timers.next() != NEVER {
        sysmon::hurry();
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        // Perhaps another M than at the beginning.
        let m = current().expect("a goroutine runs on an M");
        let has_p = m.enter().is_some();
        let depth = self.0.declared.load(Ordering::Relaxed) - 1;
        self.0.declared.store(depth, Ordering::Relaxed);
        // Inside another declared call a P is not needed yet.
        if has_p || depth > 0 {
            return m.leave();
        }
        end_slow(m, self.0);
    }
}

/// Back without a P.
#[cold]
fn end_slow(m: &'static M, g: GRef) {
    if idle::regain(m).is_some() || std::thread::panicking() {
        return m.leave();
    }
    // SAFETY: `g` is the goroutine that runs here. Without a P a yield goes to the global queue.
    unsafe { g.suspend(Stop::yielded()) };
}
