//! What a program sees when it asks for too much, does something wrong, or crashes: each case runs in
//! a process of its own, and its exit status and words are checked.
//!
//! A case is a function in `cases.rs`; the parent test starts this binary again with the case's name
//! in the environment.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a child or a long run says")]

#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod ends;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod locals;
#[cfg(target_os = "linux")]
mod threads;

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
    dies_with(case, &[], status, says)
}

/// As [`dies`], with extra environment variables.
fn dies_with(case: &str, env: &[(&str, &str)], status: i32, says: &[&str]) -> String {
    let out = run_with(case, env);
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

#[test]
fn a_deadlock_names_what_everyone_waits_for() {
    let text = dies("deadlock_reasons", 2, &["all goroutines are asleep - deadlock!"]);
    for reason in [
        "goroutine 1 [chan receive]:",
        "[chan send]:",
        "[sync.WaitGroup.Wait]:",
        "[join]:",
        "[chan receive (nil chan)]:",
        "[chan send (nil chan)]:",
    ] {
        assert_eq!(text.matches(reason).count(), 1, "{reason}:\n{text}");
    }
}

#[test]
fn a_deadlock_is_noticed_whenever_it_comes() {
    let text = "all goroutines are asleep - deadlock!";
    dies("deadlock_after_thread", 2, &["the thread ends", text]);
    dies("deadlock_of_a_run", 2, &["first run over", text]);
    for procs in ["1", "2"] {
        dies_with("deadlock_after_block", &[("GOMAXPROCS", procs)], 2, &[text]);
        let gone = "no goroutines (main called runtime.Goexit) - deadlock!";
        dies_with("goexit_after_block", &[("GOMAXPROCS", procs)], 2, &[gone]);
    }
}

#[test]
fn an_endless_sleep_is_no_deadlock() {
    dies("endless_sleep", 128 + libc::SIGALRM, &[]);
}

#[test]
fn main_is_goroutine_1_and_alone() {
    passes("first_ids");
}

#[test]
fn gomaxprocs_of_the_environment_is_read_as_gos() {
    let procs = |env: &str| {
        let text = words(&run_with("print_procs", &[("GOMAXPROCS", env)]));
        let n = text.lines().find_map(|l| l.split("procs=").nth(1));
        n.unwrap_or_else(|| panic!("{text}")).trim().parse::<usize>().unwrap()
    };
    assert_eq!([procs("1"), procs("3"), procs("100000")], [1, 3, 1 << 16]);
    let default = procs("");
    for ignored in ["0", "-3", "2x", " 2", "99999999999999999999"] {
        assert_eq!(procs(ignored), default, "{ignored:?}");
    }
}

#[test]
fn an_unrecovered_panic_is_reported_whatever_else_happens() {
    dies("panic_while_busy", 2, &["panic: boom", "[running]:"]);
    dies("panic_twice", 2, &["panic: boom "]);
    dies("panic_value", 2, &["panic: "]);
    dies("panic_on_small_stack", 2, &["panic: boom", "[running]:"]);
}

#[test]
fn a_result_whose_destructor_panics_is_an_unrecovered_panic() {
    dies("result_panics", 2, &["panic: bomb", "[running]:"]);
}

#[test]
fn every_isolated_panic_stays_in_its_goroutine() {
    let text = passes("isolated_all");
    assert_eq!(text.matches("panic: in a group").count(), 10, "{text}");
    assert_eq!(text.matches("panic: in a scope").count(), 1, "{text}");
    assert_eq!(text.matches("panic: bomb").count(), 2, "{text}");
}

#[test]
fn a_process_may_end_in_the_midst_of_everything() {
    for _ in 0..5 {
        passes("exit_while_busy");
    }
}

#[test]
fn an_overflow_is_gos_report_wherever_it_happens() {
    for case in [
        "overflow_big_frames",
        "overflow_moved",
        "overflow_in_drop",
        "overflow_many",
        "overflow_no_alt_stack",
    ] {
        let text =
            dies(case, 2, &["gort: goroutine stack exceeds ", "fatal error: stack overflow"]);
        let frames = text.split("[running]:\n").nth(1).unwrap_or_else(|| panic!("{text}"));
        assert!(
            !frames.contains("on_fault"),
            "the handler's frames are not the goroutine's:\n{text}"
        );
        assert!(frames.contains("ends.rs:"), "{text}");
    }
}

/// The largest rung: a GiB is touched before the end.
#[test]
fn an_overflow_of_a_gib_is_gos_report() {
    let says = ["gort: goroutine stack exceeds 1073", "-byte limit", "fatal error: stack overflow"];
    dies("overflow_gib", 2, &says);
}

#[test]
fn an_overflow_of_a_plain_thread_is_left_to_std() {
    use std::os::unix::process::ExitStatusExt;
    let out = run_with("overflow_thread", &[]);
    assert_eq!(out.status.signal(), Some(libc::SIGABRT), "{}", words(&out));
    assert!(words(&out).contains("has overflowed its stack"), "{}", words(&out));
}

#[test]
fn a_stack_can_be_used_nearly_to_its_end() {
    passes("almost_overflow");
}

#[test]
fn faults_are_handed_on_as_if_we_were_not_there() {
    use std::os::unix::process::ExitStatusExt;
    dies("plain_handler", 43, &["plain handler"]);
    let out = run_with("segv_ignored", &[]);
    assert_eq!(out.status.signal(), Some(libc::SIGSEGV), "{}", words(&out));
}

#[test]
fn the_limit_of_threads_can_be_changed() {
    let exhausted = ["program exceeds 4-thread limit", "fatal error: thread exhaustion"];
    dies("set_max_threads", 2, &exhausted);
    let below = ["program exceeds 1-thread limit", "fatal error: thread exhaustion"];
    dies("set_max_threads_below", 2, &below);
}

#[test]
fn a_refused_spawn_changes_nothing() {
    passes("refused_spawns");
    passes("refused_main");
}

#[test]
fn a_limit_of_data_is_an_error_too() {
    passes("data_limit");
}

#[test]
fn thirty_thousand_stacks_with_mprotect_and_no_more() {
    let out = run_with("mprotect_default", &[("GORT_GUARD", "mprotect")]);
    assert!(out.status.success() && words(&out).contains("done"), "{}", words(&out));
}

#[test]
fn a_borrow_that_leaves_its_thread_is_warned_of_in_debug_builds() {
    let text = passes("shared_borrow");
    if cfg!(all(debug_assertions, target_arch = "x86_64", target_env = "gnu")) {
        let says = "holds an address in the thread's thread-locals";
        assert!(text.contains(says) && text.contains("locals::shared_borrow"), "{text}");
    }
    let silent = words(&run_with("shared_borrow", &[("GORT_DEBUG", "tlscheck=0")]));
    assert!(silent.contains("done") && !silent.contains("warning"), "{silent}");
    // Leftovers on the stack may be warned of as well, so of a clean program only that it runs.
    passes("shared_clean");
}

#[test]
fn the_default_mode_is_a_safe_one_and_can_be_told_to_pin() {
    passes("default_mode");
    let out = words(&run_with("default_mode", &[("GORT_THREAD_LOCALS", "pinned")]));
    assert!(out.contains("mode=Pinned done"), "{out}");
    passes("mode_is_fixed");
}
