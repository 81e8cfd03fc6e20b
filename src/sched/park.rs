//! Stopping the caller: the two verbs (`park`, and `ready` in `ready.rs`) on which everything that
//! blocks is built, and the yield.
//!
//! # The park protocol
//! 1. The caller enqueues its [`Task`](super::task::Task) under some lock, or decides to.
//! 2. `park(me, reason, commit)` saves its registers and leaves its stack.
//! 3. The scheduler marks it `Waiting` and runs `commit`, which publishes it: gives back the lock,
//!    or arms a word. `false` says that the event has come meanwhile, and the caller goes on.
//! 4. Whoever takes the task from the queue calls `ready`, once.
//!
//! No wake-up is lost, because the task can be found only after (3), when the goroutine can already
//! be resumed. A plain thread has no other stack to run the commit on: it commits first and sleeps
//! on its own word, which remembers a wake-up that comes before the sleep.

use super::current::current;
use super::m::M;
use super::task::Me;
use super::{SCHED, idle};
use crate::g::{Stop, WaitReason, suspend_parked};

/// Blocks the caller until its task is made ready, or not at all if `commit` refuses.
#[inline]
pub(crate) fn park(me: &Me, reason: WaitReason, commit: impl FnOnce() -> bool) {
    let Some(g) = me.goroutine() else { return park_thread(me, commit) };
    let m = current().expect("a goroutine runs on an M");
    m.enter();
    g.reason.set(reason);
    suspend_parked(commit, |word| {
        // SAFETY: `g` is the goroutine that runs here.
        unsafe { g.suspend(word) }
    });
}

/// A plain thread, or a goroutine that unwinds and must keep its thread: blocks the thread; an M
/// hands its P on first.
#[cold]
fn park_thread(me: &Me, commit: impl FnOnce() -> bool) {
    if let Some(m) = current() {
        m.enter();
        if let Some(p) = m.release() {
            idle::hand_off(p);
        }
        m.leave();
    }
    if commit() {
        me.sleeper().sleep();
    }
}

/// Blocks for ever.
pub(crate) fn park_forever(reason: WaitReason) -> ! {
    let me = Me::new();
    loop {
        park(&me, reason, || true);
    }
}

/// Lets the others run; returns when the caller's turn comes again. On a plain thread, and on a
/// goroutine that unwinds, yields the OS thread.
///
/// Always inlined: each return between the caller's loop and the switch is mispredicted on corosensei,
/// which pairs its own calls and returns across the stacks.
#[inline(always)]
pub(crate) fn yield_now() {
    let (Some(m), false) = (current(), std::thread::panicking()) else {
        return crate::sys::thread::os_yield();
    };
    m.enter();
    if nobody_waits(m) {
        return m.leave();
    }
    let g = m.curg().expect("an M that runs user code runs a goroutine");
    // SAFETY: `g` is the goroutine that runs here.
    unsafe { g.suspend(Stop::yielded()) };
}

/// Whether a yield would come straight back: then it does not leave. Counts as a pick, so that
/// sysmon does not take a yielding loop for a hog.
#[inline]
fn nobody_waits(m: &M) -> bool {
    m.p().is_some_and(|p| {
        let alone = !p.has_work()
            && SCHED.global.is_empty()
            && p.timers.next() == crate::sys::clock::NEVER
            && !SCHED.stopping();
        if alone {
            p.bump_tick();
        }
        alone
    })
}
