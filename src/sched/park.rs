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

use super::alarm::{self, Timed, Timeout};
use super::current::current;
use super::m::M;
use super::task::Me;
use super::{SCHED, clock, idle, pinned};
use crate::base::atomic::Ordering;
use crate::base::claim::Claim;
use crate::g::{Stop, WaitReason, suspend_parked};
use crate::sys::clock::NEVER;
use std::ptr::NonNull;

/// Blocks the caller until its task is made ready, or not at all if `commit` refuses.
#[inline]
pub(crate) fn park(me: &Me, reason: WaitReason, commit: impl FnOnce() -> bool) {
    let Some(g) = me.goroutine() else { return park_thread(me, commit) };
    let m = current().expect("a goroutine runs on an M");
    #[cfg(debug_assertions)]
    super::detect::look(g);
    m.enter();
    g.reason.set(reason);
    g.since.store(super::sysmon::second(), Ordering::Relaxed);
    suspend_parked(commit, |word| {
        // SAFETY: `g` is the goroutine that runs here.
        unsafe { g.suspend(word) }
    });
    g.resumed();
}

/// As [`park`], but not beyond `when`: then the wait's claim says that it expired. Whoever else ends
/// the wait takes the claim first. The caller passes through the lock under which each of them looks
/// at the claim before it lets go of it.
pub(crate) fn park_until(
    me: &Me,
    reason: WaitReason,
    (claim, when): (&Claim, u64),
    commit: impl FnOnce() -> bool,
) {
    if when == NEVER {
        return park(me, reason, commit);
    }
    if me.goroutine().is_none() {
        return park_thread_until(me, (claim, when), commit);
    }
    let timeout = Timeout::new(claim, me.task());
    let timed = Timed::Timeout(NonNull::from(&timeout));
    park(me, reason, move || {
        // First the timer, while the locks that the commit gives back keep this stack in place: when
        // they are free, a waker may let the goroutine go on and take the timer out again.
        let earliest = alarm::add(when, timed);
        let parked = commit();
        debug_assert!(parked, "the claim refuses, not the commit");
        if earliest {
            clock::nudge(when);
        }
        true
    });
    timeout.call_off(claim);
}

#[cold]
fn park_thread_until(me: &Me, (claim, when): (&Claim, u64), commit: impl FnOnce() -> bool) {
    block_thread(|| {
        if commit() && !me.sleeper().sleep_until(when) && !claim.expire() {
            // Somebody has just ended the wait and is about to wake us.
            me.sleeper().sleep();
        }
    });
}

/// A plain thread, or a goroutine that unwinds and must keep its thread: blocks the thread.
#[cold]
fn park_thread(me: &Me, commit: impl FnOnce() -> bool) {
    block_thread(|| {
        if commit() {
            me.sleeper().sleep();
        }
    });
}

/// Runs `wait`, which blocks the thread; an M hands its P on first.
fn block_thread(wait: impl FnOnce()) {
    super::boot::refuse_forked();
    if let Some(m) = current() {
        m.enter();
        if let Some(p) = m.release() {
            idle::hand_off(p);
        }
        m.leave();
    }
    wait();
}

/// Blocks for ever.
pub(crate) fn park_forever(reason: WaitReason) -> ! {
    super::goexit::point();
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
    let (Some(m), false) = (current(), super::task::keeps_its_thread()) else {
        return crate::sys::thread::os_yield();
    };
    #[cfg(debug_assertions)]
    if let Some(g) = m.curg() {
        super::detect::look(g);
    }
    m.enter();
    if nobody_waits(m) {
        return m.leave();
    }
    let g = m.curg().expect("an M that runs user code runs a goroutine");
    // SAFETY: `g` is the goroutine that runs here.
    unsafe { g.suspend(Stop::yielded()) };
    g.resumed();
}

/// Whether a yield would come straight back: then it does not leave. Counts as a pick, so that
/// sysmon does not take a yielding loop for a hog.
#[inline]
fn nobody_waits(m: &M) -> bool {
    m.p().is_some_and(|p| {
        let alone = !p.has_work()
            && SCHED.global.is_empty()
            && p.timers.next() == NEVER
            && !SCHED.stopping();
        if alone {
            p.bump_tick();
        }
        // A pinned goroutine's M has a list of its own.
        alone && !pinned::in_force()
    })
}
