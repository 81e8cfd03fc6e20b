//! Birth and death of goroutines.
//!
//! A dead goroutine goes to a free list of its rung (per P, spilling to a global one); a new one is
//! taken from the lowest rung that has a dead one or may still create a slot (`stack/ladder.rs`).
//! Fresh slots are made in growing batches, since touching one costs microseconds.

use super::birth::{Birth, Place, Unborn};
use super::current::current;
use super::m::M;
use super::p::{self, P};
use super::ready::{submit_global, submit_local, submit_runnable};
use super::runnable::Runnable;
use super::{SCHED, boot, cap, idle, park};
use crate::base::atomic::Ordering;
use crate::g::{G, GRef, OFF_LADDER, Site, State};
use crate::stack::{self, Exhausted, Kind, MAX_RUNGS, Rung};
use std::ptr::NonNull;

/// How far ahead in the free list goroutines are prefetched: a spawn is shorter than a miss.
const AHEAD: usize = 8;
/// Most slots made at once.
const BATCH: usize = 16;

/// What is known of a goroutine when it starts. Small: every spawn passes it on.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Where in the program it is started.
    pub(crate) site: Option<Site>,
    /// What its spawner has chosen.
    pub(crate) choice: Option<Box<Choice>>,
}

/// What a spawner can choose.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// A stack of its own size class instead of the ladder's.
    pub(crate) class: Option<u8>,
    /// For people.
    pub(crate) name: Option<Box<str>>,
    /// The goroutine that `run` waits for.
    pub(crate) is_main: bool,
}

impl Options {
    /// The usual choice, with the caller's place in the program.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self { site: Some(Site::here()), choice: None }
    }

    /// Whether the goroutine is like any other, so that any free stack will do.
    #[inline]
    fn is_plain(&self) -> bool {
        self.choice.is_none()
    }
}

/// Starts a goroutine that runs `f`, which must catch its panics and fit
/// (`g::MAX_INLINE_CLOSURE`). Returns its id.
///
/// # Errors
/// [`Exhausted`] when no stack can be had; nothing has happened then, and `f` is dropped, outside
/// the runtime, which what it holds may call.
///
/// # Safety
/// What `f` borrows outlives the goroutine.
#[inline]
pub(crate) unsafe fn spawn<F: FnOnce()>(options: Options, f: F) -> Result<u64, Exhausted> {
    let m = current();
    let p = m.and_then(|m| m.enter().or_else(|| idle::regain(m)));
    let site = GRef::site::<F>();
    let crowd = |p: &&P| options.is_plain() && Birth::fits::<F>() && p.is_crowded();
    let place = match p.filter(|p| crowd(p) && !cap::is_special(site)) {
        Some(p) => Birth::place(p),
        None => dead(p, &options, site).map(Place::Stack),
    };
    let place = match place {
        Ok(place) => place,
        Err(e) => {
            m.inspect(|m| m.leave());
            if m.is_none() || p.is_some() {
                return Err(e);
            }
            // This M has lost its P, whose free lists may have what the system refuses: queue for one.
            park::yield_now();
            // SAFETY: passed on.
            return unsafe { spawn(options, f) };
        }
    };
    let id = match place {
        Place::Record(p, birth) => {
            let id = p::next_id(Some(p));
            // SAFETY: `place` gave us the record; the rest is the caller's promise.
            unsafe { birth.as_ref().fill(Unborn { id, parent: parent(m), site: options.site }, f) };
            p::count(Some(p), true);
            submit_runnable(p, Runnable::unborn(birth));
            id
        }
        Place::Stack(g) => {
            // SAFETY: `dead` or `place` gave us the goroutine; the rest is the caller's promise.
            unsafe { prepare(g, m, p, options, f) };
            match p {
                Some(p) => submit_local(p, g),
                None => submit_global(g),
            }
            g.id.get()
        }
    };
    if let Some(m) = m {
        m.leave();
    }
    Ok(id)
}

/// A dead goroutine for the caller to prepare, for a closure with that `site`.
///
/// # Errors
/// [`Exhausted`] when no stack can be had.
#[inline]
pub(super) fn dead(p: Option<&P>, options: &Options, site: usize) -> Result<GRef, Exhausted> {
    match &options.choice {
        Some(choice) if let Some(class) = choice.class => take_off_ladder(class),
        _ => take(p, site),
    }
}

/// Makes the dead goroutine `g` one that runs `f`, and counts it; to be queued, or to be run.
///
/// # Safety
/// As for [`spawn`], and `g` came from [`dead`].
#[inline]
pub(super) unsafe fn prepare<F: FnOnce()>(
    g: GRef,
    m: Option<&'static M>,
    p: Option<&'static P>,
    options: Options,
    f: F,
) {
    g.id.set(p::next_id(p));
    g.parent.set(parent(m));
    g.created.set(options.site);
    g.is_main.set(false);
    if let Some(choice) = options.choice {
        g.is_main.set(choice.is_main);
        g.name.set(choice.name);
    }
    // SAFETY: the caller holds the goroutine; the rest is its promise.
    unsafe { g.prepare(f) };
    g.status.set(State::Dead, State::Runnable);
    p::count(p, true);
}

/// Who spawns on `m`, by number.
#[inline]
fn parent(m: Option<&'static M>) -> u64 {
    m.and_then(M::curg).map_or(0, |g| g.id.get())
}

/// A dead goroutine of the lowest rung that has one.
#[inline]
fn take(p: Option<&P>, site: usize) -> Result<GRef, Exhausted> {
    let ladder = boot::ladder();
    let first = match cap::plan() {
        Ok(first) => first,
        Err(instead) => return instead,
    };
    let mut refused = None;
    for (rung, of) in ladder.rungs().iter().enumerate().skip(first) {
        if rung > 0
            && let Some(g) = cap::beyond_share(p, site)
        {
            return Ok(g);
        }
        let free = match p {
            Some(p) => p.free[rung].pop(&SCHED.free[rung]),
            None => SCHED.free[rung].pop(),
        };
        if let Some(g) = free {
            if let Some(later) = p.and_then(|p| p.free[rung].peek(AHEAD)) {
                // SAFETY: free lists hold only GRefs.
                unsafe { GRef::from_ptr(later) }.prefetch();
            }
            // SAFETY: as above.
            return Ok(unsafe { GRef::from_ptr(g) });
        }
        let made = SCHED.made[rung].load(Ordering::Relaxed);
        if made >= of.share {
            continue;
        }
        match create(p, rung, *of, made) {
            Ok(g) => return Ok(g),
            Err(e) => {
                // The next rung needs less; this one is not tried again before that one ends.
                refused.get_or_insert(e);
            }
        }
    }
    Err(refused.unwrap_or_else(Exhausted::every_rung))
}

/// Makes new goroutines of a rung, of which there are `made`: one to return, the rest of the batch for
/// the free list.
///
/// # Errors
/// [`Exhausted`] when not even one can be had.
#[cold]
pub(super) fn create(p: Option<&P>, rung: usize, of: Rung, made: usize) -> Result<GRef, Exhausted> {
    // SAFETY: the slot is fresh and ours.
    let first = unsafe { GRef::create(stack::fresh(of.kind, of.class)?, rung as u8) };
    let batch = if p.is_some() { (made / 4).clamp(1, BATCH) } else { 1 };
    let mut count = 1;
    while count < batch {
        let Ok(slot) = stack::fresh(of.kind, of.class) else { break };
        // SAFETY: as above.
        let g = unsafe { GRef::create(slot, rung as u8) };
        free(p, rung, g.as_ptr());
        count += 1;
    }
    SCHED.made[rung].fetch_add(count, Ordering::Relaxed);
    Ok(first)
}

fn free(p: Option<&P>, rung: usize, g: NonNull<G>) {
    match p {
        // SAFETY: control blocks live for ever, and the caller gives this one up.
        Some(p) => unsafe { p.free[rung].push(g, &SCHED.free[rung]) },
        // SAFETY: as above.
        None => unsafe { SCHED.free[rung].push(g) },
    }
}

/// A dead goroutine with a stack of its own class.
#[cold]
fn take_off_ladder(class: u8) -> Result<GRef, Exhausted> {
    if let Some(g) = SCHED.off_ladder[class as usize].pop() {
        // SAFETY: free lists hold only GRefs.
        let g = unsafe { GRef::from_ptr(g) };
        g.rung.set(OFF_LADDER);
        return Ok(g);
    }
    create_off_ladder(class, OFF_LADDER)
}

/// Makes a goroutine with a stack of its own class. `rung` says what for.
///
/// # Errors
/// [`Exhausted`] when it cannot be had.
pub(super) fn create_off_ladder(class: u8, rung: u8) -> Result<GRef, Exhausted> {
    let slot = stack::fresh(Kind::Roomy, class)?;
    // SAFETY: the slot is fresh and ours.
    Ok(unsafe { GRef::create(slot, rung) })
}

/// Every goroutine there is at some moment during the call.
pub(crate) fn all_goroutines() -> Vec<GRef> {
    let mut all = Vec::new();
    stack::each_slot(|slot| {
        // SAFETY: the slot comes from the stack room.
        if let Some(g) = unsafe { GRef::of_slot(slot) }
            && g.status.get() != State::Dead
        {
            all.push(g);
        }
    });
    all
}

/// Puts a dead goroutine away. On the scheduler's stack.
#[inline]
pub(super) fn retire(m: &'static M, g: GRef) {
    let p = m.p();
    p::count(p, false);
    drop(g.name.take());
    let rung = g.rung.get();
    if (rung as usize) < MAX_RUNGS && !g.is_main.get() {
        free(p, rung as usize, g.as_ptr());
    } else {
        retire_odd(g);
    }
}

/// Puts a dead goroutine away that is not like the others.
#[cold]
fn retire_odd(g: GRef) {
    if !g.is_main.get() {
        return put_away(g);
    }
    // A main goroutine is put away by who waits for it, and may be using its thread-locals. If it has
    // ended by goexit, nobody ever will.
    let done = g.done.replace(std::ptr::null());
    if !done.is_null() {
        // From here on the thread counts as one of the program's own: while it wakes up nothing of
        // ours may run, and that is no deadlock.
        SCHED.inner.lock().runners -= 1;
        // SAFETY: whoever waits keeps the note until it is woken.
        unsafe { &*done }.wake();
    }
}

/// The thread in `run` puts its main goroutine away.
pub(super) fn retire_main(g: GRef) {
    g.is_main.set(false);
    put_away(g);
}

/// Puts a dead goroutine onto the global list for its kind of stack.
fn put_away(g: GRef) {
    let rung = g.rung.get() as usize;
    if rung < MAX_RUNGS {
        return free(None, rung, g.as_ptr());
    }
    // SAFETY: control blocks live for ever, and this one is dead and the caller's.
    unsafe { SCHED.off_ladder[g.slot.class as usize].push(g.as_ptr()) };
}
