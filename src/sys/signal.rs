//! Signals: the stack that a handler needs when the goroutine's own is used up, and the SIGSEGV
//! handler with exact chaining to whoever had the signal before.
//!
//! The handler asks one question of its caller - is this fault a goroutine's guard? - and hands
//! everything else on as if it were not there.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// Bytes of an M's alternate signal stack: the overflow report unwinds and symbolizes on it.
const ALT_STACK: usize = 256 << 10;

/// What a fault handler gets to know: the faulting address and the stack pointer at the fault.
pub(crate) type OnFault = fn(addr: usize, sp: usize);

struct Chain {
    on_fault: OnFault,
    before: UnsafeCell<MaybeUninit<libc::sigaction>>,
}

// SAFETY: `before` is written before the handler is installed and only read afterwards.
unsafe impl Sync for Chain {}

static CHAIN: OnceLock<Chain> = OnceLock::new();

/// Gives the calling thread an alternate signal stack of [`ALT_STACK`] bytes, unless it has one as
/// large. The memory stays with the thread for ever (scheduler threads do not end).
pub(crate) fn thread_start() {
    let mut old = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: asks for the present setting.
    if unsafe { libc::sigaltstack(std::ptr::null(), old.as_mut_ptr()) } == 0 {
        // SAFETY: the call filled it in.
        let old = unsafe { old.assume_init() };
        if old.ss_flags & libc::SS_DISABLE == 0 && old.ss_size >= ALT_STACK {
            return;
        }
    }
    // SAFETY: a new private mapping.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            ALT_STACK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return; // The thread keeps the small stack that the standard library gave it.
    }
    let new = libc::stack_t { ss_sp: at, ss_flags: 0, ss_size: ALT_STACK };
    // SAFETY: the mapping above is never unmapped.
    unsafe { libc::sigaltstack(&raw const new, std::ptr::null_mut()) };
}

/// Takes SIGSEGV and SIGBUS over, once in the life of the process. `on_fault` runs in the handler:
/// it returns for faults that are not its own.
pub(crate) fn take_faults(on_fault: OnFault) {
    CHAIN.get_or_init(|| {
        let chain = Chain { on_fault, before: UnsafeCell::new(MaybeUninit::uninit()) };
        // SAFETY: asks for the present action; the place is ours.
        unsafe { libc::sigaction(libc::SIGSEGV, std::ptr::null(), chain.before.get().cast()) };
        chain
    });
    // SAFETY: a zeroed sigaction is a valid one to fill in.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    // SAFETY: `action` is filled in, and `CHAIN` is set before the handler can run.
    unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()) };
}

extern "C" fn handler(sig: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(chain) = CHAIN.get() else { return };
    // SAFETY: the kernel passes a valid siginfo for a fault.
    let addr = unsafe { (*info).si_addr() }.addr();
    (chain.on_fault)(addr, stack_pointer(context));
    // SAFETY: written before this handler was installed.
    let before = unsafe { (*chain.before.get()).assume_init_ref() };
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // The fault comes again at the return and takes its default course (a real fault
            // cannot be ignored; the kernel treats SIG_IGN the same).
            // SAFETY: restores what was there.
            unsafe { libc::sigaction(sig, before, std::ptr::null_mut()) };
        }
        f if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO the word is a three-argument handler.
            let f: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(f) };
            f(sig, info, context);
        }
        f => {
            // SAFETY: without SA_SIGINFO the word is a one-argument handler.
            let f: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(f) };
            f(sig);
        }
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn stack_pointer(context: *mut libc::c_void) -> usize {
    // SAFETY: the third argument of an SA_SIGINFO handler is a ucontext_t.
    unsafe {
        (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RSP as usize] as usize
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn stack_pointer(_context: *mut libc::c_void) -> usize {
    0
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
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut());
        libc::alarm(seconds);
    }
}

/// `_exit`: no destructors, no atexit; for handlers.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(status) }
}
