//! Signals: the stack that a handler needs when the goroutine's own is used up, and what ends the
//! process from a handler. The faults themselves are in `fault.rs`.

use super::lock::Lock;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

/// Bytes of an M's alternate signal stack: the overflow report unwinds and symbolizes on it.
const ALT_STACK: usize = 256 << 10;

/// Alternate stacks that are in no use: their threads have left `run`.
static UNUSED: Lock<Vec<usize>> = Lock::new(Vec::new());

/// A thread's alternate signal stack while goroutines run on it. Dropping it puts back what the thread
/// had before.
#[derive(Debug)]
pub(crate) struct AltStack {
    /// Our mapping, unless the system refused one.
    at: Option<usize>,
    before: libc::stack_t,
}

impl AltStack {
    /// Gives the calling thread an alternate signal stack of [`ALT_STACK`] bytes. If the system
    /// refuses the thread keeps the one it has (the standard library gives every thread a small one).
    pub(crate) fn enter() -> Self {
        let before =
            libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        let mut this =
            Self { at: UNUSED.lock().pop().or_else(|| super::mem::map(ALT_STACK)), before };
        if let Some(at) = this.at {
            let new = libc::stack_t {
                ss_sp: ptr::with_exposed_provenance_mut(at),
                ss_flags: 0,
                ss_size: ALT_STACK,
            };
            // SAFETY: the mapping is unused, and is kept until `drop` has put the old one back.
            unsafe { libc::sigaltstack(&raw const new, &raw mut this.before) };
        }
        this
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            // SAFETY: `before` is what the thread had; it is not on the alternate stack now.
            unsafe { libc::sigaltstack(&raw const self.before, ptr::null_mut()) };
            UNUSED.lock().push(at);
        }
    }
}

/// Ends the process with `status` after `seconds`, whatever this thread does meanwhile: a crash
/// report that gets stuck (a lock held by the crashed code) must not hang the program.
pub(crate) fn exit_within(seconds: u32, status: libc::c_int) {
    static STATUS: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);
    extern "C" fn over(_: libc::c_int) {
        // SAFETY: _exit may be called from a handler.
        unsafe { libc::_exit(STATUS.load(std::sync::atomic::Ordering::Relaxed)) }
    }
    STATUS.store(status, std::sync::atomic::Ordering::Relaxed);
    // SAFETY: installs a handler that only calls _exit, unblocks its signal and starts the clock.
    unsafe {
        libc::signal(libc::SIGALRM, over as *const () as usize);
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGALRM);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
        libc::alarm(seconds);
    }
}

/// `_exit`: no destructors, no atexit; for handlers.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(status) }
}

/// A thread's signal mask.
#[derive(Clone, Copy)]
pub(crate) struct Mask(Which);

#[derive(Clone, Copy)]
enum Which {
    All,
    These(libc::sigset_t),
}

impl Mask {
    /// Blocks everything that is not the thread's own fault: a fault cannot be put off, and the
    /// kernel ends a process that blocks one it causes. The C library leaves out its own signals.
    pub(crate) const ALL: Self = Self(Which::All);

    /// What the calling thread blocks.
    pub(crate) fn current() -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: only asks; a set that could not be had is an empty one.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr());
            Self(Which::These(set.assume_init()))
        }
    }

    /// Makes it the calling thread's; returns what was.
    pub(crate) fn set(self) -> Self {
        let before = Self::current();
        let set = match self.0 {
            Which::These(set) => set,
            Which::All => all_but_faults(),
        };
        // SAFETY: passes a filled-in set.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) };
        before
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

fn all_but_faults() -> libc::sigset_t {
    const FAULTS: [libc::c_int; 6] =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: fills the set before it takes signals out of it.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), fault);
        }
        set.assume_init()
    }
}

/// Calls `on_quit` in the handler of SIGQUIT from now on, unless the program has a handler of its
/// own or ignores the signal.
pub(crate) fn take_quit(on_quit: fn()) {
    static ON_QUIT: OnceLock<fn()> = OnceLock::new();
    extern "C" fn handler(_: libc::c_int) {
        if let Some(f) = ON_QUIT.get() {
            f();
        }
    }
    // SAFETY: a zeroed sigaction is a valid one to fill in.
    let mut before: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: asks for the present action.
    let asked = unsafe { libc::sigaction(libc::SIGQUIT, std::ptr::null(), &raw mut before) };
    if asked != 0 || before.sa_sigaction != libc::SIG_DFL {
        return;
    }
    ON_QUIT.get_or_init(|| on_quit);
    let mut action = before;
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: `action` is filled in, and what the handler calls is set.
    unsafe { libc::sigaction(libc::SIGQUIT, &raw const action, std::ptr::null_mut()) };
}

/// A handler as the kernel calls it, of the kind that gets everything.
#[cfg(gort_own_tls)]
pub(crate) type Handler = extern "C" fn(libc::c_int, *mut libc::c_void, *mut libc::c_void);

/// The kernel's own idea of an action, which the C library does not show for the signals it keeps to
/// itself. This is its layout on every 64-bit CPU that has a restorer (x86-64).
#[cfg(gort_own_tls)]
#[repr(C)]
struct KernelAction {
    handler: Option<Handler>,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

#[cfg(gort_own_tls)]
fn kernel_action(sig: libc::c_int, new: Option<&KernelAction>) -> std::io::Result<KernelAction> {
    let mut old = KernelAction { handler: None, flags: 0, restorer: 0, mask: 0 };
    let new: *const KernelAction = new.map_or(ptr::null(), ptr::from_ref);
    let bytes = size_of::<u64>();
    // SAFETY: both records have the kernel's layout, and a mask of the size given.
    let rc = unsafe { libc::syscall(libc::SYS_rt_sigaction, sig, new, &raw mut old, bytes) };
    if rc == 0 { Ok(old) } else { Err(std::io::Error::last_os_error()) }
}

/// The handler of a signal that the C library keeps to itself, if there is one that gets everything.
///
/// # Errors
/// The kernel's.
#[cfg(gort_own_tls)]
pub(crate) fn internal_handler(sig: libc::c_int) -> std::io::Result<Option<Handler>> {
    let action = kernel_action(sig, None)?;
    let full = action.flags & libc::SA_SIGINFO as libc::c_ulong != 0;
    Ok(action.handler.filter(|_| full))
}

/// Puts `handler` in the place of that handler, its flags and mask unchanged.
///
/// # Errors
/// The kernel's.
#[cfg(gort_own_tls)]
pub(crate) fn replace_internal(sig: libc::c_int, handler: Handler) -> std::io::Result<()> {
    let action = kernel_action(sig, None)?;
    kernel_action(sig, Some(&KernelAction { handler: Some(handler), ..action })).map(drop)
}
