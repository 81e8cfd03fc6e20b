//! The Ms' threads: who clones them, the limit, those that end.
//!
//! A new thread inherits what the kernel keeps for the one that clones it: namespaces, affinity,
//! credentials, the signal mask. A goroutine may lock itself to its thread exactly to change such
//! things, and a thread of the program's may have changed them, so neither ever clones: they ask the
//! *template thread*, which was started with the runtime and changes nothing. Ms that are not
//! locked, and the monitor, clone for themselves.
//!
//! Every thread begins with all signals blocked. An M then takes the mask that the thread had which
//! started the runtime, so that a program that blocks a signal before `run`, to wait for it in one
//! place, is obeyed, and handlers run on Ms as on any thread. The monitor and the template thread
//! go on as they began: they take no signal but faults.
//!
//! An M that finds no work parks, and is used again before another is made; its thread ends only if
//! a goroutine ends that is locked to it (Go).

use super::current::current;
use super::m::{Bound, M};
use super::{Inner, SCHED, run, sysmon};
use crate::base::fatal::{Stderr, fatal};
use crate::sys;
use crate::sys::lock::Lock;
use crate::sys::note::Note;
use crate::sys::signal::Mask;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// Threads of the runtime that are no Ms: the monitor and the template thread.
pub(super) const SYSTEM: usize = 2;

/// Ms whose threads the template thread is to make.
static ORDERED: Lock<Vec<&'static M>> = Lock::new(Vec::new());
static ORDER: Note = Note::new();

/// The signal mask of Ms.
static MASK: OnceLock<Mask> = OnceLock::new();

/// Starts the template thread, once. By the thread that starts the runtime.
///
/// # Errors
/// When the system refuses the thread.
pub(super) fn start_template() -> std::io::Result<()> {
    if MASK.get().is_some() {
        return Ok(());
    }
    sys::thread::start(c"gort-template", serve)?;
    MASK.get_or_init(Mask::current);
    Ok(())
}

/// The template thread. An order that comes between the sleep and the clear is on the list when that
/// is looked at: who orders pushes before it wakes.
fn serve() {
    loop {
        ORDER.sleep();
        ORDER.clear();
        while let Some(m) = { ORDERED.lock().pop() } {
            clone_for(m);
        }
    }
}

/// Takes an M for a new thread and counts it; then [`begin`] it, without the lock. An error is the
/// limit, which is passed; the caller gives the lock back and dies ([`too_many`]).
pub(super) fn add(inner: &mut Inner) -> Result<&'static M, usize> {
    if inner.ms >= inner.max_ms {
        return Err(inner.max_ms);
    }
    inner.ms += 1;
    Ok(M::create(false))
}

/// Starts the thread of an M that [`add`] gave.
pub(super) fn begin(m: &'static M) {
    let clones = match current() {
        Some(own) => may_clone(own),
        None => sysmon::is_here(),
    };
    if clones {
        return clone_for(m);
    }
    ORDERED.lock().push(m);
    ORDER.wake();
}

/// Whether the state of the calling M's thread is known to be as the runtime made it.
fn may_clone(m: &'static M) -> bool {
    !m.is_runner.get() && m.bound.get() == Bound::Free
}

fn clone_for(m: &'static M) {
    let body = move || {
        if let Some(mask) = MASK.get() {
            mask.set();
        }
        run::m_main(m);
    };
    if let Err(e) = sys::thread::start(c"gort", body) {
        refused(&e);
    }
}

/// The thread of `m`, which holds no P, is about to end.
pub(super) fn remove(m: &'static M) {
    m.end();
    let mut inner = SCHED.inner.lock();
    inner.ms -= 1;
    inner.rest_if_last();
}

/// The limit of threads is passed: Go's text and end. Not under the scheduler's lock, which the end of
/// the process may want.
#[cold]
pub(super) fn too_many(limit: usize) -> ! {
    let _ = writeln!(Stderr, "runtime: program exceeds {limit}-thread limit");
    fatal(format_args!("thread exhaustion"));
}

/// The system refuses a thread: Go's text and end.
#[cold]
fn refused(e: &std::io::Error) -> ! {
    let have = SCHED.inner.lock().ms;
    let errno = e.raw_os_error().unwrap_or(0);
    let _ = writeln!(
        Stderr,
        "runtime: failed to create new OS thread (have {have} already; errno={errno})"
    );
    if e.kind() == std::io::ErrorKind::WouldBlock {
        let _ = writeln!(Stderr, "runtime: may need to increase max user processes (ulimit -u)");
    }
    fatal(format_args!("newosproc"));
}

/// Threads of the runtime, and those of them that wait for work.
pub(crate) fn count() -> (usize, usize) {
    let inner = SCHED.inner.lock();
    let system = if super::boot::is_started() { SYSTEM } else { 0 };
    (inner.ms + system, inner.idle_ms.len())
}
