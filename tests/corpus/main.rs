//! Safe programs that are undefined behaviour where goroutines share their threads' thread-locals, or
//! may be: each runs many times in both safe modes, in a process of its own for each mode.
//!
//! They are clean by what they do and by what they may see: where goroutines are pinned, those of one thread
//! see each other's thread-locals, so a program there must take a `RefCell` for one that may be borrowed.
//!
//! `GORT_CORPUS_RUNS` says how often (50 unless told; CI runs a thousand). A child process runs one
//! program on one, two and four processors in turn.
#![forbid(unsafe_code)]

mod borrows;
mod libraries;
mod panics;
mod threads;

use gort::{Config, ThreadLocals};
use std::process::Command;

/// A program: its name, and what its main goroutine does.
pub(crate) type Program = (&'static str, fn(usize));

const RUNS: &str = "GORT_CORPUS_RUNS";
const CASE: &str = "GORT_CORPUS_CASE";
const MODE: &str = "GORT_CORPUS_MODE";

fn programs() -> impl Iterator<Item = &'static Program> {
    let rooms = [borrows::PROGRAMS, panics::PROGRAMS, libraries::PROGRAMS, threads::PROGRAMS];
    rooms.into_iter().flatten()
}

fn runs() -> usize {
    std::env::var(RUNS).ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}

/// Not a test of its own: where the children start.
#[test]
fn child() {
    let (Ok(case), Ok(mode)) = (std::env::var(CASE), std::env::var(MODE)) else { return };
    let mode = match mode.as_str() {
        "own" => ThreadLocals::PerGoroutine,
        _ => ThreadLocals::Pinned,
    };
    let (_, program) = programs().find(|(name, _)| *name == case).expect("a program of that name");
    let runs = runs();
    for (procs, part) in [1, 2, 4].into_iter().zip([0, 1, 2]) {
        for run in (part * runs / 3)..((part + 1) * runs / 3) {
            let config = Config::new().thread_locals(mode);
            let ran = config.run(|| {
                if gort::runtime::gomaxprocs(0) != procs {
                    gort::runtime::gomaxprocs(procs);
                }
                program(run);
            });
            ran.expect("the mode is to be had here");
        }
    }
}

/// Runs every program of `room` in `mode`.
fn all(room: &[Program], mode: &str) {
    for (name, _) in room {
        let out = Command::new(std::env::current_exe().expect("a test binary has a path"))
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env(CASE, name)
            .env(MODE, mode)
            .output()
            .expect("the test binary runs");
        let text = [out.stdout, out.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
        assert!(out.status.success(), "{name}, {mode}: {}\n{}", out.status, text.concat());
    }
}

#[test]
fn there_are_enough() {
    assert!(programs().count() >= 25, "{}", programs().count());
}

/// A test for each room and mode.
macro_rules! rooms {
    ($($test:ident: $room:ident, $mode:literal;)*) => {$(
        #[test]
        #[cfg_attr(
            not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")),
            ignore = "thread-locals of a goroutine's own are not to be had here"
        )]
        fn $test() {
            all($room::PROGRAMS, $mode);
        }
    )*};
}

rooms! {
    borrows_with_locals_of_their_own: borrows, "own";
    panics_with_locals_of_their_own: panics, "own";
    libraries_with_locals_of_their_own: libraries, "own";
    threads_with_locals_of_their_own: threads, "own";
    borrows_pinned: borrows, "pinned";
    panics_pinned: panics, "pinned";
    libraries_pinned: libraries, "pinned";
    threads_pinned: threads, "pinned";
}
