//! What each program must say. Texts are Go's where Go has them.

use super::programs::*;
use super::{Case, SIGNAL};

const ASLEEP: &str = "fatal error: all goroutines are asleep - deadlock!\n\n";
const GONE: &str = "fatal error: no goroutines (main called runtime.Goexit) - deadlock!\n";
const MARK: &[&str] = &[
    "goroutine ",
    " [running]:\n",
    "created by crash::programs::crash::{{closure}} in goroutine 1\n\t",
];

/// The header and the creator, without frames.
const MARK2: &[&str] = &["goroutine ", " [running]:\n", "created by crash::programs::"];

macro_rules! cases {
    ($($name:ident: $status:expr, $begins:expr $(, $method:ident($arg:expr))*;)*) => {
        &[$(Case::new(stringify!($name), $name, $status, $begins)$(.$method($arg))*),*]
    };
}

pub(crate) const CASES: &[Case] = cases! {
    str_value: 2, "panic: a text\n\ngoroutine ", then(&[" [running]:\ncrash::programs::str_value::{{closure}}(...)\n\t", "programs.rs:", "created by "]);
    string_value: 2, "panic: a string\n\n", then(MARK);
    lines_value: 2, "panic: two\n\tlines\n\n";
    int_value: 2, "panic: 93\n\n";
    negative_value: 2, "panic: -93\n\n";
    unsigned_value: 2, "panic: 255\n\n";
    wide_value: 2, "panic: 340282366920938463463374607431768211455\n\n";
    float_value: 2, "panic: -93.7\n\n";
    small_float_value: 2, "panic: 2.5e-07\n\n";
    large_float_value: 2, "panic: 1e+21\n\n";
    bool_value: 2, "panic: true\n\n";
    char_value: 2, "panic: x\n\n";
    boxed_error_value: 2, "panic: an error\n\n";
    io_error_value: 2, "panic: no disk\n\n";
    parse_error_value: 2, "panic: invalid digit found in string\n\n";
    opaque_value: 2, "panic: (dyn Any) 0x";
    bad_error_value: 2, "fatal error: panic while printing panic value: important\n\terror message\n";
    formatted: 2, "panic: 1 and 2\n\n";
    frames: 2, "panic: too small\n\n", then(&["crash::programs::deep_inside(...)\n\t", "crash::programs::frames::{{closure}}(...)\n"]), never(&["gort::", "std::panicking", "rust_begin_unwind"]);
    elided: 2, "panic: bottom\n\n", then(&["crash::programs::recurse(...)\n", "frames elided...\n", "crash::programs::recurse(...)\n", "created by "]);
    much_elided: 2, "panic: bottom\n\n", then(&["crash::programs::recurse(...)\n", "...additional frames elided...\n", "created by "]);
    unwrap_none: 2, "panic: called `Option::unwrap()` on a `None` value\n\n", then(MARK);
    divides_by_zero: 2, "panic: attempt to divide by zero\n\n";
    out_of_bounds: 2, "panic: index out of bounds: the len is 3 but the index is 9\n\n";
    no_hook: 2, "panic: raised without the hook\n\n", then(&["[running]:\n", "created by "]);
    panics_in_wait_group: 2, "panic: in a group\n\n", then(&["created by crash::programs::panics_in_wait_group::{{closure}} in goroutine 1\n"]);
    panics_in_scope_go: 2, "panic: in a scope\n\n", then(&["created by crash::programs::panics_in_scope_go::"]);
    panics_in_nested: 2, "panic: grandchild\n\n", then(&["created by crash::programs::panics_in_nested::{{closure}}::{{closure}} in goroutine "]);
    from_a_thread: 2, "panic: from a thread\n\n", then(&["created by crash::programs::from_a_thread::{{closure}}::{{closure}}\n"]), never(&["in goroutine"]);
    recursive_panic_1: 2, "wrap: bad\npanic: again\n\n";
    recursive_panic_2: 2, "first panic\nsecond panic\npanic: third panic\n\n";
    recursive_panic_3: 2, "panic: first panic\n\n";
    recursive_panic_4: 2, "panic: first panic [recovered]\n\tpanic: second panic\n\n";
    unrecovered_chain: 2, "panic: first\n\tpanic: second\n\tpanic: third\n\tin two lines\n\n";
    repanicked: 2, "panic: message [recovered, repanicked]\n\n", then(&["crash::programs::repanicked::"]);
    repanicked_thrice: 2, "panic: message [recovered, repanicked]\n\n";
    repanicked_payload: 2, "panic: message [recovered, repanicked]\n\n";
    repanicked_middle: 2, "panic: inner [recovered]\n\tpanic: middle [recovered, repanicked]\n\tpanic: outer\n\n";
    repanicked_sandwich: 2, "panic: outer [recovered]\n\tpanic: inner [recovered]\n\tpanic: outer\n\n";
    superseded_by_block: 2, "panic: in the body\n\tpanic: in a block\n\n";
    panic_after_goexit: 2, "panic: hello\n\n";
    goexit_in_panic: 2, GONE, never(&["hello"]);
    recovered_prints_nothing: 0, "", never(&["quiet", "panick"]);
    caught_prints_nothing: 0, "", never(&["quiet"]);
    joined_prints_nothing: 0, "", never(&["quiet"]);
    main_panics: 101, "\nthread ", then(&["panicked at tests/crash/programs.rs:", "main's own"]), never(&["goroutine"]);
    main_panics_in_func: 101, "deferred\n\nthread 'main' (", then(&[") panicked at tests/crash/programs.rs:", "main's own\n"]), never(&["goroutine"]);
    thread_panics_in_func: 101, "deferred\n\nthread 'main' (", then(&[") panicked at tests/crash/programs.rs:", "a thread's own\n"]);
    isolated: 0, "panic: only this one\n\n", stdout("still here\n");
    two_at_once: 2, "panic: ", then(&["[running]:\n", "created by ", "panic: ", "[running]:\n", "created by "]);
    main_returns_while_panicking: 2, "panic: the crash wins\n\n";
    main_returns_while_printing: 2, "panic: slow to say\n\n";
    panic_in_destructor: SIGNAL + 6, "\nthread ", then(&["panic in a destructor during cleanup", "aborting"]);
    deadlock: 2, ASLEEP, then(&["goroutine 1 [chan receive]:\ncrash::programs::deadlock::{{closure}}(...)\n\t", "programs.rs:"]), never(&["created by"]);
    deadlock_nil: 2, ASLEEP, then(&["goroutine 1 [chan receive (nil chan)]:\n"]);
    deadlock_nil_send: 2, ASLEEP, then(&["goroutine 1 [chan send (nil chan)]:\n"]);
    deadlock_send: 2, ASLEEP, then(&["goroutine 1 [chan send]:\n"]);
    deadlock_group: 2, ASLEEP, then(&["goroutine 1 [sync.WaitGroup.Wait]:\n"]);
    deadlock_join: 2, ASLEEP, then(&["goroutine 1 [join]:\n", "\n\ngoroutine ", "[chan receive (nil chan)]:\n", "created by crash::programs::deadlock_join::{{closure}} in goroutine 1\n"]);
    deadlock_many: 2, ASLEEP, then(&["goroutine 1 [chan receive]:\ncrash::programs::waits(...)\n", "\n\ngoroutine ", "waits(...)", "\n\ngoroutine ", "waits(...)", "\n\ngoroutine ", "waits(...)", "created by"]);
    deadlock_later: 2, ASLEEP, then(&["crash::programs::waits(...)"]);
    deadlock_after_procs: 2, ASLEEP;
    deadlock_select: 2, ASLEEP, then(&["goroutine 1 [select]:\n"]);
    deadlock_no_cases: 2, ASLEEP, then(&["goroutine 1 [select (no cases)]:\n"]);
    deadlock_nil_cases: 2, ASLEEP, then(&["goroutine 1 [select]:\n"]);
    deadlock_mutex: 2, ASLEEP, then(&["goroutine 1 [sync.Mutex.Lock]:\n"]);
    deadlock_read: 2, ASLEEP, then(&["goroutine 1 [sync.RWMutex.RLock]:\n"]);
    deadlock_write: 2, ASLEEP, then(&["goroutine 1 [sync.RWMutex.Lock]:\n"]);
    deadlock_condvar: 2, ASLEEP, then(&["goroutine 1 [sync.Cond.Wait]:\n"]);
    deadlock_semaphore: 2, ASLEEP, then(&["goroutine 1 [semacquire]:\n"]);
    deadlock_timer_nobody_waits_for: 2, ASLEEP, then(&["crash::programs::waits(...)"]);
    deadlock_of_thread_gone: 2, ASLEEP, then(&["crash::programs::waits(...)"]);
    deadlock_after_panic: 2, ASLEEP, then(&["crash::programs::waits(...)"]), never(&["taken"]);
    deadlock_in_deferred: 2, ASLEEP, then(&["goroutine 1 [chan receive]:\ncrash::programs::waits(...)"]);
    no_deadlock_ticker: 0, "";
    no_deadlock_timeout: 0, "";
    no_deadlock_procs: 0, "";
    no_deadlock_new_threads: 0, "";
    goexit_deadlock: 2, GONE;
    goexit_blocked: 2, ASLEEP, then(&["crash::programs::waits(...)"]), never(&["goroutine 1 "]);
    goexit_stopped_main: 2, GONE;
    no_deadlock_timer: 0, "";
    no_deadlock_thread: 0, "";
    no_deadlock_hog: 0, "";
    no_deadlock_blocked: 0, "";
    fatal_threads: 2, "runtime: program exceeds 0-thread limit\nfatal error: thread exhaustion\n\n", then(&["goroutine 1 [running]:\n", "crash::programs::fatal_threads::"]);
    fatal_in_panic: 2, "panic: before\n\tfatal error: sync: unlock of unlocked mutex\n\ngoroutine ", then(&["[running]:\ncrash::programs::unlock_twice(...)\n", "created by "]);
    fatal_in_panics: 2, "panic: outer [recovered]\n\tpanic: (dyn Any) 0x", then(&["\n\tfatal error: sync: unlock of unlocked mutex\n"]), never(&["never asked"]);
    fatal_in_destructor: 2, "panic: in two\n\tlines\n\tfatal error: sync: unlock of unlocked mutex\n";
    fatal_cannot_be_recovered: 2, "fatal error: sync: unlock of unlocked mutex\n\n", then(MARK);
    fatal_wins_over_main: 2, "fatal error: sync: unlock of unlocked mutex\n\n", then(&["\ncrash::programs::unlock_twice(...)\n", "created by "]);
    unlock_mutex: 2, "fatal error: sync: unlock of unlocked mutex\n\ngoroutine 1 [running]:\ncrash::programs::unlock_twice(...)\n";
    runlock_rwlock: 2, "fatal error: sync: RUnlock of unlocked RWMutex\n\ngoroutine 1 [running]:\n";
    unlock_rwlock: 2, "fatal error: sync: Unlock of unlocked RWMutex\n\ngoroutine 1 [running]:\n";
    negative_group: 2, "panic: sync: negative WaitGroup counter\n\n", then(MARK);
    closed_twice: 2, "panic: close of closed channel\n\n", then(MARK);
    sent_to_closed: 2, "panic: send on closed channel\n\n", then(MARK);
    closed_nil: 2, "panic: close of nil channel\n\n", then(MARK);
    send_meets_close: 2, "panic: send on closed channel\n\n", then(MARK);
    nested_in_destructor: 2, "panic: too small\n\n", then(&["crash::programs::deep_inside(...)\n\t", "crash::programs::nested_in_destructor::{{closure}}(...)\n"]), never(&["the inner one"]);
    panic_in_hook: SIGNAL + 6, "", then(&["thread panicked while processing panic. aborting."]);
    hook_replaced: 2, "hook: first\npanic: first\n\n", then(MARK2);
    hook_before: 2, "hook before\npanic: in a goroutine\n\n", then(&["[running]:\ncrash::programs::hook_before::"]);
    panics_while_parked: 2, "panic: after many parks\n\n", then(&["[running]:\ncrash::programs::panics_while_parked::"]);
    panic_of_after_func: 2, "panic: late\n\n", then(&["[running]:\ncrash::programs::panic_of_after_func::"]);
    unjoined_scope_panic: 101, "\nthread ", then(&["a scoped goroutine panicked"]), never(&["in a scope"]);
    ten_at_once: 2, "panic: one of ten\n\n", then(&["[running]:\n"]);
    seeds: 0, "", stdout("0 1 2 3 4 5 6 7 8 9 2 1 0 3 3 3 15 123 789 \n");
    quit: 2, "SIGQUIT: quit\n", then(&["\ngoroutine 1 [sleep]:\n", "crash::programs::quit::{{closure}}(...)", "\n\ngoroutine ", "[chan receive]:\ncrash::programs::waits(...)"]);
    quit_asleep: 2, "SIGQUIT: quit\n", then(&["\ngoroutine 1 [chan receive]:\ncrash::programs::waits(...)"]);
    quit_taken: 7, "";
    dump_of_many: 0, "", stdout("100001 true\n");
    dump: 0, "goroutine 1 [running]:\ncrash::programs::dump::{{closure}}(...)\n", then(&["\n\ngoroutine ", " [chan receive]:\ncrash::programs::waits(...)\n\t", "crash::programs::dump::{{closure}}::{{closure}}(...)\n", "created by crash::programs::dump::{{closure}} in goroutine 1\n\t"]);
};

pub(crate) const WITH_ENV: &[Case] = &[
    Case::new(super::VERDICTS, super::verdicts::program, 2, ""),
    Case::new("level_none", str_value, 2, "panic: a text\n")
        .env(&[("GORT_TRACEBACK", "none")])
        .never(&["goroutine"]),
    Case::new("level_all", str_value, 2, "panic: a text\n\ngoroutine ")
        .env(&[("GORT_TRACEBACK", "all")])
        .then(&["[running]:\n", "\n\ngoroutine 1 [chan receive (nil chan)]:\n"]),
    Case::new("level_number", str_value, 2, "panic: a text\n\ngoroutine ")
        .env(&[("GORT_TRACEBACK", "1")])
        .then(&["\n\ngoroutine 1 ["]),
    Case::new("level_system", str_value, 2, "panic: a text\n\ngoroutine ")
        .env(&[("GORT_TRACEBACK", "system")])
        .then(&["gort", "\n\ngoroutine 1 [chan receive (nil chan)]:\n", "suspend", "gort_"]),
    Case::new("level_crash", str_value, SIGNAL + 6, "panic: a text\n\ngoroutine ")
        .env(&[("GORT_TRACEBACK", "crash")]),
    Case::new(
        "level_none_deadlock",
        deadlock,
        2,
        "fatal error: all goroutines are asleep - deadlock!\n",
    )
    .env(&[("GORT_TRACEBACK", "none")])
    .never(&["goroutine 1"]),
];
