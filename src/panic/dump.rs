//! The stacks of all goroutines, in Go's layout.
//!
//! Taking is quick and apart from printing: with the world stopped (nobody runs a goroutine but those
//! whose P was taken away from them) each goroutine's addresses are noted; names are looked up
//! afterwards, while the program goes on. Of a crowd, some are noted at a time, and the program goes on
//! between. A goroutine that runs on another thread has no registers that could be read.

use super::frames::{Frames, Names};
use super::held;
use super::level::Level;
use super::report::{self, Crash};
use super::unwind::Unwinder;
use crate::g::{GRef, Site, State};
use crate::sched::{self, Unborn, current::current};
use std::convert::Infallible;
use std::fmt::{self, Write};
use std::sync::atomic::Ordering;

/// Stack for looking up names, and for a hook of the user's that does.
pub(super) const ROOM: usize = 256 << 10;
/// More segments than a stack has, unless it changes while it is read.
const MOST_SEGMENTS: usize = 10_000;

/// What is noted of a goroutine.
struct Noted {
    id: u64,
    parent: u64,
    site: Option<Site>,
    status: &'static str,
    minutes: u64,
    locked: bool,
    frames: Frames,
    elsewhere: bool,
}

/// Every goroutine's stack, the caller's first. For [`crate::runtime::stack_dump`].
pub(crate) fn stack_dump() -> String {
    sched::grow::beyond(ROOM, stack_dump_here)
}

fn stack_dump_here() -> String {
    let own = current().and_then(|m| m.curg());
    let mut all = note_while_running();
    if let Some(own) = own {
        let id = own.id.get();
        if let Some(me) = all.iter_mut().find(|n| n.id == id) {
            me.frames = Frames::here();
            me.elsewhere = false;
        }
        all.sort_by_key(|n| (n.id != id, n.id));
    }
    let mut text = String::new();
    let _ = write(&mut text, &all, super::level::get().shows_runtime());
    text
}

/// Goroutines noted in one go while the program waits: some two milliseconds.
const AT_ONCE: usize = 1000;

/// Every goroutine that there was at the beginning, and still is when its turn comes.
fn note_while_running() -> Vec<Noted> {
    let mut unwinder = Unwinder::new();
    let mut all = Vec::new();
    let mut left: Vec<GRef> = sched::while_stopped(|| {
        all.extend(sched::all_unborn().into_iter().map(note_unborn));
        let mut found = sched::all_goroutines();
        let some = found.split_off(found.len().saturating_sub(AT_ONCE));
        all.extend(some.into_iter().map(|g| note(g, &mut unwinder)));
        found
    });
    while !left.is_empty() {
        let some = left.split_off(left.len().saturating_sub(AT_ONCE));
        let alive = |g: &GRef| g.status.get() != State::Dead;
        sched::while_stopped(|| {
            all.extend(some.into_iter().filter(alive).map(|g| note(g, &mut unwinder)));
        });
    }
    all.sort_by_key(|n| n.id);
    // One that began meanwhile on the stack of one that had ended may have been met twice.
    all.dedup_by_key(|n| n.id);
    all
}

/// Every goroutine, in a world that stands still.
fn note_all() -> Vec<Noted> {
    let mut unwinder = Unwinder::new();
    let mut all: Vec<_> = sched::all_unborn().into_iter().map(note_unborn).collect();
    all.extend(sched::all_goroutines().into_iter().map(|g| note(g, &mut unwinder)));
    all.sort_by_key(|n| n.id);
    all
}

fn note_unborn(unborn: Unborn) -> Noted {
    Noted {
        id: unborn.id,
        parent: unborn.parent,
        site: unborn.site,
        status: "runnable",
        locked: false,
        minutes: 0,
        frames: Frames::default(),
        elsewhere: false,
    }
}

fn note(g: GRef, unwinder: &mut Unwinder) -> Noted {
    let state = g.status.get();
    let calls = state == State::Running && g.declared.load(Ordering::Relaxed) > 0;
    let waits = calls || state == State::Waiting;
    let mut frames = Frames::default();
    if state != State::Running
        && let Some(saved) = g.saved()
    {
        let stacks = g.stacks().take(MOST_SEGMENTS).map(|slot| slot.limit..slot.top);
        unwinder.walk(saved, stacks, |pc| frames.push(pc));
    }
    Noted {
        id: g.id.get(),
        parent: g.parent.get(),
        site: g.created.get(),
        status: match state {
            State::Waiting => g.reason.get().text(),
            State::Running if calls => "syscall",
            State::Running => "running",
            _ => "runnable",
        },
        minutes: if waits { sched::waited_seconds(g) / 60 } else { 0 },
        locked: g.is_locked(),
        frames,
        elsewhere: state == State::Running,
    }
}

fn write(out: &mut dyn Write, all: &[Noted], runtime: bool) -> fmt::Result {
    let mut names = Names::default();
    for (i, noted) in all.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        write_header(out, noted)?;
        if noted.elsewhere {
            writeln!(out, "\tgoroutine running on other thread; stack unavailable")?;
        }
        noted.frames.write(out, &mut names, runtime)?;
        names.write_creator(out, noted.site, noted.parent)?;
    }
    Ok(())
}

fn write_header(out: &mut dyn Write, noted: &Noted) -> fmt::Result {
    write!(out, "goroutine {} [{}", noted.id, noted.status)?;
    match noted.minutes {
        0 => {}
        minutes => write!(out, ", {minutes} minutes")?,
    }
    let locked = if noted.locked { ", locked to thread" } else { "" };
    writeln!(out, "{locked}]:")
}

/// Go's fatal error: what the program did that cannot be recovered from, and where. Called through
/// `base::fatal`, by callers that hold no lock of ours.
pub(super) fn fatal(text: &str) -> ! {
    let frames = Frames::here();
    let report = || -> Infallible { fatal_as(Crash::begin(), text, &frames) };
    match sched::grow::beyond(ROOM, report) {}
}

/// As [`fatal`], with the stack of the goroutine at fault: it may have been read by a signal handler.
pub(super) fn fatal_as(crash: Crash, text: &str, frames: &Frames) -> ! {
    let _turn = report::turn();
    let level = super::level::get();
    let mut out = Buffered(String::new());
    let own = current().and_then(|m| m.curg());
    if held::write_panics(&mut out) == Ok(true) {
        let _ = out.write_char('\t');
    }
    let _ = writeln!(out, "fatal error: {text}");
    if let Some(g) = own.filter(|_| level != Level::None) {
        let _ = out.write_char('\n');
        let _ = report::write_running(&mut out, g, frames, None, &mut Names::default());
    }
    let _ = out.flush();
    if level.shows_all() || own.is_none() && level != Level::None {
        print_others(own.map(|g| g.id.get()), level);
    }
    crash.end()
}

/// For a process that is about to end: every goroutine but `except`, whose stack has been printed.
/// Nobody else runs from then on, as far as that can be had.
pub(super) fn print_others(except: Option<u64>, level: Level) {
    sched::freeze();
    let mut all = note_all();
    all.retain(|n| Some(n.id) != except);
    // One write for each few: a report must come out as far as it gets.
    let mut out = Buffered("\n".to_owned());
    let _ = write(&mut out, &all, level.shows_runtime());
    let _ = out.flush();
}

/// Standard error in pieces of some kilobytes.
struct Buffered(String);

impl Buffered {
    fn flush(&mut self) -> fmt::Result {
        crate::base::fatal::Stderr.write_str(&std::mem::take(&mut self.0))
    }
}

impl Write for Buffered {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0.push_str(s);
        if self.0.len() > 8192 { self.flush() } else { Ok(()) }
    }
}

/// SIGQUIT: everything there is to tell, and the end (Go). On the monitor's thread.
pub(super) fn quit() -> ! {
    let crash = Crash::begin();
    let _turn = report::turn();
    let level = super::level::get();
    let _ = crate::base::fatal::Stderr.write_str("SIGQUIT: quit\n");
    if level != Level::None {
        print_others(None, level);
    }
    crash.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_how_long_and_where_as_in_go() {
        let unborn = Unborn { id: 7, parent: 1, site: None };
        let header = |noted: &Noted| {
            let mut text = String::new();
            write_header(&mut text, noted).unwrap();
            text
        };
        let mut noted = note_unborn(unborn);
        assert_eq!(header(&noted), "goroutine 7 [runnable]:\n");
        noted = Noted { status: "chan receive", minutes: 61, ..noted };
        assert_eq!(header(&noted), "goroutine 7 [chan receive, 61 minutes]:\n");
        noted.locked = true;
        assert_eq!(header(&noted), "goroutine 7 [chan receive, 61 minutes, locked to thread]:\n");
        noted.minutes = 0;
        assert_eq!(header(&noted), "goroutine 7 [chan receive, locked to thread]:\n");
    }
}
