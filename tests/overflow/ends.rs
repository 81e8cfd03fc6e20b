//! Ends of the process, each in a process of its own: what cannot be a panic, what nobody recovers,
//! and what is no overflow.

use crate::life::forever;
use crate::tally::Tally;
use gort::{Builder, Config, OnOverflow, go, spawn};
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

/// Names the case a child process is to run.
const CASE: &str = "GORT_TEST_END";

fn run(case: &str) -> (Output, String) {
    let out = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "ends::child", "--nocapture", "--test-threads", "1"])
        .env(CASE, case)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out, text)
}

fn dies(case: &str, says: &[&str]) -> String {
    let (out, text) = run(case);
    assert_eq!(out.status.code(), Some(2), "{case}: {}\n{text}", out.status);
    for part in says {
        assert!(text.contains(part), "{case} does not say {part:?}:\n{text}");
    }
    text
}

const REPORT: &[&str] =
    &["gort: goroutine stack exceeds ", "-byte limit\nsp=0x", "fatal error: stack overflow"];

/// Not a test of its own: where the children start.
#[test]
fn child() {
    match std::env::var(CASE).as_deref() {
        Ok("unrecovered") => unrecovered(),
        Ok("dense") => dense(),
        Ok("fatal") => {
            let config = Config::new().on_overflow(OnOverflow::Fatal).max_stack(1 << 20);
            config.run(|| spawn(|| forever(Tally::new(), 0)).join()).expect("it runs").unwrap();
        }
        Ok("hook") => on_a_mebibyte(|| {
            std::panic::set_hook(Box::new(|_| {
                black_box(forever(Tally::new(), 0));
            }));
            panic!("with a bad hook")
        }),
        Ok("cleanup") => on_a_mebibyte(|| {
            let _deep = Deep;
            panic!("on the way");
        }),
        Ok("null") => touch(|| 8),
        Ok("below") => touch(|| {
            let here = 0_u8;
            (&raw const here).addr() - gort::stack::remaining() - (200 << 10)
        }),
        Ok("far_below") => touch(|| {
            let here = 0_u8;
            (&raw const here).addr() - gort::stack::remaining() - (319 << 10)
        }),
        Ok("trap") => {
            // SAFETY: a breakpoint, for which nobody waits.
            gort::run(|| unsafe { std::arch::asm!("int3") });
        }
        _ => {}
    }
}

/// Overflows when it is dropped.
struct Deep;

impl Drop for Deep {
    fn drop(&mut self) {
        black_box(forever(Tally::new(), 0));
    }
}

/// Runs what does not return on a stack of a MiB.
fn on_a_mebibyte(body: fn()) {
    let end = gort::run(|| Builder::new().stack_size(1 << 20).spawn(body).expect("a stack").join());
    drop(end);
}

fn unrecovered() {
    let body = || {
        go(|| black_box(forever(Tally::new(), 0)));
        gort::chan::<()>(0).recv()
    };
    Config::new().max_stack(1 << 20).run(body).expect("it runs");
}

fn dense() {
    let ladder = [(2, 1 << 20), (usize::MAX, 256 << 10)];
    let body = || {
        let gate = gort::chan::<()>(0);
        for _ in 0..4 {
            let gate = gate.clone();
            go(move || gate.recv());
        }
        go(|| forever(Tally::new(), 0));
        let _ = gate.recv();
    };
    Config::new().stack_ladder(&ladder).run(body).expect("it runs");
}

/// Writes to an address, in a goroutine that is nowhere near the end of its stack.
fn touch(at: fn() -> usize) {
    gort::run(|| {
        let body = move || {
            let p = std::ptr::with_exposed_provenance_mut::<u64>(black_box(at()) & !7);
            // SAFETY: none; the fault is what the case is about.
            unsafe { p.write_volatile(1) };
        };
        Builder::new().stack_size(1 << 20).spawn(body).expect("a stack").join().expect("no end");
    });
}

#[test]
fn one_that_nobody_recovers_is_reported_as_a_panic() {
    let text = dies("unrecovered", &["panic: stack overflow: ", "[running]:", "life.rs:"]);
    assert!(!text.contains("fatal error"), "{text}");
    assert!(text.contains("additional frames elided") || text.contains("frames elided"), "{text}");
}

#[test]
fn a_small_rung_says_what_to_set() {
    dies(
        "dense",
        &["panic: stack overflow: ", "rung 1 of the stack ladder", "Config::stack_ladder"],
    );
}

#[test]
fn a_program_may_ask_for_gos_report() {
    let text = dies("fatal", REPORT);
    assert!(text.contains("exceeds 1048576-byte limit"), "{text}");
    assert!(text.contains("...additional frames elided..."), "{text}");
}

#[test]
fn in_the_panic_hook_it_is_gos_report() {
    dies("hook", REPORT);
}

/// It would leave a destructor that runs because of another panic.
#[test]
fn one_that_leaves_a_destructor_during_a_panic_is_gos_report() {
    dies("cleanup", REPORT);
}

#[test]
fn stray_pointers_are_no_overflow() {
    for case in ["null", "below", "far_below"] {
        let (out, text) = run(case);
        assert_eq!(out.status.signal(), Some(libc::SIGSEGV), "{case}: {text}");
        assert!(!text.contains("stack overflow"), "{case}: {text}");
    }
}

#[test]
fn traps_of_others_are_handed_on() {
    let (out, text) = run("trap");
    assert_eq!(out.status.signal(), Some(libc::SIGTRAP), "{text}");
}
