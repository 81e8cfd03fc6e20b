//! Go's fatal report of a stack overflow, written in the signal handler.

use crate::base::fatal::Stderr;
use crate::g::GRef;
use crate::sched::cap::Advice;
use crate::stack::Slot;
use crate::sys::fault::Interrupted;
use crate::sys::signal;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

/// Frames printed from the innermost, as Go does; the rest is elided.
const FRAMES: usize = 50;
/// A report that hangs (the crashed code may hold a lock it needs) is cut off after so long.
const PATIENCE_S: u32 = 10;

/// Reports, and ends the process with status 2.
pub(super) fn fatal(g: GRef, slot: Slot, at: &mut Interrupted<'_>) -> ! {
    /// The first one reports; the unwinder, used so, bears no company.
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if REPORTED.swap(true, Ordering::Relaxed) {
        loop {
            crate::sys::thread::nap(1_000_000);
        }
    }
    signal::exit_within(PATIENCE_S, 2);
    let mut out = Stderr;
    let bytes = super::limit(g);
    let advice = Advice::at_the_end(g);
    let _ = writeln!(out, "gort: goroutine stack exceeds {bytes}-byte limit{advice}");
    let _ = writeln!(out, "sp={:#x} stack=[{:#x}, {:#x}]", at.sp(), slot.limit, slot.top);
    let _ = writeln!(out, "fatal error: stack overflow");
    let _ = write!(out, "\ngoroutine {} [running]:\n", g.id.get());
    frames(&mut out, slot.base..=slot.top);
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
