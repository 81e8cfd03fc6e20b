//! The report of a panic that nobody took, in Go's layout, and the end of the process.
//!
//! Any number of goroutines may crash at once: each prints its report whole, and the last one ends
//! the process. From the first on, a main goroutine that ends waits for that end instead of ending
//! the process itself.

use super::frames::Names;
use super::known::{Earlier, Known, Pending};
use super::value;
use crate::base::fatal::{Stderr, fatal};
use crate::g::WaitReason;
use crate::sched::current::current;
use crate::sched::{boot, park_forever, yield_now};
use crate::sys::lock::Lock;
use std::any::Any;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reports under way that will end the process.
static CRASHING: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Lock<()> = Lock::new(());

/// How often a main goroutine that ends lets panicking goroutines run (Go).
const TURNS: usize = 1000;

/// Reports a panic, and ends the process with status 2 if the configuration says so.
pub(super) fn unrecovered(payload: &(dyn Any + Send), mut known: Box<Known>) {
    let crash = boot::settings().crash_on_panic;
    if crash {
        // SeqCst, with the load in `let_crashes_win`: it is counted here before it stops to be there.
        CRASHING.fetch_add(1, Ordering::SeqCst);
    }
    known.pending = None;
    let words = words_or_fatal(payload);
    {
        let _one = ONE_AT_A_TIME.lock();
        let mut text = String::new();
        let _ = report(&mut text, &words, &known);
        let _ = Stderr.write_str(&text);
        let level = super::level::get();
        if crash && level.shows_all() {
            let own = current().and_then(|m| m.curg()).map(|g| g.id.get());
            let _ = super::dump::print_others(own, level, super::dump::World::Stop);
        }
    }
    if !crash {
        return;
    }
    if CRASHING.fetch_sub(1, Ordering::SeqCst) > 1 {
        // Somebody else is still printing, and ends the process.
        loop {
            crate::sys::thread::nap(1_000_000);
        }
    }
    super::level::end()
}

/// The words of the payload; Go's fatal error if its `Display` panics.
fn words_or_fatal(payload: &(dyn Any + Send)) -> String {
    // The payload is only read.
    catch_unwind(AssertUnwindSafe(|| value::words(payload))).unwrap_or_else(|inner| {
        match value::text(&*inner) {
            Some(text) => fatal(format_args!("panic while printing panic value: {}", tabbed(text))),
            None => fatal(format_args!("panic while printing panic value: type (dyn Any)")),
        }
    })
}

/// A text of several lines, so that no line can be taken for one of the report's own (Go).
fn tabbed(text: &str) -> String {
    text.replace('\n', "\n\t")
}

fn report(out: &mut dyn Write, words: &str, known: &Known) -> fmt::Result {
    if let Some(earlier) = &known.earlier {
        write_chain(out, earlier)?;
        out.write_char('\t')?;
    }
    write_panic(out, words, known.repanicked, known.repanicked)?;
    let level = super::level::get();
    if level == super::level::Level::None {
        return Ok(());
    }
    let Some(g) = current().and_then(|m| m.curg()) else { return Ok(()) };
    let mut names = Names::default();
    writeln!(out, "\ngoroutine {} [running]:", g.id.get())?;
    if known.frames.is_empty() {
        if let Some(location) = &known.location {
            writeln!(out, "\t{location}")?;
        }
    } else {
        known.frames.write(out, &mut names, level.shows_runtime())?;
    }
    names.write_creator(out, g.created.get(), g.parent.get())
}

fn write_chain(out: &mut dyn Write, earlier: &Earlier) -> fmt::Result {
    if let Some(before) = &earlier.earlier {
        write_chain(out, before)?;
        out.write_char('\t')?;
    }
    write_panic(out, &earlier.text, earlier.recovered, earlier.repanicked)
}

fn write_panic(out: &mut dyn Write, words: &str, recovered: bool, repanicked: bool) -> fmt::Result {
    let end = match (repanicked, recovered) {
        (true, _) => " [recovered, repanicked]",
        (false, true) => " [recovered]",
        (false, false) => "",
    };
    writeln!(out, "panic: {}{end}", tabbed(words))
}

/// A main goroutine has ended while goroutines panic: gives them the time to report it, and waits for
/// ever if one is about to end the process (Go: the crash wins).
pub(super) fn let_crashes_win() {
    if !boot::settings().crash_on_panic {
        return;
    }
    for _ in 0..TURNS {
        if !Pending::any() {
            break;
        }
        yield_now();
        // A yield with nobody waiting takes no time at all; the others may be on other threads.
        crate::sys::thread::os_yield();
    }
    if CRASHING.load(Ordering::SeqCst) > 0 {
        park_forever(WaitReason::PanicWait);
    }
}
