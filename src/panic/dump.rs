//! The stacks of all goroutines, in Go's layout.
//!
//! Taking is quick and apart from printing: with the world stopped (nobody runs a goroutine but those
//! whose P was taken away from them) each goroutine's addresses are noted; names are looked up
//! afterwards, while the program goes on. A goroutine that runs on another thread has no registers
//! that could be read.

use super::frames::{Frames, Names};
use super::level::Level;
use super::unwind::Unwinder;
use crate::g::{GRef, Site, State};
use crate::sched::{self, current::current};
use std::fmt::{self, Write};
use std::sync::atomic::Ordering;

/// How often a crash tries to stop the world before it goes on without, and lives with what it gets.
const TRIES: u32 = 50;

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
    let own = current().and_then(|m| m.curg());
    let mut all = sched::while_stopped(None, note_all);
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

/// Whether the world is stopped for a report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    Stop,
    /// The caller may hold a lock of the scheduler's: what it gets has to do.
    Leave,
}

/// For a process that is about to end: every goroutine but `except`, whose stack has been printed.
fn others(out: &mut dyn Write, except: Option<u64>, level: Level, world: World) -> fmt::Result {
    let mut all = match world {
        World::Stop => sched::while_stopped(Some(TRIES), note_all),
        World::Leave => note_all(),
    };
    all.retain(|n| Some(n.id) != except);
    write(out, &all, level.shows_runtime())
}

fn note_all() -> Vec<Noted> {
    let mut unwinder = Unwinder::new();
    let mut all: Vec<_> =
        sched::all_goroutines().into_iter().map(|g| note(g, &mut unwinder)).collect();
    all.extend(sched::all_unborn().into_iter().map(|unborn| Noted {
        id: unborn.id,
        parent: unborn.parent,
        site: unborn.site,
        status: "runnable",
        locked: false,
        minutes: 0,
        frames: Frames::default(),
        elsewhere: false,
    }));
    all.sort_by_key(|n| n.id);
    all
}

fn note(g: GRef, unwinder: &mut Unwinder) -> Noted {
    let state = g.status.get();
    let waiting = state == State::Waiting;
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
            State::Running if g.declared.load(Ordering::Relaxed) > 0 => "syscall",
            State::Running => "running",
            _ => "runnable",
        },
        minutes: if waiting { sched::waited_seconds(g) / 60 } else { 0 },
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
        write!(out, "goroutine {} [{}", noted.id, noted.status)?;
        match noted.minutes {
            0 => {}
            minutes => write!(out, ", {minutes} minutes")?,
        }
        let locked = if noted.locked { ", locked to thread" } else { "" };
        writeln!(out, "{locked}]:")?;
        if noted.elsewhere {
            writeln!(out, "\tgoroutine running on other thread; stack unavailable")?;
        }
        noted.frames.write(out, &mut names, runtime)?;
        names.write_creator(out, noted.site, noted.parent)?;
    }
    Ok(())
}

/// Go's fatal error: what the program did that cannot be recovered from, and where. Called through
/// `base::fatal`.
pub(super) fn fatal(text: &str) -> ! {
    let level = super::level::get();
    let mut out = crate::base::fatal::Stderr;
    let _ = writeln!(out, "fatal error: {text}");
    if level != Level::None {
        let _ = writeln!(out);
        let own = current().and_then(|m| m.curg());
        let mut names = Names::default();
        if let Some(g) = own {
            let _ = writeln!(out, "goroutine {} [running]:", g.id.get());
            let _ = Frames::here().write(&mut out, &mut names, level.shows_runtime());
            let _ = names.write_creator(&mut out, g.created.get(), g.parent.get());
        }
        if own.is_none() || level.shows_all() {
            let _ = print_others(own.map(|g| g.id.get()), level, World::Leave);
        }
    }
    super::level::end()
}

/// Prints all others, one write for each few: a report must come out as far as it gets.
pub(super) fn print_others(except: Option<u64>, level: Level, world: World) -> fmt::Result {
    let mut buffered = Buffered(String::new());
    if except.is_some() {
        writeln!(buffered)?;
    }
    let end = others(&mut buffered, except, level, world);
    buffered.flush()?;
    end
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
    let mut out = crate::base::fatal::Stderr;
    let _ = writeln!(out, "SIGQUIT: quit\n");
    let level = super::level::get();
    if level != Level::None {
        let _ = print_others(None, level, World::Stop);
    }
    super::level::end()
}
