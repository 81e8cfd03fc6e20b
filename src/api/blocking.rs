//! `blocking` and `blocking_long`.

use crate::sched::{self, Kind};

/// Runs `f`, which may block its OS thread: a system call, a C library, a lock of somebody else's. The
/// other goroutines go on meanwhile. Returns what `f` returns; a panic or goexit in `f` goes through.
///
/// Nothing has to be declared: a goroutine that blocks its thread without a word is found out by the
/// monitor within about a millisecond while others wait for its processor, and one that computes
/// within ten. Declared, it takes some tens of microseconds; and a call that turns out to be short has
/// cost two entries of the runtime and kept its processor (Go's entersyscall and exitsyscall). After
/// a long one the goroutine goes on with its old processor if that is idle, else with any idle one,
/// else it queues.
///
/// `f` may use the runtime, and may declare further calls. On a plain thread `blocking` just runs `f`.
///
/// ```
/// gort::run(|| {
///     let text = gort::blocking(|| std::fs::read_to_string("/proc/self/stat")).unwrap();
///     assert!(text.contains(&std::process::id().to_string()));
/// });
/// ```
#[inline]
pub fn blocking<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    sched::blocking(Kind::Unknown, f)
}

/// As [`blocking`], for a call that is known to take long, tens of microseconds or more: the processor
/// is handed to others at once (Go's entersyscallblock), which a short call would pay for.
///
/// ```
/// gort::run(|| {
///     let child = || std::process::Command::new("true").status();
///     assert!(gort::blocking_long(child).unwrap().success());
/// });
/// ```
#[inline]
pub fn blocking_long<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    sched::blocking(Kind::Long, f)
}
