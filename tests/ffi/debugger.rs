//! gdb sees goroutines: in a process that is stopped, and in a core.

use crate::programs::{Link, ROOT, compile, text};
use std::path::{Path, PathBuf};
use std::process::Command;

/// gdb with our script, for one run; `None` where there is none.
fn gdb() -> Option<Command> {
    if Command::new("gdb").arg("--version").output().is_err() {
        eprintln!("skipped: there is no gdb (.ci/tools installs it)");
        return None;
    }
    let script = Path::new(ROOT).join("gdb/gort-gdb.py");
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set auto-load no", "-ex", "set print frame-arguments all"]);
    gdb.arg("-ex").arg(format!("source {}", script.display()));
    Some(gdb)
}

fn ask(gdb: &mut Command, questions: &[&str]) {
    for question in questions {
        gdb.args(["-ex", question]);
    }
}

const QUESTIONS: [&str; 6] = [
    "info goroutines",
    "goroutine 3 bt",
    "goroutine all bt",
    "goroutine 3 frame function waiter",
    "goroutine 60 bt",
    "goroutine 1000 bt",
];

/// What it has to answer, whatever the library's own frames are.
fn check(said: &str) {
    let line = |start: &str| said.lines().find(|line| line.starts_with(start)).unwrap_or("none");
    for (goroutine, state, place) in [
        ("* 1 ", "running", "stop_here at "),
        ("  2 ", "chan receive", "waits_at at "),
        ("  3 ", "chan receive", "waits_at at "),
        ("  4 ", "sleep", "sleeper at "),
        ("  60 ", "runnable", "started by goroutine 1"),
    ] {
        let line = line(goroutine);
        assert!(line.contains(state) && line.contains(place), "{line}\n{said}");
    }
    // The frames of goroutine 3, in order, with what each was given.
    let mut rest = said;
    for frame in [
        "#0 ",
        "in waits_at (depth=depth@entry=0",
        "secret@entry=203)",
        "in waits_at (depth=depth@entry=1, secret=secret@entry=202)",
        "in waits_at (depth=depth@entry=2, secret=secret@entry=201)",
        "in waits_at (depth=depth@entry=3, secret=secret@entry=200)",
        "in waiter (arg=0xc8)",
        if cfg!(gort_native) { "gort_entry ()" } else { "gort_outermost ()" },
        "goroutine 1 [running]:",
        "stop_here (end=",
        "goroutine 2 [chan receive]:",
        "in waiter (arg=0x64)",
        "goroutine 4 [sleep]:",
        "in sleeper (arg=",
        "goroutine 104 [runnable]:",
        "gort: it has not begun",
        "in waiter (arg=0xc8)",
        "gort: it has not begun",
        "gort: there is no goroutine 1000",
    ] {
        let at = rest.find(frame).unwrap_or_else(|| panic!("{frame} is missing in\n{said}"));
        rest = &rest[at + frame.len()..];
    }
}

#[test]
fn gdb_lists_goroutines_and_walks_their_stacks() {
    let Some(mut gdb) = gdb() else { return };
    let program = compile("tests/ffi/stuck.c", Link::Static);
    ask(&mut gdb, &["break stop_here", "run"]);
    ask(&mut gdb, &QUESTIONS);
    // Afterwards the program goes on as if nothing had been.
    ask(&mut gdb, &["bt 1", "continue"]);
    let said = text(&gdb.arg(&program).output().expect("gdb runs"));
    if said.contains("ptrace") && said.contains("Operation not permitted") {
        eprintln!("skipped: nobody may be debugged here");
        return;
    }
    check(&said);
    // gdb 13 may break down itself over threads that end while their process does (linux-nat.c).
    let ended = said.contains("exited normally") || said.contains("gdb/linux-nat.c");
    assert!(said.contains("went on") && ended, "{said}");
}

/// Where the kernel writes cores into the working directory.
fn core_of(program: &Path) -> Option<PathBuf> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cores");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$0\" core"]).arg(program);
    let ended = shell.current_dir(&directory).output().expect("sh runs");
    assert!(!ended.status.success(), "it aborts: {}", text(&ended));
    let core = std::fs::read_dir(&directory).ok()?.flatten().map(|entry| entry.path()).next();
    if core.is_none() {
        eprintln!("skipped: cores go elsewhere, or are not allowed ({})", pattern.trim());
    }
    core
}

#[test]
fn gdb_does_the_same_in_a_core() {
    let Some(mut gdb) = gdb() else { return };
    let program = compile("tests/ffi/stuck.c", Link::Shared);
    let Some(core) = core_of(&program) else { return };
    ask(&mut gdb, &QUESTIONS);
    check(&text(&gdb.arg(&program).arg(&core).output().expect("gdb runs")));
}
