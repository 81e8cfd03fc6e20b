//! What a program sees when it asks for too much, does something wrong, or crashes: each case runs in
//! a process of its own, and its exit status and words are checked.
//!
//! A case is a function in `cases.rs`; the parent test starts this binary again with the case's name
//! in the environment.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a child or a long run says")]

#[cfg(target_os = "linux")]
mod cases;

use std::process::{Command, Output};

/// Names the case a child process is to run.
const CASE: &str = "GORT_TEST_CASE";

/// Runs a case in a child process, with extra environment variables.
fn run_with(case: &str, env: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().expect("a test binary has a path"))
        .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
        .env(CASE, case)
        .env("RUST_BACKTRACE", "0")
        .envs(env.iter().copied())
        .output()
        .expect("the test binary runs")
}

fn words(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// The case ends well and says `done`.
fn passes(case: &str) -> String {
    let out = run_with(case, &[]);
    let text = words(&out);
    assert!(out.status.success() && text.contains("done"), "{case}: {}\n{text}", out.status);
    text
}

/// The case ends with `status`, saying all of `says`.
fn dies(case: &str, status: i32, says: &[&str]) -> String {
    let out = run_with(case, &[]);
    let text = words(&out);
    assert_eq!(out.status.code(), Some(status), "{case}: {}\n{text}", out.status);
    for part in says {
        assert!(text.contains(part), "{case} does not say {part:?}:\n{text}");
    }
    text
}

/// Not a test of its own: where the children start.
#[test]
fn child() {
    if let Ok(case) = std::env::var(CASE) {
        cases::run(&case);
    }
}

#[test]
fn unusable_settings_are_refused_in_words() {
    passes("config");
}

#[test]
fn a_second_configuration_is_refused() {
    passes("second_config");
}

#[test]
fn run_inside_run_panics() {
    passes("run_in_run");
}

#[test]
fn any_number_of_processors_works() {
    passes("many_procs");
}

#[test]
fn the_environment_sets_gomaxprocs() {
    let out = run_with("print_procs", &[("GOMAXPROCS", "7")]);
    assert!(words(&out).contains("procs=7"), "{}", words(&out));
    let out = run_with("print_procs", &[("GOMAXPROCS", "-1")]);
    assert!(!words(&out).contains("procs=-1") && words(&out).contains("procs="));
}

#[test]
fn too_many_threads_is_gos_fatal_error() {
    dies("thread_limit", 2, &["program exceeds 3-thread limit", "fatal error: thread exhaustion"]);
}

#[test]
fn a_refused_thread_is_gos_fatal_error() {
    let says = [
        "runtime: failed to create new OS thread (have ",
        "errno=11)",
        "ulimit -u",
        "fatal error: newosproc",
    ];
    dies("no_threads", 2, &says);
}

#[test]
fn a_thread_refused_at_the_start_is_an_error() {
    passes("no_threads_at_start");
}

#[test]
fn little_address_space_steps_down_the_ladder_and_ends_in_an_error() {
    passes("address_space");
}

#[test]
fn go_panics_with_the_reason_when_there_is_no_stack() {
    passes("address_space_go");
}

#[test]
fn the_mprotect_guard_is_counted_against_the_map_limit() {
    let out = run_with("mprotect_guards", &[("GORT_GUARD", "mprotect")]);
    assert!(out.status.success() && words(&out).contains("done"), "{}", words(&out));
}

#[test]
fn deadlock_is_reported_with_gos_text() {
    let text = dies("deadlock", 2, &["fatal error: all goroutines are asleep - deadlock!"]);
    assert!(text.contains("goroutine 1 [chan receive]:"), "{text}");
    assert!(text.contains("[chan send (nil chan)]:"), "{text}");
}

#[test]
fn goexit_from_main_lets_the_others_finish_and_then_is_a_deadlock() {
    let says =
        ["others finished", "fatal error: no goroutines (main called runtime.Goexit) - deadlock!"];
    dies("main_goexit", 2, &says);
}

#[test]
fn no_deadlock_while_a_foreign_thread_lives() {
    passes("foreign_thread");
}

#[test]
fn no_deadlock_while_somebody_sleeps() {
    passes("sleepers");
}

#[test]
fn an_unrecovered_panic_ends_the_process_whatever_main_does() {
    let text = dies("panic_in_go", 2, &["panic: boom", "goroutine ", "[running]:"]);
    assert!(!text.contains("main ended"), "{text}");
}

#[test]
fn an_isolated_panic_is_reported_and_the_program_goes_on() {
    let text = passes("isolated");
    assert!(text.contains("panic: boom"), "{text}");
}

#[test]
fn a_panic_in_main_comes_out_of_run() {
    passes("panic_in_main");
}

#[test]
fn stack_overflow_is_gos_report_on_every_rung() {
    for case in ["overflow_small", "overflow_ladder", "overflow_main", "overflow_c"] {
        let says = [
            "gort: goroutine stack exceeds ",
            "-byte limit",
            "fatal error: stack overflow",
            "sp=0x",
        ];
        dies(case, 2, &says);
    }
}

#[test]
fn a_null_dereference_is_not_taken_for_an_overflow() {
    use std::os::unix::process::ExitStatusExt;
    let out = run_with("null", &[]);
    assert_eq!(out.status.signal(), Some(libc::SIGSEGV), "{}", words(&out));
    assert!(!words(&out).contains("stack overflow"), "{}", words(&out));
}

#[test]
fn a_handler_that_was_there_before_is_called() {
    dies("chained", 42, &["handler was called"]);
}

#[test]
fn schedtrace_prints_gos_line() {
    let out = run_with("busy_second", &[("GORT_DEBUG", "schedtrace=20")]);
    let text = words(&out);
    let line = text.lines().find(|l| l.starts_with("SCHED ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("gomaxprocs=2 idleprocs="), "{line}");
}
