//! The end of a goroutine that has used up its stack: Go's fatal report instead of a bare SIGSEGV.

use crate::base::fatal::Stderr;
use crate::sched::current::current;
use crate::sys::signal;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

/// Frames printed from the innermost, as Go does; the rest is elided.
const FRAMES: usize = 50;
/// A report that hangs (the crashed code may hold a lock it needs) is cut off after so long.
const PATIENCE_S: u32 = 10;

/// Starts to watch for overflows, once.
pub(crate) fn watch() {
    signal::take_faults(on_fault);
}

/// In the signal handler: returns unless the fault is in the guard of the goroutine that runs here.
fn on_fault(addr: usize, sp: usize) {
    let Some(g) = current().and_then(|m| m.curg()) else { return };
    let slot = g.slot;
    if !(slot.base..slot.limit).contains(&addr) {
        return;
    }
    /// The first one reports; the unwinder, used so, bears no company.
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if REPORTED.swap(true, Ordering::Relaxed) {
        loop {
            crate::sys::thread::nap(1_000_000);
        }
    }
    signal::exit_within(PATIENCE_S, 2);
    let mut out = Stderr;
    let bytes = slot.top - slot.limit;
    let _ = writeln!(out, "gort: goroutine stack exceeds {bytes}-byte limit");
    let _ = writeln!(out, "sp={sp:#x} stack=[{:#x}, {:#x}]", slot.limit, slot.top);
    let _ = writeln!(out, "fatal error: stack overflow");
    let _ = write!(out, "\ngoroutine {} [running]:\n", g.id.get());
    frames(&mut out, slot.limit..=slot.top);
    signal::exit_now(2);
}

/// Prints the frames of the interrupted goroutine: the unwinder passes through the signal frame. The
/// handler's own frames, which come first, are not on the goroutine's `stack`.
fn frames(out: &mut Stderr, stack: RangeInclusive<usize>) {
    let mut printed = 0;
    // SAFETY: not synchronized with other users of the backtrace crate; the process is ending, and
    // the alarm set above ends it if this does not.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            if !stack.contains(&frame.sp().addr()) {
                return printed == 0;
            }
            backtrace::resolve_frame_unsynchronized(frame, |symbol| {
                let name = symbol.name().map(|n| n.to_string()).unwrap_or_default();
                let _ = writeln!(out, "{name}(...)");
                if let Some(file) = symbol.filename() {
                    let _ = writeln!(out, "\t{}:{}", file.display(), symbol.lineno().unwrap_or(0));
                }
                printed += 1;
            });
            printed < FRAMES
        });
    }
    if printed >= FRAMES {
        let _ = writeln!(out, "...additional frames elided...");
    }
}
