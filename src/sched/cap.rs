//! How large stacks may become: the cap in force, which may change while the program runs, the rung
//! that a new goroutine's stack stands on, and the spawn sites that need a larger one.
//!
//! A stack's own size is fixed when its slot is made, so a cap that is set later concerns goroutines
//! started from then on; further segments obey it at once. While it is another one than at the start,
//! rungs above it are passed over, and the first goroutines alive get stacks of just its size, from
//! the lists of `Builder::stack_size`.

use super::boot;
use super::spawn;
use super::{SCHED, p::P};
use crate::base::atomic::Ordering;
use crate::g::{AT_CAP, GRef, OFF_LADDER};
use crate::stack::{self, Exhausted, MAX_RUNGS, MIN_STACK, Promoted, class_bytes, class_for};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize};

/// The cap as it was set last; 0: as configured.
static CAP: AtomicUsize = AtomicUsize::new(0);
/// What the cap changes for spawners, see [`Plan`]; 0: nothing.
static PLAN: AtomicU32 = AtomicU32::new(0);
/// Slots made for stacks of the cap's size.
static MADE: AtomicUsize = AtomicUsize::new(0);
/// See `stack/promote.rs`.
static PROMOTED: Promoted = Promoted::new();

/// A cap that is not the configured one, for spawners: packed, so that they read it whole.
#[derive(Clone, Copy)]
struct Plan {
    /// Size class of the cap.
    class: u8,
    /// The first rung that is not above it.
    first: u8,
}

const SET: u32 = 1 << 16;

impl Plan {
    fn pack(self) -> u32 {
        SET | u32::from(self.class) << 8 | u32::from(self.first)
    }

    fn unpack(word: u32) -> Option<Self> {
        let [first, class, ..] = word.to_le_bytes();
        (word != 0).then_some(Self { class, first })
    }
}

/// The cap of a goroutine's stack in bytes, as it was set.
pub(crate) fn max_stack() -> usize {
    match CAP.load(Ordering::Relaxed) {
        0 => boot::settings().max_stack,
        set => set,
    }
}

/// Sets the cap for goroutines started from now on, and for further segments; returns the old one.
pub(crate) fn set_max_stack(bytes: usize) -> usize {
    let old = max_stack();
    let bytes = bytes.clamp(MIN_STACK, class_bytes(stack::CLASSES as u8 - 1));
    CAP.store(bytes, Ordering::Relaxed);
    let settings = boot::settings();
    let class = class_for(bytes).expect("clamped above");
    let rungs = settings.ladder.rungs();
    let first = rungs.iter().take_while(|r| r.class > class).count() as u8;
    // A top rung that was as large as the cap goes with it; one chosen smaller stays.
    let was = class_for(settings.max_stack).unwrap_or(u8::MAX);
    let moves = first > 0 || class > rungs[0].class && rungs[0].class >= was;
    PLAN.store(if moves { Plan { class, first }.pack() } else { 0 }, Ordering::Relaxed);
    old
}

/// The cap of `g`'s stack in bytes: the value set, rounded up to a power of two.
pub(crate) fn of(g: GRef) -> usize {
    match g.rung.get() {
        OFF_LADDER => class_bytes(g.slot.class),
        _ => rounded(max_stack()),
    }
}

/// A cap, rounded up to a power of two.
pub(super) fn rounded(bytes: usize) -> usize {
    class_for(bytes).map_or(bytes, class_bytes)
}

/// While the cap is not the configured one: a dead goroutine of just its size, or else the first rung
/// to look at.
///
/// # Errors
/// [`Exhausted`] when the system refuses one and no rung is small enough.
#[inline]
pub(super) fn plan() -> Result<usize, Result<GRef, Exhausted>> {
    match Plan::unpack(PLAN.load(Ordering::Relaxed)) {
        None => Ok(0),
        Some(plan) => follow(plan),
    }
}

#[cold]
fn follow(plan: Plan) -> Result<usize, Result<GRef, Exhausted>> {
    let rungs = boot::ladder().rungs();
    let none_fits = plan.first as usize == rungs.len();
    if let Some(g) = SCHED.off_ladder[plan.class as usize].pop() {
        // SAFETY: free lists hold only GRefs.
        let g = unsafe { GRef::from_ptr(g) };
        g.rung.set(AT_CAP);
        return Err(Ok(g));
    }
    if !none_fits && MADE.load(Ordering::Relaxed) >= rungs[0].share {
        return Ok(plan.first as usize);
    }
    match spawn::create_off_ladder(plan.class, AT_CAP) {
        Ok(g) => {
            MADE.fetch_add(1, Ordering::Relaxed);
            Err(Ok(g))
        }
        Err(e) if none_fits => Err(Err(e)),
        Err(_) => Ok(plan.first as usize),
    }
}

/// From now on goroutines that are started where `g` was get the largest rung. False if they did so
/// already. Callable in a signal handler.
pub(crate) fn promote(g: GRef) -> bool {
    (1..MAX_RUNGS).contains(&(g.rung.get() as usize)) && PROMOTED.add(g.start_site())
}

/// For a goroutine started at `site`, when only a rung below the largest has room: one of the largest
/// rung, beyond its share, if the site was promoted and the system has one.
#[inline]
pub(super) fn beyond_share(p: Option<&P>, site: usize) -> Option<GRef> {
    if !PROMOTED.has(site) || PLAN.load(Ordering::Relaxed) != 0 {
        return None;
    }
    spawn::create(p, 0, boot::ladder().rungs()[0], 0).ok()
}

/// Whether goroutines started at `site`, or all of them, do not simply take what the ladder has.
#[inline]
pub(super) fn is_special(site: usize) -> bool {
    PLAN.load(Ordering::Relaxed) != 0 || PROMOTED.has(site)
}

/// What to tell a person whose goroutine has used up its stack: nothing if it had the largest there
/// is, else what it stood on and how to get more.
#[derive(Debug)]
pub(crate) struct Advice {
    g: GRef,
    /// What it follows: the message of a panic, or a line of the report with which the process ends.
    after: After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Message,
    Line,
}

impl Advice {
    /// For the message of a panic.
    pub(crate) fn of(g: GRef) -> Self {
        Self { g, after: After::Message }
    }

    /// For the report with which the process ends.
    pub(crate) fn at_the_end(g: GRef) -> Self {
        Self { g, after: After::Line }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.g.slot.class;
        let (size, rung) = (Bytes(class_bytes(class)), self.g.rung.get() as usize);
        let lead = match self.after {
            After::Message => "; ",
            After::Line => "\ngort: ",
        };
        let below_cap = class_bytes(class) < rounded(max_stack());
        if rung == OFF_LADDER as usize && below_cap {
            return write!(f, "{lead}Builder::stack_size gave this goroutine {size}");
        }
        if (1..MAX_RUNGS).contains(&rung) {
            write!(
                f,
                "{lead}this goroutine stands on rung {rung} of the stack ladder ({size}): set \
                 Config::stack_ladder or Builder::stack_size"
            )?;
            if self.after == After::Message {
                let largest = Bytes(class_bytes(boot::ladder().rungs()[0].class));
                write!(f, "; those started at the same place get {largest} from now on")?;
            }
            return Ok(());
        }
        if rung == 0 && below_cap {
            return write!(
                f,
                "{lead}every rung of the stack ladder is at most {size}: set Config::stack_ladder \
                 or Builder::stack_size"
            );
        }
        Ok(())
    }
}

/// A size, a power of two, as people write it.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1 << 30 => write!(f, "{} GiB", n >> 30),
            n if n >= 1 << 20 => write!(f, "{} MiB", n >> 20),
            n => write!(f, "{} KiB", n >> 10),
        }
    }
}
