//! Memory comes back: pages of stacks that nobody uses are returned to the system.
//!
//! A stack keeps the pages it has touched, whatever depth its goroutine once came down to. This chore
//! of the monitor (`chores.rs`) walks over all goroutines. One that is parked or dead and has not run
//! for a whole period loses the pages below its frames; a dead one keeps those that its next life
//! begins on. Segments in no use are emptied too.
//!
//! What tells that a goroutine has not run costs its runs nothing: the walk leaves a mark in the state
//! (`g/status.rs`), which any change of state overwrites.
//!
//! | mark | meaning | next |
//! |---|---|---|
//! | none | has run since the last walk | SEEN |
//! | SEEN | parked or dead since then | held (`base/hold.rs`), emptied, CLEAN |
//! | CLEAN | nothing to give back | |
//!
//! The pace: a walk is made in slices, at most every second, and takes at most a fiftieth of a CPU on
//! the long run; while it finds memory to give back it works half of the time. When nothing has run
//! since a walk that found everybody marked, there is none, and the monitor may sleep.
//!
//! `GORT_DEBUG=scavenge=MS` sets the least time between two walks and takes the other bounds away; 0
//! turns walking off.
//!
//! Where the kernel has no membarrier goroutines cannot be held, and only segments are emptied.

use super::{all_ps, trace};
use crate::base::atomic::Ordering;
use crate::base::width::Wide;
use crate::g::{CLEAN, GRef, SEEN, State};
use crate::stack::{Walk, clean_pool};
use crate::sys::clock::{self, NEVER};
use crate::sys::lock::Lock;
use crate::sys::mem::{self, PAGE};
use crate::sys::thread;

/// Least time between two walks, in ns.
const PERIOD_NS: u64 = 1_000_000_000;
/// A walk is followed by a rest this many times as long, not counting the time in which it found
/// something.
const REST: u64 = 50;
/// Length of a slice, and of the pause after it: without and with finds.
pub(super) const SLICE_NS: u64 = 1_000_000;
const PAUSE_NS: u64 = 5 * SLICE_NS;
const SHORT_PAUSE_NS: u64 = SLICE_NS;
/// Goroutines held by one barrier, and slots looked at between two looks at the clock.
const BATCH: usize = 32;
const STRETCH: usize = 256;
/// Pages are asked about and given back in pieces of this size; between two a goroutine can be taken
/// back.
const PIECE: usize = 512 << 10;
/// What a suspended goroutine uses below the stack pointer it was suspended with: saved registers, red
/// zone.
const BELOW_SP: usize = 512;
/// As much of a dead goroutine's stack stays: the next spawner writes a closure there without asking.
const KEPT: usize = 16 << 10;

/// Bytes returned so far.
static RETURNED: Wide = Wide::new(0);

static SCAVENGER: Lock<Scavenger> = Lock::new(Scavenger {
    walk: None,
    batch: Vec::new(),
    ticks: 0,
    unsettled: false,
    spent: 0,
    next: 0,
    asked: None,
});

/// Bytes of stacks returned to the system since the start.
pub(crate) fn returned() -> u64 {
    RETURNED.load(Ordering::Relaxed)
}

/// The chore: one slice. Returns when it wants to go on even if nothing else happens.
pub(super) fn slice(now: u64) -> u64 {
    SCAVENGER.lock().slice(now)
}

#[derive(Debug)]
struct Scavenger {
    /// Where the walk under way has come to.
    walk: Option<Walk>,
    /// Goroutines to hold next, with the state they were seen in.
    batch: Vec<(GRef, u32)>,
    /// Picks of all Ps when the last walk began.
    ticks: u64,
    /// It met somebody who had run: another one is needed.
    unsettled: bool,
    /// What looking has taken, in ns.
    spent: u64,
    /// The next one begins no sooner.
    next: u64,
    /// What the environment says, in ns.
    asked: Option<Option<u64>>,
}

impl Scavenger {
    fn slice(&mut self, now: u64) -> u64 {
        if self.walk.is_none() && !self.begin(now) {
            return if self.unsettled { self.next } else { NEVER };
        }
        let (mut time, mut over, mut found) = (now, false, false);
        while !over && time - now < SLICE_NS {
            let before = (time, returned());
            over = !self.stretch();
            time = clock::now();
            if returned() > before.1 {
                found = true;
            } else {
                self.spent += time - before.0;
            }
        }
        if !over {
            return time + if found { SHORT_PAUSE_NS } else { PAUSE_NS };
        }
        clean_pool(|slot| {
            give_back(slot.limit, slot.top - PAGE, || false);
        });
        self.walk = None;
        self.next = time + self.asked().unwrap_or(PERIOD_NS.max(self.spent * REST));
        if self.unsettled { self.next } else { NEVER }
    }

    fn asked(&mut self) -> Option<u64> {
        *self.asked.get_or_insert_with(|| trace::asked("scavenge"))
    }

    /// Whether a walk begins now.
    fn begin(&mut self, now: u64) -> bool {
        if self.asked() == Some(0) {
            return false;
        }
        let ticks = all_ps().map(|p| u64::from(p.tick())).sum();
        if now < self.next || !self.unsettled && ticks == self.ticks {
            return false;
        }
        (self.ticks, self.unsettled, self.spent) = (ticks, false, 0);
        self.walk = Some(Walk::default());
        true
    }

    /// Some steps of the walk; false at its end.
    fn stretch(&mut self) -> bool {
        let Some(mut walk) = self.walk.take() else { return false };
        let mut steps = 0;
        for slot in walk.by_ref().take(STRETCH) {
            steps += 1;
            // SAFETY: the slot comes from the stack room.
            if let Some(g) = unsafe { GRef::of_slot(slot) } {
                self.visit(g);
            }
            if self.batch.len() == BATCH {
                break;
            }
        }
        self.walk = Some(walk);
        self.settle();
        steps > 0
    }

    fn visit(&mut self, g: GRef) {
        let word = g.status.word();
        if !matches!(State::of(word), State::Waiting | State::Dead) || word & CLEAN != 0 {
            return;
        }
        if word & SEEN != 0 {
            self.batch.push((g, word));
        } else if thread::have_barrier() {
            self.unsettled |= g.status.mark(word, SEEN);
        }
    }

    /// Empties the stacks of the batch.
    fn settle(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        for (g, _) in &self.batch {
            g.hold.want();
        }
        let fenced = thread::process_barrier();
        for (g, word) in self.batch.drain(..) {
            let unchanged = fenced && g.status.word() == word;
            if !g.hold.take(unchanged) {
                continue;
            }
            let recalled = || g.hold.is_recalled();
            if empty(g, State::of(word), recalled) {
                g.status.mark(word, CLEAN);
            }
            g.hold.release();
        }
    }
}

/// Gives back what the held goroutine's stacks do not need; false if it was called off.
fn empty(g: GRef, state: State, recalled: impl Fn() -> bool + Copy) -> bool {
    g.segments.tidy();
    if state == State::Dead {
        return give_back(g.slot.limit, g.as_ptr().as_ptr().addr() - KEPT, recalled);
    }
    let Some(saved) = g.saved() else { return true };
    let inner = g.stack();
    if !(inner.limit..inner.top).contains(&saved.sp) {
        return true;
    }
    let outer = g.segments.left().map(|(slot, sp)| (slot.unwrap_or(g.slot), sp));
    let mut all = std::iter::once((inner, saved.sp)).chain(outer);
    all.all(|(slot, sp)| give_back(slot.limit, sp - BELOW_SP, recalled))
}

/// Gives the whole pages between `limit` and `end` back, as far down as there are any; false if it was
/// called off.
fn give_back(limit: usize, end: usize, recalled: impl Fn() -> bool) -> bool {
    let top = end & !(PAGE - 1);
    let (mut end, mut found) = (top, false);
    while end > limit {
        let from = limit.max(end.saturating_sub(PIECE));
        let pages = mem::resident(from, end - from);
        if pages == 0 {
            break;
        }
        found = true;
        // SAFETY: unused memory of a stack that is held, or of a segment that nobody has.
        unsafe { mem::give_back(from, end - from) };
        RETURNED.fetch_add((pages * PAGE) as u64, Ordering::Relaxed);
        end = from;
        if recalled() {
            return false;
        }
    }
    if found {
        // Large frames may have left holes; and Linux (6.14) gives page tables back, too, if one call
        // covers all that they map.
        // SAFETY: as above.
        unsafe { mem::give_back(limit, top - limit) };
    }
    true
}
