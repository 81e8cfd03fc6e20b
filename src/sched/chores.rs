//! What the monitor does from time to time besides watching the Ps. One row for each chore.
//!
//! A chore runs on the monitor's thread, without a P and without the scheduler's lock. It may make
//! goroutines ready (`ready::submit_global`, `idle::wake_one`), and must not block: whoever waits for
//! a P waits for the monitor.

use super::{SCHED, netpoll, scavenge, world};
use crate::base::atomic::Ordering;
use crate::sys;
use crate::sys::clock::NEVER;

/// How many ns there are at least between two runs, and what runs. It is told the time and
/// says when it wants to run next even if nothing happens in the process until then ([`NEVER`]: it
/// need not), which shortens the monitor's deep sleep.
type Row = (u64, fn(u64) -> u64);

const ROWS: [Row; 3] = [
    (1_000_000_000, follow_limits),
    (netpoll::LONG_NS, netpoll::watch),
    (scavenge::SLICE_NS, scavenge::slice),
];

/// The rows, and when each is due.
pub(super) struct Chores {
    due: [u64; ROWS.len()],
    /// The run that each wants even while the process is idle.
    wakes: [u64; ROWS.len()],
}

impl Chores {
    /// Each is due one period from now.
    pub(super) fn new(now: u64) -> Self {
        Self { due: ROWS.map(|(every, _)| now + every), wakes: [NEVER; ROWS.len()] }
    }

    /// Does what is due.
    pub(super) fn look(&mut self, now: u64) {
        if self.due.iter().all(|due| now < *due) {
            return;
        }
        let places = self.due.iter_mut().zip(&mut self.wakes);
        for ((every, run), (due, wake)) in ROWS.into_iter().zip(places) {
            if now >= *due {
                *wake = run(now);
                *due = (now + every).min((*wake).max(now));
            }
        }
    }

    /// Until when the monitor may sleep if nothing else wakes it.
    pub(super) fn wake(&self) -> u64 {
        self.wakes.into_iter().min().unwrap_or(NEVER)
    }
}

/// Adapts GOMAXPROCS to the affinity mask and the cgroup's quota.
fn follow_limits(_now: u64) -> u64 {
    if !SCHED.steady.custom_procs.load(Ordering::Relaxed) {
        let n = sys::cpu::default_procs();
        if n != SCHED.procs() {
            world::follow_procs(n);
        }
    }
    NEVER
}
