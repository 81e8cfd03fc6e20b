//! OS threads: creation, identity, the process-wide memory barrier, a nap, and what fork leaves.

use super::signal::Mask;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stack of a scheduler thread. Goroutines do not run on it; the scheduler's frames, timer
/// callbacks and the destructors of thread-locals do.
const STACK: usize = 512 << 10;

/// Starts a detached thread named `name`. It begins with every signal blocked, so that none is taken
/// before it has arranged itself; `body` sets its [`Mask`].
///
/// Not std's: that gives each thread a signal stack of its own, which ours bring themselves, and
/// aborts the process if it cannot be mapped.
///
/// # Errors
/// The operating system's, as it gave it (`EAGAIN` at a limit).
pub(crate) fn start(name: &'static CStr, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    struct Start(&'static CStr, Box<dyn FnOnce() + Send>);
    extern "C" fn main(start: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: `start` below passed a Box of this type, once.
        let Start(name, body) = *unsafe { Box::from_raw(start.cast::<Start>()) };
        // SAFETY: names the calling thread; the text ends in a zero.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
        body();
        std::ptr::null_mut()
    }
    let start = Box::into_raw(Box::new(Start(name, Box::new(body))));
    let before = Mask::ALL.set();
    // SAFETY: `main` takes what `start` points to.
    let rc = unsafe { create(main, start.cast()) };
    before.set();
    if rc == 0 {
        return Ok(());
    }
    // SAFETY: no thread was made, so nobody took the Box.
    drop(unsafe { Box::from_raw(start) });
    Err(io::Error::from_raw_os_error(rc))
}

/// From now on the kernel wakes the calling thread when its time is up, not up to 50 µs later to save
/// interrupts: whoever keeps the clock wakes others.
pub(crate) fn punctual() {
    // SAFETY: sets a number of the calling thread. Where the kernel does not know it, nothing changes.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) };
}

/// `pthread_create`, detached, with [`STACK`].
///
/// # Safety
/// `main` may be called with `arg` on another thread.
unsafe fn create(
    main: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void,
    arg: *mut libc::c_void,
) -> libc::c_int {
    let mut attr = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut id = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes are made before and destroyed after their use; the rest is the caller's
    // promise.
    unsafe {
        libc::pthread_attr_init(attr.as_mut_ptr());
        libc::pthread_attr_setstacksize(attr.as_mut_ptr(), STACK);
        libc::pthread_attr_setdetachstate(attr.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let rc = libc::pthread_create(id.as_mut_ptr(), attr.as_ptr(), main, arg);
        libc::pthread_attr_destroy(attr.as_mut_ptr());
        rc
    }
}

/// Calls `in_child` in the child of every fork from now on, on the thread that forked.
pub(crate) fn at_fork(in_child: extern "C" fn()) {
    // SAFETY: registers a function that may be called in a forked child. A full table (ENOMEM) costs
    // the message in the child, nothing else.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

/// Kernel id of the calling thread.
pub(crate) fn id() -> u32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// Lowest and one past the highest address of the calling thread's stack; (1, usize::MAX), room
/// without end, where the system does not say.
pub(crate) fn stack() -> (usize, usize) {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: fills in the attributes of the calling thread, which is there.
    if unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) } != 0 {
        return (1, usize::MAX);
    }
    let (mut lowest, mut bytes) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes have been filled in.
    unsafe {
        libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut bytes);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    }
    (lowest.addr(), lowest.addr() + bytes)
}

/// Whether the calling thread has a shadow stack that Linux tells of in the manner common to CPUs
/// (aarch64's GCS, riscv64's Zicfiss; x86-64 has its own). No kernel without them knows the question.
#[cfg_attr(target_arch = "x86_64", allow(dead_code))]
pub(crate) fn has_shadow_stack() -> bool {
    const PR_GET_SHADOW_STACK_STATUS: libc::c_int = 74;
    const PR_SHADOW_STACK_ENABLE: libc::c_ulong = 1;
    let mut status: libc::c_ulong = 0;
    // SAFETY: the kernel writes one word, or refuses.
    let rc = unsafe { libc::prctl(PR_GET_SHADOW_STACK_STATUS, &raw mut status, 0, 0, 0) };
    rc == 0 && status & PR_SHADOW_STACK_ENABLE != 0
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
/// fence that the other threads' fast paths leave out. False: the program has forbidden itself the
/// call since the start (seccomp), there was no barrier and there will be none.
#[must_use]
pub(crate) fn process_barrier() -> bool {
    let ok = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    if !ok {
        HAVE_MEMBARRIER.store(false, Ordering::Relaxed);
    }
    ok
}
