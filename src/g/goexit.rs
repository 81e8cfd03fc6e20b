//! How far a goroutine's goexit has come.

/// The stage of a goroutine's goexit; changed by the goroutine itself (`sched/goexit.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not called goexit.
    None,
    /// It unwinds; or somebody has stopped that, and it must go on.
    Unwinding,
    /// Code of ours has caught the unwind, runs deferred calls, and will raise it again.
    Handling,
}
