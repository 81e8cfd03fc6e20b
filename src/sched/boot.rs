//! Start of the runtime, and `run`: the calling thread becomes an M for its main goroutine.
//!
//! The order is Go's: limits (maximum stack, threads), Ps, sysmon, then main. The main goroutine
//! starts on the calling thread, to which it is locked until main is entered. At its first stop after
//! that, unless it has locked itself there, the thread hands its P to another M and from then on only
//! waits for main's result: it must be able to return the moment main does, whatever other
//! goroutines do, so it never runs anyone else's code.
//!
//! A child of fork has one thread, the one that forked, and a copy of the scheduler that nothing
//! moves any more. It may call exec, or go on without goroutines; a call of ours that would need the
//! others ends it with a message instead of hanging: for a goroutine by its M's lease, which costs the
//! parent nothing, for a plain thread by [`is_started`] and [`refuse_forked`].

use super::current::{self, current};
use super::lease::FORKED_CHILD;
use super::m::{Bound, M};
use super::spawn::{self, Choice, Options, dead, prepare};
use super::{NOT_STARTED, SCHED, idle, locked, own, pinned, ready, run, sysmon, threads, world};
use crate::base::atomic::{AtomicU8, Ordering};
use crate::base::fatal::fatal;
use crate::g::GRef;
use crate::stack::{DEFAULT_MAX_STACK, Exhausted, Ladder};
use crate::sys;
use crate::sys::lock::Lock;
use crate::sys::note::Note;
use crate::tls::{self, ThreadLocals};
use std::sync::OnceLock;

/// What the first `run` fixes for the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Asked-for number of Ps; `None` follows the machine.
    pub(crate) procs: Option<usize>,
    /// Cap of a stack in bytes.
    pub(crate) max_stack: usize,
    /// Reservations.
    pub(crate) ladder: Ladder,
    /// Limit of threads.
    pub(crate) max_threads: usize,
    /// Whose thread-locals goroutines are to use.
    pub(crate) thread_locals: ThreadLocals,
    /// End the process when a goroutine panics (else only the goroutine ends).
    pub(crate) crash_on_panic: bool,
    /// Report a stack overflow and end the process, rather than panic.
    pub(crate) overflow_is_fatal: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            procs: sys::cpu::procs_from_env(),
            max_stack: DEFAULT_MAX_STACK,
            ladder: Ladder::default_for(DEFAULT_MAX_STACK).expect("a usable ladder"),
            max_threads: super::DEFAULT_MAX_THREADS,
            thread_locals: ThreadLocals::Auto,
            crash_on_panic: true,
            overflow_is_fatal: false,
        }
    }
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();
static STARTING: Lock<()> = Lock::new(());

/// NEW, RUNNING, or FORKED in a child of a process whose runtime runs.
static PHASE: AtomicU8 = AtomicU8::new(NEW);
const NEW: u8 = 0;
const RUNNING: u8 = 1;
const FORKED: u8 = 2;

/// The settings in force; the runtime must have been started.
#[inline]
pub(crate) fn settings() -> &'static Settings {
    SETTINGS.get().expect("the runtime was started")
}

#[inline]
pub(crate) fn is_started() -> bool {
    // Acquire: pairs with the store in `start`; the settings are there.
    PHASE.load(Ordering::Acquire) == RUNNING
}

#[inline]
pub(super) fn ladder() -> &'static Ladder {
    &settings().ladder
}

/// Why the runtime could not be started.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It already runs with these settings.
    Running(Settings),
    /// Goroutines cannot have the thread-locals that were asked for.
    Locals(&'static str),
    /// Contexts cannot be switched in this process.
    Switch(&'static str),
    /// The system refused the monitor thread.
    Thread(std::io::Error),
    /// This is a forked child.
    Forked,
}

/// Starts the runtime, or checks that it runs with `wanted` (`None`: starts with the
/// defaults, accepts anything). True if this
/// call started it.
pub(crate) fn start(wanted: Option<Settings>) -> Result<bool, Refused> {
    let same = |have: &Settings| match wanted.clone() {
        Some(w) if w != *have => Err(Refused::Running(have.clone())),
        _ => Ok(false),
    };
    match SETTINGS.get() {
        _ if PHASE.load(Ordering::Relaxed) == FORKED => return Err(Refused::Forked),
        Some(have) => return same(have),
        None => {}
    }
    let _one = STARTING.lock();
    if let Some(have) = SETTINGS.get() {
        return same(have);
    }
    if let Some(why) = crate::switch::obstacle() {
        return Err(Refused::Switch(why));
    }
    let settings = wanted.clone().unwrap_or_default();
    sys::thread::register_barrier();
    sys::cpu::num_cpu(); // the count at start is the one that stays
    let procs = settings.procs.unwrap_or_else(sys::cpu::default_procs).min(world::MAX_PROCS);
    SCHED.steady.custom_procs.store(settings.procs.is_some(), Ordering::Relaxed);
    threads::start_template().map_err(Refused::Thread)?;
    choose(settings.thread_locals).map_err(Refused::Locals)?;
    sysmon::start().map_err(Refused::Thread)?;
    super::ensure_p(procs - 1);
    let mut inner = SCHED.inner.lock();
    inner.max_ms = settings.max_threads;
    SCHED.set_procs(procs);
    for id in (0..procs).rev() {
        idle::put_p(&mut inner, super::p_at(id));
    }
    drop(inner);
    SETTINGS.get_or_init(|| settings);
    sys::thread::at_fork(in_forked_child);
    PHASE.store(RUNNING, Ordering::Release);
    // Release: pairs with the Acquire in `Sched::odd`.
    SCHED.steady.odd.fetch_sub(NOT_STARTED, Ordering::Release);
    sysmon::begin();
    Ok(true)
}

/// Puts a mode in force.
fn choose(wanted: ThreadLocals) -> Result<(), &'static str> {
    match wanted {
        ThreadLocals::PerGoroutine => {
            let scheme = tls::start()?;
            crate::stack::reserve(scheme.room());
            scheme.current_is_at(current::place());
            tls::put_in_force(scheme);
        }
        ThreadLocals::Pinned => pinned::put_in_force(),
        // The variable is for tests: each of its values is as sound as the other.
        ThreadLocals::Auto
            if std::env::var_os("GORT_THREAD_LOCALS").is_some_and(|v| v == "pinned") =>
        {
            pinned::put_in_force();
        }
        ThreadLocals::Auto => {
            return choose(ThreadLocals::PerGoroutine).or_else(|_| choose(ThreadLocals::Pinned));
        }
        ThreadLocals::Shared => {}
    }
    Ok(())
}

/// Runs `f` as a main goroutine; returns when it has ended. `f` must catch its panics. When it
/// ends by goexit, `finished` stays false and this never returns (Go: the others go on).
///
/// # Errors
/// [`Exhausted`] when there is no stack for it.
pub(crate) fn run_main(f: impl FnOnce() -> bool + Send) -> Result<(), Exhausted> {
    let done = Note::new();
    let note: &Note = &done;
    let body = move || {
        let (m, g) = current().and_then(|m| Some((m, m.curg()?))).expect("a goroutine runs here");
        locked::unbind(g, m, Bound::Free);
        if f() {
            g.done.set(note);
        }
    };
    let choice = Choice { is_main: true, ..Choice::default() };
    let options = Options { choice: Some(Box::new(choice)), site: None };
    let _alt_stack = sys::signal::AltStack::enter();
    let m = M::create(true);
    m.begin();
    let p = {
        let mut inner = SCHED.inner.lock();
        inner.runners += 1;
        inner.runners_busy += 1;
        idle::take_p(&mut inner)
    };
    if let Some(p) = p {
        m.acquire(p);
    }
    let g = match dead(p, &options, 0) {
        Ok(g) => g,
        Err(e) => {
            step_down(m);
            SCHED.inner.lock().runners -= 1;
            return Err(e); // drops `body`, on what is a plain thread again
        }
    };
    // SAFETY: `dead` gave us the goroutine, and we return only after it has run `body` to its end.
    unsafe { prepare(g, Some(m), p, options, body) };
    g.hold.pass();
    run_to_its_end(m, g, &done);
    spawn::retire_main(g);
    Ok(())
}

/// Runs the main goroutine `g`, beginning on the calling thread, the M `m`; the thread is a plain one
/// again when `g` has ended.
fn run_to_its_end(m: &'static M, g: GRef, done: &Note) {
    if pinned::in_force() {
        pinned::run_main(m, g);
        step_down(m);
        return done.sleep();
    }
    let exchange = own::Exchange::make(m, g);
    // It begins on this thread, whoever picks it.
    locked::bind(g, m);
    match m.p() {
        Some(_) => run::run_apart(m, g),
        None => ready::submit_global(g),
    }
    // While main is locked it stays here; afterwards it is like any other. If it ends locked the
    // thread is not ended, which is not ours: it waits for main's result (Go's m0 parks).
    run::run_bound(m);
    step_down(m);
    done.sleep();
    if let Some(exchange) = exchange {
        exchange.undo();
    }
}

/// Whether no other main goroutine than the caller's is under way.
pub(crate) fn is_last_main() -> bool {
    SCHED.inner.lock().runners <= 1
}

/// The calling thread stops being an M.
fn step_down(m: &'static M) {
    if let Some(p) = m.release() {
        idle::hand_off(p);
    }
    m.end();
    let mut inner = SCHED.inner.lock();
    inner.runners_busy -= 1;
    inner.rest_if_last();
}

/// In the child of a fork, on the thread that forked: there is no scheduler here.
extern "C" fn in_forked_child() {
    PHASE.store(FORKED, Ordering::Relaxed);
    SCHED.steady.odd.fetch_or(NOT_STARTED, Ordering::Relaxed);
    if let Some(m) = current() {
        m.fork();
    }
}

/// Ends a forked child that would wait for goroutines. Where it would otherwise hang; a goroutine's
/// own calls are stopped by its M's lease.
pub(super) fn refuse_forked() {
    if PHASE.load(Ordering::Relaxed) == FORKED {
        fatal(format_args!("{FORKED_CHILD}"));
    }
}
