//! Stopping the world, and changing the number of Ps, which is what it is for.
//!
//! While the world is stopped nobody holds a P but the stopper: idle Ps are taken off their list,
//! an M that looks for work gives its P up in [`stop_for_world`], and a P whose M is away in a
//! goroutine's own code (perhaps for long) is called back under its lease.
//!
//! Invariant: `stopping` is set and cleared under the scheduler's lock, and a P is counted as
//! stopped exactly once, by whoever parted it from its M or took it off the idle list.

use super::current::current;
use super::m::M;
use super::p::P;
use super::{Inner, SCHED, idle, p_at, park, reserve};
use crate::base::atomic::Ordering;

/// Most Ps there can be.
pub(crate) const MAX_PROCS: usize = 1 << 16;
/// How long to wait for Ms to notice before Ps are called back, in ns (Go re-asks every 100 µs).
const PATIENCE_NS: u64 = 100_000;
/// How often a process that ends waits for so long.
const TRIES: u32 = 50;

/// Sets the number of Ps to `n` (at most [`MAX_PROCS`]) and returns the old one. 0 only asks.
/// `custom` says that a person chose it, which ends the automatic updates.
pub(crate) fn set_procs(n: usize, custom: bool) -> usize {
    if n == 0 {
        return SCHED.procs();
    }
    lock();
    SCHED.steady.custom_procs.store(custom, Ordering::Relaxed);
    let old = change_procs(n);
    SCHED.world.unlock();
    old
}

/// Adapts the number of Ps to the machine, unless a person has chosen one meanwhile.
pub(super) fn follow_procs(n: usize) {
    // The monitor waits for nobody: he who has the world may wait for the monitor.
    if !SCHED.world.try_lock() {
        return;
    }
    if !SCHED.steady.custom_procs.load(Ordering::Relaxed) {
        change_procs(n);
    }
    SCHED.world.unlock();
}

/// One stopper at a time; a goroutine that waits for its turn lets the others run.
fn lock() {
    while !SCHED.world.try_lock() {
        park::yield_now();
    }
}

/// Sets the number of Ps and returns the old one. Under the world lock.
fn change_procs(n: usize) -> usize {
    let (old, n) = (SCHED.procs(), n.min(MAX_PROCS));
    if n != old {
        let m = current();
        if let Some(m) = m {
            m.enter();
        }
        stop(m, None);
        resize(old, n);
        start(m, n);
        if let Some(m) = m {
            m.leave();
        }
    }
    old
}

/// Runs `f` while nobody else runs a goroutine, except goroutines whose P was called back from them.
/// `f` must not panic, nor enter the runtime.
pub(crate) fn while_stopped<R>(f: impl FnOnce() -> R) -> R {
    lock();
    let m = current();
    if let Some(m) = m {
        m.enter();
    }
    stop(m, None);
    let result = f();
    start(m, SCHED.procs());
    if let Some(m) = m {
        m.leave();
    }
    SCHED.world.unlock();
    result
}

/// Stops everyone else for good, as far as that can be had in some milliseconds (Go's
/// `freezetheworld`): for a process that ends. The caller may be inside the runtime, but holds no lock.
pub(crate) fn freeze() {
    let mut tries = 0..TRIES;
    while !SCHED.world.try_lock() {
        if tries.next().is_none() {
            return;
        }
        crate::sys::thread::nap(PATIENCE_NS / 1000);
    }
    let outside = current().filter(|m| !m.is_inside());
    outside.inspect(|m| _ = m.enter());
    stop(current(), Some(TRIES));
    outside.inspect(|m| m.leave());
}

/// Stops everyone but the caller; with `patience` gives up when so often somebody did not notice in
/// time. Inside the runtime.
fn stop(m: Option<&'static M>, mut patience: Option<u32>) {
    let mut inner = SCHED.inner.lock();
    SCHED.set_stopping(true);
    inner.running = SCHED.procs();
    SCHED.stopped.clear();
    if m.and_then(M::p).is_some() {
        inner.running -= 1;
    }
    while let Some(p) = idle::take_p(&mut inner) {
        count_stopped(&mut inner, p);
    }
    while inner.running > 0 && patience != Some(0) {
        drop(inner);
        patience = patience.map(|left| left - 1);
        if !SCHED.stopped.sleep_for(PATIENCE_NS) {
            call_back_all(m.and_then(M::p));
        }
        inner = SCHED.inner.lock();
    }
}

/// Books a P as stopped; wakes the stopper with the last one. The P has no M any more.
pub(super) fn count_stopped(inner: &mut Inner, p: &P) {
    debug_assert!(p.m().is_none());
    inner.running -= 1;
    if inner.running == 0 {
        SCHED.stopped.wake();
    }
}

/// Takes the Ps whose Ms are away from the runtime.
fn call_back_all(own: Option<&P>) {
    for p in super::all_ps().filter(|p| own.is_none_or(|own| own.id != p.id)) {
        if let Some(taken) = call_back(p) {
            count_stopped(&mut SCHED.inner.lock(), taken);
        }
    }
}

/// Takes `p` from its M if that is outside the runtime. The caller then owns the P.
pub(super) fn call_back(p: &'static P) -> Option<&'static P> {
    let _one = SCHED.revoke.lock();
    let m = p.m()?;
    // The M may have changed its P since we looked; while it is kept out it cannot.
    m.borrow(|| {
        let taken = m.p().filter(|held| held.id == p.id).and_then(|_| m.release());
        m.old_p.set(taken.or(m.old_p.get()));
        taken
    })?
}

/// An M that found the world stopping: gives its P up and sleeps.
pub(super) fn stop_for_world(m: &'static M) {
    if m.spinning.replace(false) {
        SCHED.spin.stop_spinning();
    }
    let mut inner = SCHED.inner.lock();
    if !SCHED.stopping() {
        return;
    }
    if let Some(p) = m.release() {
        count_stopped(&mut inner, p);
    }
    idle::stop_m(m, inner);
}

/// Makes Ps `old..n`, or empties Ps `n..old`: their queues go to the head of the global queue in
/// order, `runnext` first (Go), their timers to P 0. The world is stopped.
fn resize(old: usize, n: usize) {
    for id in old..n {
        super::ensure_p(id);
    }
    let first = p_at(0);
    SCHED.global.prepend(|global| {
        for id in n.min(old)..old {
            let p = p_at(id);
            if let Some(g) = p.replace_next(None) {
                global.push(g.as_ptr());
            }
            // SAFETY: the world is stopped, the P is ours.
            unsafe { p.ring.drain(|g| global.push(g)) };
            while let Some(g) = p.yielded.pop() {
                global.push(g.as_ptr());
            }
        }
    });
    for id in n.min(old)..old {
        let p = p_at(id);
        p.lone.set(None);
        p.timers.move_to(&first.timers);
        p.cells.flush(&SCHED.cells);
        p.births.flush(&SCHED.births);
        reserve::flush(p);
        for (local, global) in p.free.iter().zip(&SCHED.free) {
            local.flush(global);
        }
    }
    if n > 1 {
        // From now on everyone may share what P 0 had to itself.
        let p = p_at(0);
        while let Some(g) = p.yielded.pop() {
            SCHED.global.push(g.as_ptr());
        }
    }
    SCHED.set_procs(n);
}

/// Lets everyone go on with `n` Ps.
fn start(m: Option<&'static M>, n: usize) {
    let mut own = m.and_then(M::p);
    if let (Some(m), Some(p)) = (m, own)
        && p.id as usize >= n
    {
        // The caller's P is gone: it goes on with P 0 (Go).
        m.release();
        m.acquire(p_at(0));
        own = Some(p_at(0));
    }
    let mut inner = SCHED.inner.lock();
    SCHED.set_stopping(false);
    let mut busy = Vec::new();
    for p in (0..n).rev().map(p_at) {
        if own.is_some_and(|own| own.id == p.id) {
            continue;
        }
        if p.has_work() { busy.push(p) } else { idle::put_p(&mut inner, p) }
    }
    drop(inner);
    for p in busy {
        idle::start_m(SCHED.inner.lock(), p, false);
    }
    idle::wake_one();
    super::clock::nudge(super::clock::earliest());
}
