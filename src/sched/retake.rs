//! When a P is called back from the goroutine it runs, and given to others.
//!
//! | the goroutine | how the monitor knows | called back | if |
//! |---|---|---|---|
//! | is in a declared call | it says so, and two looks see the same call | at the second look (20 µs) | others wait for the P, or no other is free; in any case after 10 ms (Go) |
//! | blocks its thread | its P stands still, its thread sleeps in the kernel | after half a millisecond to one | others wait |
//! | the same, and nobody waits | | after 10 ms | always: an idle P lets the monitor sleep |
//! | computes | its P stands still, its thread runs | after 10 ms | others wait, and not too many hogs run without a P |
//!
//! Each hand-off in a row because of a blocked thread halves the time the next takes: goroutines that
//! block one after the other are a burst, and each of them holds up all behind it.
//!
//! The limit on *hogs*: whoever computes goes on when its P is gone. So that a hundred of them do not
//! become a hundred running threads, at most `max(4, 2 * GOMAXPROCS)` are parted from their P in this
//! way at a time. The monitor keeps the list itself; one that has met the runtime since, has got
//! a P again, or has blocked meanwhile counts no more. At the limit others wait until a hog ends,
//! blocks or calls us: nothing in the process can stop native code where it is. Whoever gets a P
//! then sees to what is due on all of them, so that a sleeper waits for the first and not for its own.

use super::m::M;
use super::p::P;
use super::pace::{Found, QUICK_US};
use super::{SCHED, idle, pinned, world};
use crate::base::atomic::Ordering;
use crate::sys;

/// How long a goroutine may run while others wait for its P, in ns (Go: `forcePreemptNS`).
const SLICE_NS: u64 = 10_000_000;
/// How long a P has to stand still before its thread's state is looked at, in ns; the least of it
/// after many hand-offs in a row.
const STILL_NS: u64 = 500_000;
const STREAK: u32 = 3;
/// A timer due within so many ns makes its P one that somebody waits for.
const SOON_NS: u64 = 2_000_000;
/// Hogs that may run without a P whatever GOMAXPROCS is.
const HOGS: usize = 4;

/// What was seen of a P at earlier looks.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    tick: u32,
    /// When `tick` was seen first.
    since: u64,
    /// The declared call its goroutine was in, by the M's address and count.
    call: Option<(usize, u32)>,
    /// Hand-offs in a row because its goroutine blocked.
    streak: u32,
    /// When its thread's state was read last. Each time costs some microseconds, so the longer
    /// the P has stood still the rarer.
    asked: u64,
}

/// A goroutine that was parted from its P while it computed: its M, and its number.
#[derive(Clone, Copy)]
struct Hog {
    m: &'static M,
    id: u64,
}

/// Why a P is called back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Declared,
    Blocked,
    Hog,
}

/// What the monitor knows of all Ps.
pub(super) struct Watch {
    seen: Vec<Seen>,
    hogs: Vec<Hog>,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Self { seen: Vec::new(), hogs: Vec::new() }
    }

    /// Looks at every P, and calls back what is due. `calm`: the next look will not be soon.
    pub(super) fn look(&mut self, now: u64, calm: bool) -> Found {
        let procs = SCHED.procs();
        self.seen.resize(procs, Seen::default());
        let look = |id| self.look_at(super::p_at(id), now, calm);
        (0..procs).map(look).fold(Found::default(), Found::and)
    }

    fn look_at(&mut self, p: &'static P, now: u64, calm: bool) -> Found {
        let seen = &mut self.seen[p.id as usize];
        let tick = p.tick();
        let moving = seen.tick != tick;
        let Some(m) = p.m() else {
            *seen = Seen { tick, since: now, ..Seen::default() };
            return Found { moving, ..Found::default() };
        };
        let wanted = p.has_work()
            || !SCHED.global.is_empty()
            || p.timers.next() < now
            || pinned::somebody_wants();
        let exposed = wanted || p.timers.next() < now.saturating_add(SOON_NS);
        let doubt = calm && moving && wanted && blocked(m);
        let found = Found { acted: offer_next(p), exposed, moving, doubt };
        let call = declared_call(m);
        if moving {
            // One pick after a hand-off is the hand-off's own.
            let streak = if tick == seen.tick.wrapping_add(1) { seen.streak } else { 0 };
            *seen = Seen { tick, since: now, call, streak, asked: 0 };
            return found;
        }
        let same_call = call.is_some() && std::mem::replace(&mut seen.call, call) == call;
        let Some(why) = self.verdict(p, m, same_call, wanted, now) else { return found };
        let taken = self.take(p, why, now);
        Found { acted: found.acted | taken, ..found }
    }

    /// Whether, and why, to call the P back from `m`.
    fn verdict(
        &mut self,
        p: &P,
        m: &'static M,
        same_call: bool,
        wanted: bool,
        now: u64,
    ) -> Option<Why> {
        let seen = &mut self.seen[p.id as usize];
        let still = now.saturating_sub(seen.since);
        let over = still >= SLICE_NS;
        let nobody_free = SCHED.spin.idle() == 0 && SCHED.spin.spinning() == 0;
        if same_call && (wanted || nobody_free || over) {
            return Some(Why::Declared);
        }
        if !over && (!wanted || still < STILL_NS >> seen.streak.min(STREAK)) {
            return None;
        }
        if now.saturating_sub(seen.asked) < still / 8 {
            return None;
        }
        seen.asked = now;
        if blocked(m) {
            return Some(Why::Blocked);
        }
        if wanted && over && self.may_hog() {
            return Some(Why::Hog);
        }
        if p.timers.next() < now.saturating_sub(STILL_NS) {
            SCHED.set_overdue(true); // to be seen to by the next M that looks for work
        }
        None
    }

    /// Calls the P back and finds it a new holder.
    fn take(&mut self, p: &'static P, why: Why, now: u64) -> bool {
        let hog = p.m().and_then(|m| Some(Hog { m, id: m.curg()?.id.get() }));
        let Some(taken) = world::call_back(p) else { return false };
        let seen = &mut self.seen[p.id as usize];
        let streak = if why == Why::Blocked { seen.streak + 1 } else { 0 };
        *seen = Seen { tick: p.tick(), since: now, call: None, streak, asked: 0 };
        if why == Why::Hog {
            self.hogs.extend(hog);
        }
        idle::hand_off(taken);
        true
    }

    /// Whether one more may compute without a P.
    fn may_hog(&mut self) -> bool {
        let limit = HOGS.max(2 * SCHED.procs());
        if self.hogs.len() >= limit {
            self.hogs.retain(Hog::goes_on);
        }
        self.hogs.len() < limit
    }
}

impl Hog {
    /// Whether it still computes without a P.
    fn goes_on(&self) -> bool {
        let same = self.m.curg().is_some_and(|g| g.id.get() == self.id);
        let holds_p = || super::all_ps().any(|p| p.m().is_some_and(|m| std::ptr::eq(m, self.m)));
        same && !holds_p() && !blocked(self.m)
    }
}

/// A goroutine may lie in `runnext` of a P that does not move while another P is idle (`ready.rs`):
/// looks again in a moment, and wakes a thief. True: there was one.
fn offer_next(p: &P) -> bool {
    if !p.has_next() || SCHED.spin.idle() == 0 {
        return false;
    }
    let tick = p.tick();
    sys::thread::nap(QUICK_US);
    let stale = p.tick() == tick && p.has_next();
    if stale {
        idle::wake_one();
    }
    stale
}

/// The declared call that the goroutine on `m` is in.
fn declared_call(m: &'static M) -> Option<(usize, u32)> {
    let declared = m.curg()?.declared.load(Ordering::Relaxed) > 0;
    declared.then(|| (std::ptr::from_ref(m).addr(), m.calls.load(Ordering::Relaxed)))
}

/// Whether the M's thread sleeps in the kernel.
fn blocked(m: &M) -> bool {
    let tid = m.tid.load(Ordering::Relaxed);
    tid != 0 && matches!(sys::proc::thread_state(tid), Some(b'S' | b'D'))
}
