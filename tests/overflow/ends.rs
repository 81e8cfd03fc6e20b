//! Ends of the process, each in a process of its own: what cannot be a panic, what nobody recovers,
//! and what is no overflow.

use crate::life::forever;
use crate::tally::Tally;
use gort::stack::remaining;
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
    &["gort: goroutine stack exceeds ", "-byte limit\n", "\nsp=0x", "fatal error: stack overflow"];

/// Not a test of its own: where the children start.
#[test]
fn child() {
    match std::env::var(CASE).as_deref() {
        Ok("unrecovered") => unrecovered(1 << 20),
        Ok("dense") => dense(Config::new()),
        Ok("dense_fatal") => dense(Config::new().on_overflow(OnOverflow::Fatal)),
        Ok("promoted") => promoted(),
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
        Ok("deep_hook") => deep_hook(),
        Ok("smallest") => unrecovered(64 << 10),
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

/// A hook that needs most of what a reserve has, as one that looks up names does.
fn deep_hook() {
    std::panic::set_hook(Box::new(|info| {
        let mut room = std::mem::MaybeUninit::<[u8; 240 << 10]>::uninit();
        black_box(room.as_mut_ptr());
        eprintln!("the hook has room for {}", info.to_string().lines().count());
    }));
    let body = || {
        for _ in 0..3 {
            let t = Tally::new();
            let end = std::panic::catch_unwind(|| forever(t, 0));
            assert!(end.is_err() && t.made() == t.dropped());
        }
        eprintln!("and the goroutine goes on");
    };
    Config::new().max_stack(1 << 20).run(body).expect("it runs");
}

fn unrecovered(cap: usize) {
    let body = || {
        go(|| black_box(forever(Tally::new(), 0)));
        gort::chan::<()>(0).recv()
    };
    Config::new().max_stack(cap).run(body).expect("it runs");
}

fn dense(config: Config) {
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
    config.stack_ladder(&ladder).run(body).expect("it runs");
}

/// Overflows at one place in the program make those that are started there better off.
fn promoted() {
    let crowd = 40;
    let body = move || {
        let (gate, there) = (gort::chan::<()>(0), gort::chan::<()>(crowd));
        for _ in 0..crowd {
            let (gate, there) = (gate.clone(), there.clone());
            go(move || {
                there.send(());
                gate.recv()
            });
        }
        (0..crowd).for_each(|_| _ = there.recv());
        let here = |deep| spawn(move || if deep { forever(Tally::new(), 0) } else { remaining() });
        let elsewhere = || spawn(remaining).join().expect("it returns");
        assert!(here(false).join().expect("it returns") < 128 << 10, "it stands on the last rung");
        let text = here(true).join().expect_err("it overflows").downcast::<String>();
        eprintln!("{}", text.expect("a text"));
        // In this order: what was once promoted is there for all when it is dead.
        let (others, now) = (elsewhere(), here(false).join().expect("it returns"));
        assert!(now > 15 << 20 && others < 128 << 10, "{now} here, {others} elsewhere");
        eprintln!("promoted");
        gate.close();
    };
    let ladder = [(4, 16 << 20), (usize::MAX, 128 << 10)];
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

/// The report looks up names, which takes more than the smallest stack has.
#[test]
fn one_on_the_smallest_stack_is_reported_too() {
    let text = dies("smallest", &["panic: stack overflow: ", "[running]:", "life.rs:"]);
    assert!(text.contains("exceeds 65536-byte limit"), "{text}");
}

#[test]
fn a_hook_has_room_at_the_end_of_a_stack() {
    let (out, text) = run("deep_hook");
    assert!(out.status.success(), "{text}");
    assert_eq!(text.matches("the hook has room").count(), 3, "{text}");
    assert!(text.contains("and the goroutine goes on"), "{text}");
}

#[test]
fn a_small_rung_says_what_to_set() {
    dies(
        "dense",
        &["panic: stack overflow: ", "rung 1 of the stack ladder", "Config::stack_ladder"],
    );
}

#[test]
fn so_does_gos_report() {
    let advice = "-byte limit\ngort: this goroutine stands on rung 1 of the stack ladder (256 KiB): \
                  set Config::stack_ladder or Builder::stack_size\nsp=0x";
    dies("dense_fatal", &[advice, "fatal error: stack overflow"]);
}

#[test]
fn goroutines_started_where_one_overflowed_get_the_largest_rung() {
    let (out, text) = run("promoted");
    assert!(out.status.success(), "{text}");
    for says in ["rung 1 of the stack ladder (128 KiB)", "get 16 MiB from now on", "\npromoted\n"] {
        assert!(text.contains(says), "it does not say {says:?}: {text}");
    }
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
