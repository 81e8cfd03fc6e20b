//! Debug builds, shared thread-locals: warns when a goroutine parks while its live stack holds an address
//! within its thread's block of thread-locals. On another thread such an address is the wrong one; the
//! usual finds are a `LocalKey::with` borrow, a C pointer like `&errno`, or a guard bound to its thread.
//!
//! A word of the stack is only a number, and may be a leftover that nobody reads again: what is printed is
//! a warning, once for each place, and nothing is stopped. `GORT_DEBUG=tlscheck=0` turns it off.

use crate::base::fatal::Stderr;
use crate::g::GRef;
use crate::sys::lock::Lock;
use std::backtrace::Backtrace;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::OnceLock;

/// Most places that are told of.
const MOST: usize = 50;

/// Places that have been told of, as hashes of their backtraces.
static TOLD: Lock<BTreeSet<u64>> = Lock::new(BTreeSet::new());

fn is_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| {
        let off = |debug: String| debug.split(',').any(|word| word == "tlscheck=0");
        !std::env::var("GORT_DEBUG").is_ok_and(off)
    })
}

/// Looks at the stack of `g`, which runs here and is about to leave its thread.
#[inline(never)]
pub(super) fn look(g: GRef) {
    if crate::tls::in_force().is_some() || super::pinned::in_force() || !is_on() {
        return;
    }
    let Some(block) = crate::tls::statics() else { return };
    let here = 0_usize;
    let from = (&raw const here).expose_provenance();
    let own = super::current::place();
    for at in (from..g.slot.top).step_by(size_of::<usize>()) {
        let word = std::ptr::with_exposed_provenance::<usize>(at);
        // SAFETY: the live part of the stack this runs on; a word that is being written is a number, too.
        let word = unsafe { word.read_volatile() };
        if block.contains(&word) && word != own {
            return tell(g, at, word - block.start);
        }
    }
}

#[cold]
fn tell(g: GRef, at: usize, offset: usize) {
    let trace = Backtrace::force_capture().to_string();
    let mut place = DefaultHasher::new();
    trace.hash(&mut place);
    {
        let mut told = TOLD.lock();
        if told.len() >= MOST || !told.insert(place.finish()) {
            return;
        }
    }
    let _ = write!(
        Stderr,
        "gort: warning: goroutine {} may leave its thread here, and its stack (at {at:#x}) holds an \
         address in the thread's thread-locals (byte {offset} of them); on another thread it is the \
         wrong one. GORT_DEBUG=tlscheck=0 silences this.\n{trace}\n",
        g.id.get(),
    );
}
