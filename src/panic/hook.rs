//! The panic hook: silent until it is known that nobody takes the panic.
//!
//! In a goroutine the hook only records, always: whoever catches the panic at the goroutine's entry
//! passes it on or reports it. In a main goroutine and on plain threads a panic belongs to the
//! program around us, so the hook that was there before runs, unless a [`func`](super::func) is on
//! the stack, which may recover. If it does not, [`leaving`] prints what the standard library would
//! have printed.

use super::frames::Frames;
use super::known::Known;
use super::pending::Pending;
use crate::sched::SCHED;
use crate::sched::current::current;
use crate::sched::grow;
use std::any::Any;
use std::fmt::Write as _;
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Puts our hook in front of the present one, once.
#[inline]
pub(super) fn ensure_installed() {
    // Once the runtime runs the hook is there.
    if SCHED.odd() {
        install();
    }
}

#[cold]
#[inline(never)]
pub(super) fn install() {
    static ONCE: Once = Once::new();
    if INSTALLED.load(Ordering::Acquire) {
        return;
    }
    // While a thread panics the hook cannot be changed; it is one panic too late then.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let _hook = super::overflow::Hook::begin();
            if !super::overflow::is_probe(info.payload()) && !record(info) {
                // Perhaps it is the stack's end that panics, and the hook looks up names.
                grow::beyond(super::dump::ROOM, || before(info));
            }
        }));
        INSTALLED.store(true, Ordering::Release);
    });
}

/// Keeps what is known of the panic; false if it is not ours.
fn record(info: &PanicHookInfo<'_>) -> bool {
    let ours = in_goroutine();
    let held_back = ours || cfg!(panic = "unwind") && funcs() > 0;
    // If it does not unwind the end of the process is near, and nobody will report it.
    if !held_back || !unwinds(info) {
        return false;
    }
    let location = info.location().map(|l| l.to_string().into_boxed_str());
    let mut known = Known::new(info.payload(), location, Frames::here());
    if cfg!(panic = "abort") {
        // Nobody will catch it: what the goroutine's entry would do.
        super::report::unrecovered(info.payload(), Box::new(known));
        return true;
    }
    known.pending = if ours { Pending::new() } else { None };
    Box::new(known).leave_on_top();
    true
}

/// Whether the panic will unwind at all: not one that says that another must not go on. The standard
/// library's word on it is not stable; its messages are what there is.
fn unwinds(info: &PanicHookInfo<'_>) -> bool {
    let text = super::value::text(info.payload()).unwrap_or_default();
    !matches!(
        text,
        "panic in a destructor during cleanup" | "panic in a function that cannot unwind"
    )
}

/// Whether the caller is a goroutine, and not a main one.
fn in_goroutine() -> bool {
    current().and_then(|m| m.curg()).is_some_and(|g| !g.is_main.get())
}

/// How many `func`s are among the callers; counts to two.
fn funcs() -> usize {
    let mut found = 0;
    backtrace::trace(|frame| {
        found += usize::from(super::region::is_func(frame.ip().addr()));
        found < 2
    });
    found
}

/// A panic leaves a `func` that did not recover it: if that was the outermost one in a main goroutine
/// or on a plain thread, it is time for the words that the hook has held back.
pub(super) fn leaving(payload: &(dyn Any + Send), known: &mut Known) {
    if in_goroutine() || !known.quiet || funcs() > 1 {
        return;
    }
    known.quiet = false;
    let thread = std::thread::current();
    let main = current().and_then(|m| m.curg()).is_some();
    let name = if main { "main" } else { thread.name().unwrap_or("<unnamed>") };
    let location = known.location.as_deref().unwrap_or("an unknown place");
    let id = crate::sys::thread::id();
    let mut text = format!("\nthread '{name}' ({id}) panicked at {location}:\n");
    let _ = writeln!(text, "{}", super::value::words_anyway(payload));
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
        let _ = known.frames.write(&mut text, &mut super::frames::Names::default(), false);
    }
    // Through the standard library, so that a test's output is captured as that of other panics.
    #[expect(clippy::print_stderr, reason = "the place where the standard library prints it")]
    {
        eprint!("{text}");
    }
}
