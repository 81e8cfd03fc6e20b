//! Stacks for goroutines that have not started (`birth.rs`): reserved when they are spawned, so that
//! a refusal reaches the spawner, and touched only if they turn out to be needed.
//!
//! A reservation is a dead goroutine, or a *promise* of the stack room: an address range that is
//! mapped, its guard not installed and its control block not written. A crowd that runs to its end
//! one after the other keeps none of its promises, and so a first burst of a hundred thousand costs
//! no more than a later one, instead of several microseconds each for page tables and page faults.
//!
//! Where guards count against `vm.max_map_count` (`mprotect`) a promise could be broken for want of
//! mappings, so none is made. With `MADV_GUARD_INSTALL` only the memory for page tables can be
//! missing later, and then the process ends with a message, as when a stack cannot grow.
//!
//! Invariant: a rung's `made` counts slots made and slots promised; promises not in a record are
//! counted in a P.

use super::p::P;
use super::spawn::create;
use super::{SCHED, boot};
use crate::base::atomic::Ordering;
use crate::base::fatal::fatal;
use crate::g::GRef;
use crate::stack::{self, Exhausted, GuardKind, MAX_RUNGS};
use std::cell::Cell;

/// Promises asked for or given back at a time.
const BATCH: usize = 64;

/// Promises a P has at hand, by rung. *own*, like all of a P's.
pub(super) type Promises = [Cell<usize>; MAX_RUNGS];

/// What a record holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserved {
    /// A goroutine to give back untouched; `None` for a slot that need not be made.
    dead: Option<GRef>,
    rung: u8,
}

impl Reserved {
    /// What an empty record holds.
    pub(super) const NONE: Self = Self { dead: None, rung: 0 };
}

/// Reserves a goroutine of the lowest rung that has one.
///
/// # Errors
/// [`Exhausted`] when no stack can be had.
pub(super) fn reserve(p: &P) -> Result<Reserved, Exhausted> {
    let mut refused = None;
    for (rung, of) in boot::ladder().rungs().iter().enumerate() {
        let here = &p.promises[rung];
        if here.get() > 0 {
            here.set(here.get() - 1);
            return Ok(Reserved { dead: None, rung: rung as u8 });
        }
        if let Some(g) = p.free[rung].pop(&SCHED.free[rung]) {
            // SAFETY: free lists hold only GRefs.
            return Ok(Reserved { dead: Some(unsafe { GRef::from_ptr(g) }), rung: rung as u8 });
        }
        let made = SCHED.made[rung].load(Ordering::Relaxed);
        if made >= of.share {
            continue;
        }
        let dead = match stack::guard_kind() {
            GuardKind::Mprotect => create(Some(p), rung, *of, made).map(Some),
            GuardKind::Madvise => stack::promise(of.kind, of.class, BATCH.min(of.share - made))
                .map(|n| {
                    SCHED.made[rung].fetch_add(n, Ordering::Relaxed);
                    here.set(n - 1);
                    None
                }),
        };
        match dead {
            Ok(dead) => return Ok(Reserved { dead, rung: rung as u8 }),
            Err(e) => drop(refused.get_or_insert(e)),
        }
    }
    Err(refused.unwrap_or_else(Exhausted::every_rung))
}

/// A dead goroutine for the holder of `reserved`: the one that became free last on `p`, which is
/// warm, or else the one that was reserved.
pub(super) fn settle(p: &P, reserved: Reserved) -> GRef {
    let rung = reserved.rung as usize;
    match (p.free[rung].pop_here(), reserved.dead) {
        (Some(warm), Some(g)) => {
            // Below the one just taken, which will be on top again when it ends.
            // SAFETY: the reservation owned the dead goroutine, and gives it up.
            unsafe { p.free[rung].push(g.as_ptr(), &SCHED.free[rung]) };
            // SAFETY: free lists hold only GRefs.
            unsafe { GRef::from_ptr(warm) }
        }
        (Some(warm), None) => {
            p.promises[rung].set(p.promises[rung].get() + 1);
            if p.promises[rung].get() >= 2 * BATCH {
                give_back(p, rung, BATCH);
            }
            // SAFETY: as above.
            unsafe { GRef::from_ptr(warm) }
        }
        (None, Some(g)) => g,
        (None, None) => keep(rung),
    }
}

/// Makes the promised goroutine.
#[cold]
fn keep(rung: usize) -> GRef {
    let of = boot::ladder().rungs()[rung];
    match stack::fresh_promised(of.kind, of.class) {
        // SAFETY: the slot is fresh and ours.
        Ok(slot) => unsafe { GRef::create(slot, rung as u8) },
        Err(e) => fatal(format_args!("out of memory for a goroutine's stack: {}", e.describe())),
    }
}

#[cold]
fn give_back(p: &P, rung: usize, n: usize) {
    p.promises[rung].set(p.promises[rung].get() - n);
    let of = boot::ladder().rungs()[rung];
    stack::unpromise(of.kind, of.class, n);
    SCHED.made[rung].fetch_sub(n, Ordering::Relaxed);
}

/// The P goes away: its promises go back.
pub(super) fn flush(p: &P) {
    for rung in 0..boot::ladder().rungs().len() {
        give_back(p, rung, p.promises[rung].get());
    }
}
