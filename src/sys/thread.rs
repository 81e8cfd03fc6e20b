//! OS threads: creation, identity, the process-wide memory barrier, a nap.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stack of a scheduler thread. Goroutines do not run on it; the scheduler's frames, timer
/// callbacks and the standard library's thread start do.
const STACK: usize = 512 << 10;

/// Starts a detached thread named `name`.
///
/// # Errors
/// The operating system's, as it gave it (`EAGAIN` at a limit).
pub(crate) fn start(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(body).map(drop)
}

/// Kernel id of the calling thread.
pub(crate) fn id() -> u32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// Sleeps about `us` microseconds.
pub(crate) fn nap(us: u64) {
    std::thread::sleep(std::time::Duration::from_micros(us));
}

/// Lets another thread of this core run.
pub(crate) fn os_yield() {
    std::thread::yield_now();
}

const MEMBARRIER_CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

static HAVE_MEMBARRIER: AtomicBool = AtomicBool::new(false);

fn membarrier(cmd: libc::c_int) -> bool {
    // SAFETY: membarrier takes a command and flags, no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, cmd, 0, 0) == 0 }
}

/// Registers the process for expedited barriers; false where the kernel or a seccomp filter
/// refuses. Called once at start, before any scheduler thread exists.
pub(crate) fn register_barrier() -> bool {
    let ok = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
        && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    HAVE_MEMBARRIER.store(ok, Ordering::Relaxed);
    ok
}

/// Whether [`process_barrier`] works; where it does not, the lease's owner fences instead.
pub(crate) fn have_barrier() -> bool {
    HAVE_MEMBARRIER.load(Ordering::Relaxed)
}

/// A full memory barrier on every running thread of the process (membarrier(2)): it stands for the
/// fence that the other threads' fast paths leave out.
pub(crate) fn process_barrier() {
    let ok = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    debug_assert!(ok, "membarrier was registered at start");
}
