//! Futexes: sleep while a word holds a value, wake who sleeps on it.
//!
//! The words are ordinary `AtomicU32`s; every caller re-checks its condition after a return, so
//! spurious returns, `EINTR` and stale wake-ups are harmless.

use std::sync::atomic::AtomicU32;

/// Sleeps while `*word == expected`, at most `timeout_ns` (for ever if `None`).
/// Returns early on a wake, a signal, or a changed word; `false` says the time ran out.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout_ns: Option<u64>) -> bool {
    let ts = timeout_ns.map(super::clock::timespec);
    let ts_ptr = ts.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `word` outlives the call, `ts_ptr` is null or points to `ts` above.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            ts_ptr,
        )
    };
    rc == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ETIMEDOUT)
}

/// Wakes at most `n` threads that sleep on `word`. The address is only a key: a word that has been
/// freed since is no danger (the kernel finds nobody, or someone who re-checks).
pub(crate) fn wake(word: *const AtomicU32, n: i32) {
    // SAFETY: FUTEX_WAKE does not access memory through the address in a way that can fault us.
    unsafe {
        libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, n);
    }
}
