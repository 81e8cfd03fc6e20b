//! Waiting on several channels at once: one instant, one winner.
//!
//! First a glance without locks: if something looks ready, one of that is chosen, each with the same
//! chance, and only its channel is locked; if nothing was at one instant (`Core::look` has the
//! argument), a select with a default is answered.
//!
//! Otherwise all channels of a select are locked, in the order of their addresses (so two selects
//! cannot wait for each other's locks), and looked at: the choice is uniform among what is ready at that
//! one instant. If nothing is, a record is queued with each, and the locks are given back
//! once the party is parked. Whoever then serves it first wins its claim (`base/claim.rs`, with the
//! argument why no wake-up is lost); woken, it takes its other records out, each in O(1).
//!
//! The records and the claim lie on the parked stack. It stays put until the select has passed
//! through the lock of every channel it stood in, but the winner's, whose waker has finished with it:
//! so the commit, which gives back one lock after the other, can still read the list of them, and a
//! waker that lost can still read the claim under its channel's lock.

use super::core::{Core, Look, Received, Sent};
use crate::base::claim::{Claim, Ended};
use crate::base::rng::Rng;
use crate::g::WaitReason;
use crate::sched::{
    Me, Task, Waiter, goexit, park_forever, park_until, random, ready, sleep_until,
};
use crate::sys::clock::NEVER;
use crate::sys::lock::RawLock;
use std::fmt;
use std::mem::MaybeUninit;
use std::time::Duration;

/// What looking at one case came to.
pub(super) enum Poll {
    NotReady,
    /// A value passed; this party is to be made ready.
    Done(Option<Task>),
    /// The channel is closed.
    Closed,
}

/// A channel without the type of its values.
pub(super) trait Port {
    fn lock(&self) -> &RawLock;
    fn is_receive_only(&self) -> bool;
    /// Whether an operation may find something to do; if not, polling says `NotReady`. Under the lock.
    fn may_go_on(&self, send: bool) -> bool;
    /// As `Core::look`.
    fn look(&self, send: bool) -> Look;
    /// As `Core::turn`.
    fn turn(&self) -> usize;

    /// # Safety
    /// The lock is held, and `slot` is room for a value.
    unsafe fn poll_recv(&self, slot: *mut ()) -> Poll;

    /// # Safety
    /// The lock is held, and `slot` holds a value, which `Done` takes.
    unsafe fn poll_send(&self, slot: *mut ()) -> Poll;

    /// # Safety
    /// As for `Core::wait_to_send`, `Core::wait_to_recv`.
    unsafe fn enqueue(&self, send: bool, waiter: &Waiter);

    /// # Safety
    /// As for `Core::leave_senders`, `Core::leave_receivers`.
    unsafe fn dequeue(&self, send: bool, waiter: &Waiter);
}

impl<T> Port for Core<T> {
    fn lock(&self) -> &RawLock {
        &self.lock
    }

    fn is_receive_only(&self) -> bool {
        Core::is_receive_only(self)
    }

    fn may_go_on(&self, send: bool) -> bool {
        if send { self.may_send() } else { self.may_recv() }
    }

    fn look(&self, send: bool) -> Look {
        Core::look(self, send)
    }

    fn turn(&self) -> usize {
        Core::turn(self)
    }

    unsafe fn poll_recv(&self, slot: *mut ()) -> Poll {
        // SAFETY: passed on.
        match unsafe { self.recv() } {
            Received::Value(v, sender) => {
                // SAFETY: `slot` is room for a T.
                unsafe { slot.cast::<T>().write(v) };
                Poll::Done(sender)
            }
            Received::Empty => Poll::NotReady,
            Received::Closed => Poll::Closed,
        }
    }

    unsafe fn poll_send(&self, slot: *mut ()) -> Poll {
        // SAFETY: `slot` holds a T; if it comes back it is forgotten here, and so still there.
        let v = unsafe { slot.cast::<T>().read() };
        // SAFETY: passed on.
        let (v, poll) = match unsafe { self.send(v) } {
            Sent::Done => return Poll::Done(None),
            Sent::Handed(receiver) => return Poll::Done(Some(receiver)),
            Sent::Full(v) => (v, Poll::NotReady),
            Sent::Closed(v) => (v, Poll::Closed),
        };
        std::mem::forget(v);
        poll
    }

    unsafe fn enqueue(&self, send: bool, waiter: &Waiter) {
        // SAFETY: passed on.
        unsafe { if send { self.wait_to_send(waiter) } else { self.wait_to_recv(waiter) } }
    }

    unsafe fn dequeue(&self, send: bool, waiter: &Waiter) {
        // SAFETY: passed on.
        unsafe { if send { self.leave_senders(waiter) } else { self.leave_receivers(waiter) } }
    }
}

/// What has become of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not chosen.
    #[default]
    Open,
    /// It was chosen: its channel is closed, and no value passed.
    Closed,
    /// It was chosen, and a value passed.
    Served,
}

/// One operation that a select may choose.
pub struct Case<'a> {
    /// `None` is never ready: nil, or spent.
    port: Option<&'a dyn Port>,
    send: bool,
    /// A value, or room for one, of the channel's type.
    slot: *mut (),
    outcome: &'a mut Outcome,
    waiter: MaybeUninit<Waiter>,
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.send { "Case(send)" } else { "Case(recv)" })
    }
}

impl<'a> Case<'a> {
    /// # Safety
    /// `slot` is a place for a value of the channel's type, not used by anyone else during `'a`; for
    /// a send it holds one, which is gone if the outcome is `Served`.
    #[inline]
    pub(super) unsafe fn new(
        port: Option<&'a dyn Port>,
        send: bool,
        slot: *mut (),
        outcome: &'a mut Outcome,
    ) -> Self {
        Self { port, send, slot, outcome, waiter: MaybeUninit::uninit() }
    }

    /// A case that is never ready.
    pub(super) fn never(outcome: &'a mut Outcome) -> Self {
        let slot = std::ptr::null_mut();
        Self { port: None, send: false, slot, outcome, waiter: MaybeUninit::uninit() }
    }

    fn lock(&self) -> Option<&'a RawLock> {
        self.port.map(Port::lock)
    }

    fn may_go_on(&self) -> bool {
        self.port.is_some_and(|port| port.may_go_on(self.send))
    }

    /// # Safety
    /// The lock is held.
    unsafe fn poll(&self) -> Poll {
        let Some(port) = self.port else { return Poll::NotReady };
        // SAFETY: `new` was promised that the slot fits.
        unsafe { if self.send { port.poll_send(self.slot) } else { port.poll_recv(self.slot) } }
    }
}

/// How long a select may wait.
#[derive(Clone, Copy, Debug)]
pub struct Wait(u64);

impl Wait {
    /// Not at all.
    pub const NOW: Self = Self(0);
    /// Until something is ready.
    pub const FOREVER: Self = Self(NEVER);

    /// So long.
    #[must_use]
    pub fn at_most(d: Duration) -> Self {
        if d.is_zero() { Self::NOW } else { Self(crate::sys::clock::after(d)) }
    }
}

/// Cases that a glance takes in.
const GLANCE: usize = 8;

/// Chooses one of the cases; `None` if none was ready in time. The chosen one's outcome says more.
pub(super) fn choose<const N: usize>(cases: &mut [Case<'_>; N], wait: Wait) -> Option<usize> {
    goexit::point();
    match choose_at_a_glance(cases, wait) {
        Some(settled) => settled,
        None => choose_under_locks(cases, &mut [0; N], &mut [0; N], wait),
    }
}

/// As [`choose`], for a list of any length.
pub(super) fn choose_among(cases: &mut [Case<'_>], wait: Wait) -> Option<usize> {
    goexit::point();
    if cases.len() > GLANCE {
        let (mut polls, mut locks) = (vec![0; cases.len()], vec![0; cases.len()]);
        return choose_under_locks(cases, &mut polls, &mut locks, wait);
    }
    match choose_at_a_glance(cases, wait) {
        Some(settled) => settled,
        None => choose_under_locks(cases, &mut [0; GLANCE], &mut [0; GLANCE], wait),
    }
}

/// Chooses without holding more than one lock; `None` if that cannot be done. Inlined where the
/// number of cases is known, so that there is no loop.
#[inline(always)]
fn choose_at_a_glance(cases: &mut [Case<'_>], wait: Wait) -> Option<Option<usize>> {
    match glance(cases) {
        Glance::AllBlock => (wait.0 == 0).then_some(None),
        Glance::SomeGoOn(set) => go_on_with_one_of(cases, set).map(Some),
        Glance::Unclear => None,
    }
}

/// What a look at all channels without their locks says.
enum Glance {
    /// At one instant none was ready.
    AllBlock,
    /// The cases whose bits are set looked ready.
    SomeGoOn(u8),
    /// Ask under the locks.
    Unclear,
}

#[inline(always)]
fn glance(cases: &[Case<'_>]) -> Glance {
    let (mut set, mut turns) = (0, [0; GLANCE]);
    if cases.len() > GLANCE {
        return Glance::Unclear;
    }
    for (i, case) in cases.iter().enumerate() {
        let Some(port) = case.port else { continue };
        match port.look(case.send) {
            Look::Blocks(turn) => turns[i] = turn,
            Look::GoesOn => set |= 1 << i,
            Look::Unclear => return Glance::Unclear,
        }
    }
    if set != 0 {
        return Glance::SomeGoOn(set);
    }
    // All blocked, each at its own moment; at one moment if none has changed until the last look.
    let looked = cases.split_last().map_or(cases, |(_, looked)| looked);
    let same = |(case, turn): (&Case<'_>, &usize)| case.port.is_none_or(|p| p.turn() == *turn);
    let same = looked.iter().zip(&turns).all(same);
    if same { Glance::AllBlock } else { Glance::Unclear }
}

/// Performs one of the cases that looked ready, each with the same chance, if it still is: only its
/// own channel is locked, since a case that is ready may be chosen whatever the others are.
fn go_on_with_one_of(cases: &mut [Case<'_>], mut set: u8) -> Option<usize> {
    let count = set.count_ones();
    if count > 1 {
        for _ in 0..Rng::new(random()).bounded(count) {
            set &= set - 1;
        }
    }
    let i = set.trailing_zeros() as usize;
    let case = &mut cases[i];
    let lock = case.lock()?;
    lock.lock();
    // SAFETY: the lock is held.
    let poll = unsafe { case.poll() };
    lock.unlock();
    *case.outcome = match poll {
        Poll::NotReady => return None,
        Poll::Closed => Outcome::Closed,
        Poll::Done(woken) => {
            if let Some(task) = woken {
                // SAFETY: the core took it from its queue.
                unsafe { ready(task) };
            }
            Outcome::Served
        }
    };
    Some(i)
}

/// Chooses with all channels locked, and waits if none is ready; `polls` and `locks` are room for an
/// index for each case.
#[inline(never)]
fn choose_under_locks(
    cases: &mut [Case<'_>],
    polls: &mut [usize],
    locks: &mut [usize],
    wait: Wait,
) -> Option<usize> {
    let mut live = 0;
    for (i, _) in cases.iter().enumerate().filter(|(_, case)| case.port.is_some()) {
        (polls[live], locks[live]) = (i, i);
        live += 1;
    }
    let (polls, locks) = (&mut polls[..live], &mut locks[..live]);
    if live == 0 {
        match wait.0 {
            NEVER => park_forever(WaitReason::Select),
            0 => {}
            when => sleep_until(when),
        }
        return None;
    }
    if live > 1 {
        locks.sort_unstable_by_key(|&i| cases[i].lock().map(std::ptr::from_ref));
    }
    lock_all(cases, locks);
    // SAFETY: all locks are held.
    if let Some((i, woken)) = unsafe { go_on_with_one(cases, polls) } {
        unlock_all(cases, locks);
        if let Some(task) = woken {
            // SAFETY: the core took it from its queue.
            unsafe { ready(task) };
        }
        return Some(i);
    }
    if wait.0 == 0 {
        unlock_all(cases, locks);
        return None;
    }
    wait_for_one(cases, locks, wait.0)
}

/// Performs one of the cases that are ready, each with the same chance; returns it and whom to make
/// ready. Randomness is asked for only if there is a choice. A case that only looked ready (everyone
/// who waits there has been served elsewhere) drops out, and the rest are as likely as each other.
///
/// # Safety
/// All locks are held. `among` lists the live cases.
unsafe fn go_on_with_one(
    cases: &mut [Case<'_>],
    among: &mut [usize],
) -> Option<(usize, Option<Task>)> {
    let mut left = 0;
    for k in 0..among.len() {
        if cases[among[k]].may_go_on() {
            among[left] = among[k];
            left += 1;
        }
    }
    let rng = (left > 1).then(|| Rng::new(random()));
    while left > 0 {
        let k = rng.as_ref().map_or(0, |rng| rng.bounded(left as u32) as usize);
        let i = among[k];
        // SAFETY: the lock is held.
        match unsafe { cases[i].poll() } {
            Poll::NotReady => {
                left -= 1;
                among[k] = among[left];
            }
            Poll::Done(woken) => {
                *cases[i].outcome = Outcome::Served;
                return Some((i, woken));
            }
            Poll::Closed => {
                *cases[i].outcome = Outcome::Closed;
                return Some((i, None));
            }
        }
    }
    None
}

/// Calls `f` with each channel's lock once, in order. Nothing is read after the last call.
fn each_lock(cases: &[Case<'_>], locks: &[usize], f: impl Fn(&RawLock)) {
    let mut held: Option<&RawLock> = None;
    for lock in locks.iter().filter_map(|&i| cases[i].lock()) {
        if let Some(before) = held.replace(lock)
            && !std::ptr::eq(before, lock)
        {
            f(before);
        }
    }
    if let Some(last) = held {
        f(last);
    }
}

fn lock_all(cases: &[Case<'_>], locks: &[usize]) {
    each_lock(cases, locks, RawLock::lock);
}

fn unlock_all(cases: &[Case<'_>], locks: &[usize]) {
    each_lock(cases, locks, RawLock::unlock);
}

/// Parks until somebody serves one of the cases, or it is `when`. All locks are held, and go with
/// the park.
fn wait_for_one(cases: &mut [Case<'_>], locks: &[usize], when: u64) -> Option<usize> {
    let me = Me::new();
    let claim = Claim::new();
    for &i in locks {
        let slot = cases[i].slot;
        cases[i].waiter.write(Waiter::racing(&me, slot, &claim));
    }
    let winner = {
        let cases = &*cases;
        // SAFETY: written for all of `locks` above.
        let waiter = |i: usize| unsafe { cases[i].waiter.assume_init_ref() };
        let live = || locks.iter().filter_map(|&i| cases[i].port.map(|port| (i, port)));
        for (i, port) in live() {
            // SAFETY: its lock is held; the record stays until it is out (below).
            unsafe { port.enqueue(cases[i].send, waiter(i)) };
        }
        park_until(&me, WaitReason::Select, (&claim, when), || {
            unlock_all(cases, locks);
            true
        });
        let ended = claim.ended();
        let winner = locks.iter().copied().find(|&i| ended == Some(Ended::By(waiter(i).key())));
        debug_assert_eq!(winner.is_none(), ended == Some(Ended::Expired));
        for (i, port) in live().filter(|(i, _)| winner != Some(*i)) {
            port.lock().lock();
            // SAFETY: the lock is held, and it was queued above.
            unsafe { port.dequeue(cases[i].send, waiter(i)) };
            port.lock().unlock();
        }
        winner.map(|i| (i, waiter(i).served.get()))
    };
    let (i, served) = winner?;
    *cases[i].outcome = if served { Outcome::Served } else { Outcome::Closed };
    Some(i)
}
