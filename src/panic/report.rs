//! The report of a panic that nobody took, in Go's layout, and the end of the process.
//!
//! Any number of goroutines may crash at once: each prints its report whole, and the last one ends
//! the process. From the first on, a main goroutine that ends waits for that end instead of ending
//! the process itself.

use super::frames::{Frames, Names};
use super::known::{Earlier, Known};
use super::level::{self, Level};
use super::pending;
use super::value;
use crate::base::fatal::Stderr;
use crate::g::{GRef, WaitReason};
use crate::sched::current::current;
use crate::sched::{boot, grow, park_forever};
use crate::sys::lock::{Guard, Lock};
use std::any::Any;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Looks, a millisecond apart, at whether another report is done.
const LOOKS: usize = 10_000;
/// Seconds the process may take to end after its last report: exit handlers may wait for ever.
const PATIENCE_S: u32 = 10;

/// Reports under way that will end the process.
static CRASHING: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Lock<()> = Lock::new(());

/// The process is to end; whoever holds this says why.
pub(super) struct Crash(());

impl Crash {
    pub(super) fn begin() -> Self {
        // SeqCst, with the load in `let_crashes_win`: a panic is counted here before it stops to be
        // counted as pending.
        CRASHING.fetch_add(1, Ordering::SeqCst);
        Self(())
    }

    /// Everything is said. The last one ends the process.
    pub(super) fn end(self) -> ! {
        if CRASHING.fetch_sub(1, Ordering::SeqCst) > 1 {
            // Somebody else is still printing, and ends the process.
            loop {
                crate::sys::thread::nap(1_000_000);
            }
        }
        crate::sys::signal::exit_within(PATIENCE_S, 2);
        level::end()
    }
}

/// The turn to print. A report that got stuck (it runs in a process in doubt) does not keep the
/// others from being heard.
pub(super) fn turn() -> Option<Guard<'static, ()>> {
    (0..LOOKS).find_map(|_| {
        ONE_AT_A_TIME.try_lock().or_else(|| {
            crate::sys::thread::nap(1000);
            None
        })
    })
}

/// Reports a panic, and ends the process with status 2 if the configuration says so. The smallest
/// stacks have not the room to look up names.
pub(super) fn unrecovered(payload: &(dyn Any + Send), known: Box<Known>) {
    grow::beyond(super::dump::ROOM, || unrecovered_here(payload, known));
}

fn unrecovered_here(payload: &(dyn Any + Send), mut known: Box<Known>) {
    let crash = boot::settings().crash_on_panic.then(Crash::begin);
    known.pending = None;
    // The payload is only read.
    let words = match catch_unwind(AssertUnwindSafe(|| value::words(payload))) {
        Ok(words) => words,
        Err(_) if crash.is_none() => value::SILENT.to_owned(),
        Err(inner) => silenced(crash.unwrap_or_else(Crash::begin), &*inner),
    };
    {
        let _turn = turn();
        let mut text = String::new();
        let _ = report(&mut text, &words, &known);
        let _ = Stderr.write_str(&text);
        let level = level::get();
        if crash.is_some() && level.shows_all() {
            super::dump::print_others(me().map(|g| g.id.get()), level);
        }
    }
    if let Some(crash) = crash {
        crash.end();
    }
}

fn me() -> Option<GRef> {
    current().and_then(|m| m.curg())
}

/// A panic's value has panicked when it was to say what it is: Go's fatal error.
fn silenced(crash: Crash, by: &(dyn Any + Send)) -> ! {
    let what = value::text(by).map_or("type (dyn Any)".to_owned(), tabbed);
    let text = format!("panic while printing panic value: {what}");
    super::dump::fatal_as(crash, &text, &Frames::here())
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
    write_panic(out, words, Fate::of(known))?;
    if level::get() == Level::None {
        return Ok(());
    }
    let Some(g) = me() else { return Ok(()) };
    let place = known.location.as_deref().filter(|_| known.frames.is_empty());
    out.write_char('\n')?;
    write_running(out, g, &known.frames, place, &mut Names::default())
}

/// A goroutine that runs, with its stack, or at least the place it is at.
pub(super) fn write_running(
    out: &mut dyn Write,
    g: GRef,
    frames: &Frames,
    place: Option<&str>,
    names: &mut Names,
) -> fmt::Result {
    writeln!(out, "goroutine {} [running]:", g.id.get())?;
    if let Some(place) = place {
        writeln!(out, "\t{place}")?;
    }
    frames.write(out, names, level::get().shows_runtime())?;
    names.write_creator(out, g.created.get(), g.parent.get())
}

/// What became of a panic.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Unrecovered,
    Recovered,
    /// Recovered, and raised again with the same value.
    Repanicked,
}

impl Fate {
    /// Of one that nobody has recovered since.
    pub(super) fn of(known: &Known) -> Self {
        if known.repanicked { Self::Repanicked } else { Self::Unrecovered }
    }
}

/// Writes a panic after those that it superseded; the first line without a TAB.
pub(super) fn write_chain(out: &mut dyn Write, earlier: &Earlier) -> fmt::Result {
    if let Some(before) = &earlier.earlier {
        write_chain(out, before)?;
        out.write_char('\t')?;
    }
    let fate = match (earlier.repanicked, earlier.recovered) {
        (true, _) => Fate::Repanicked,
        (false, true) => Fate::Recovered,
        (false, false) => Fate::Unrecovered,
    };
    write_panic(out, &earlier.text, fate)
}

pub(super) fn write_panic(out: &mut dyn Write, words: &str, fate: Fate) -> fmt::Result {
    let end = match fate {
        Fate::Unrecovered => "",
        Fate::Recovered => " [recovered]",
        Fate::Repanicked => " [recovered, repanicked]",
    };
    writeln!(out, "panic: {}{end}", tabbed(words))
}

/// A main goroutine has ended while goroutines panic: gives them the time to report it, and waits for
/// ever if one is about to end the process (Go: the crash wins). While another main goroutine is
/// there the process does not end with this one, so nobody is in a hurry.
pub(super) fn let_crashes_win() {
    if pending::any() && boot::settings().crash_on_panic && boot::is_last_main() {
        pending::let_run();
    }
    if CRASHING.load(Ordering::SeqCst) > 0 {
        park_forever(WaitReason::PanicWait);
    }
}
