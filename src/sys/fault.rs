//! SIGSEGV and SIGTRAP: two handlers that ask one question each - is it ours? - and otherwise hand
//! the signal on to whoever had it before, exactly as the kernel would have.
//!
//! Whoever installs a handler after us and chains to it gets the same. SIGTRAP is taken only when
//! somebody wants to step, and taken again each time: a debugger's or profiler's handler that came
//! in between becomes the one we hand on to.
//!
//! What "exactly" means: the default action for a fault is met by letting the instruction fault
//! again without us, so that the core dump is of the right place, and for a signal that was sent by
//! sending it again; an ignored signal stays ignored if it was sent, and a fault that is ignored
//! ends the process, as the kernel has it; a handler gets the arguments it asked for, its own mask on
//! top of the present one, and is forgotten after one call if it said so.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Decides whether a signal is ours, and deals with it if so.
pub(crate) type Take = fn(&mut Interrupted<'_>, addr: usize) -> bool;

/// The code a signal has interrupted: its registers, which it goes on with.
#[derive(Debug)]
pub(crate) struct Interrupted<'a>(
    #[cfg_attr(not(all(target_os = "linux", target_arch = "x86_64")), allow(dead_code))]
    &'a mut libc::ucontext_t,
);

/// A handler that was there before.
struct Chain {
    before: UnsafeCell<MaybeUninit<libc::sigaction>>,
    set: AtomicBool,
    /// It asked to be called once (SA_RESETHAND) and was.
    spent: AtomicBool,
}

// SAFETY: `before` is written under `taking`, while our handler for the signal is not installed or
// has been replaced by the one that is being written.
unsafe impl Sync for Chain {}

impl Chain {
    const fn new() -> Self {
        Self {
            before: UnsafeCell::new(MaybeUninit::uninit()),
            set: AtomicBool::new(false),
            spent: AtomicBool::new(false),
        }
    }

    /// Installs `handler`, unless it is installed.
    fn take(&self, signal: libc::c_int, handler: Handler) {
        static TAKING: super::lock::RawLock = super::lock::RawLock::new();
        // SAFETY: a zeroed sigaction is a valid one to fill in.
        let mut now: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: asks for the present action.
        unsafe { libc::sigaction(signal, ptr::null(), &raw mut now) };
        if now.sa_sigaction == handler as *const () as usize {
            return;
        }
        TAKING.lock();
        // SAFETY: the place is ours while the lock is held; see the impl of Sync.
        unsafe { (*self.before.get()).write(now) };
        self.spent.store(false, Ordering::Relaxed);
        // Release: pairs with `pass_on`.
        self.set.store(true, Ordering::Release);
        // SAFETY: as above.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        // SAFETY: `action` is filled in, and the chain is set before the handler can run.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        TAKING.unlock();
    }

    /// Does what would have happened without us.
    ///
    /// # Safety
    /// Called by our handler with its own arguments.
    unsafe fn pass_on(
        &self,
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        // SAFETY: the kernel passes a valid siginfo.
        let sent = unsafe { (*info).si_code } <= 0;
        // Acquire: pairs with `take`.
        if !self.set.load(Ordering::Acquire) {
            return default_action(signal, sent);
        }
        // SAFETY: written before our handler was installed.
        let before = unsafe { (*self.before.get()).assume_init_ref() };
        let once = before.sa_flags & libc::SA_RESETHAND != 0;
        if once && self.spent.swap(true, Ordering::Relaxed) {
            return default_action(signal, sent);
        }
        match before.sa_sigaction {
            libc::SIG_IGN if sent => {}
            libc::SIG_DFL | libc::SIG_IGN => default_action(signal, sent),
            // SAFETY: the handler that was installed for this signal, with the kernel's arguments.
            _ => unsafe { call(before, signal, info, context) },
        }
    }
}

/// Calls a handler under the mask it asked for.
///
/// # Safety
/// `action` is a handler that was installed for `signal`; the rest are a handler's arguments.
unsafe fn call(
    action: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let mut mask = action.sa_mask;
    let mut present = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: plain sets; a thread's mask may be changed in a handler.
    unsafe {
        if action.sa_flags & libc::SA_NODEFER == 0 {
            libc::sigaddset(&raw mut mask, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const mask, present.as_mut_ptr());
    }
    if action.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: with SA_SIGINFO the word is a three-argument handler.
        let f: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(action.sa_sigaction) };
        f(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO the word is a one-argument handler.
        let f: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(action.sa_sigaction) };
        f(signal);
    }
    // SAFETY: filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, present.as_ptr(), ptr::null_mut()) };
}

/// Lets the default action happen: when the interrupted instruction faults again, or at once.
fn default_action(signal: libc::c_int, sent: bool) {
    // SAFETY: no handler of ours is needed any more, the process ends.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        // A trap does not come again by itself.
        if sent || signal == libc::SIGTRAP {
            libc::raise(signal);
        }
    }
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

static FAULTS: Chain = Chain::new();
static ON_FAULT: std::sync::OnceLock<Take> = std::sync::OnceLock::new();

/// Takes SIGSEGV over, once in the life of the process.
pub(crate) fn take_faults(on_fault: Take) {
    ON_FAULT.get_or_init(|| on_fault);
    FAULTS.take(libc::SIGSEGV, fault);
}

extern "C" fn fault(sig: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid arguments; for a fault `si_addr` is set.
    let (code, addr) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    // SAFETY: the third argument is the interrupted context, ours for the length of the handler.
    let mut interrupted = Interrupted(unsafe { &mut *context.cast() });
    if code > 0 && ON_FAULT.get().is_some_and(|take| take(&mut interrupted, addr)) {
        return;
    }
    // SAFETY: our own arguments.
    unsafe { FAULTS.pass_on(sig, info, context) };
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use stepping::take_traps;

/// The registers of x86-64, and its trap flag.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod stepping {
    use super::{Chain, Interrupted, Take};

    /// A trap after one instruction.
    const TRAP_TRACE: libc::c_int = 2;
    const TRAP_FLAG: i64 = 1 << 8;
    const DIRECTION_FLAG: i64 = 1 << 10;

    /// The context's places for the registers by their number in the instruction set.
    const PLACES: [libc::c_int; 16] = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];

    static TRAPS: Chain = Chain::new();
    static ON_TRAP: std::sync::OnceLock<Take> = std::sync::OnceLock::new();

    /// Says who steps.
    pub(crate) fn on_traps(on_trap: Take) {
        ON_TRAP.get_or_init(|| on_trap);
    }

    /// Takes SIGTRAP over, unless it is ours already. May be called in a handler.
    pub(crate) fn take_traps() {
        TRAPS.take(libc::SIGTRAP, trap);
    }

    extern "C" fn trap(sig: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo.
        let code = unsafe { (*info).si_code };
        // SAFETY: the third argument is the interrupted context.
        let mut interrupted = Interrupted(unsafe { &mut *context.cast() });
        if code == TRAP_TRACE && ON_TRAP.get().is_some_and(|take| take(&mut interrupted, 0)) {
            return;
        }
        // SAFETY: our own arguments.
        unsafe { TRAPS.pass_on(sig, info, context) };
    }

    impl Interrupted<'_> {
        fn word(&mut self, place: libc::c_int) -> &mut i64 {
            &mut self.0.uc_mcontext.gregs[place as usize]
        }

        /// The general registers, by their number in the instruction set.
        pub(crate) fn registers(&mut self) -> [usize; 16] {
            PLACES.map(|p| *self.word(p) as usize)
        }

        /// Goes on with these.
        pub(crate) fn set_registers(&mut self, registers: &[usize; 16]) {
            for (place, value) in PLACES.into_iter().zip(registers) {
                *self.word(place) = value.cast_signed() as i64;
            }
        }

        /// The stack pointer.
        pub(crate) fn sp(&mut self) -> usize {
            *self.word(libc::REG_RSP) as usize
        }

        /// The instruction that is next.
        pub(crate) fn pc(&mut self) -> usize {
            *self.word(libc::REG_RIP) as usize
        }

        /// Goes on at `pc`, with the flags as at a call.
        pub(crate) fn call(&mut self, pc: usize) {
            *self.word(libc::REG_RIP) = pc.cast_signed() as i64;
            *self.word(libc::REG_EFL) &= !DIRECTION_FLAG;
        }

        /// Whether to trap after the next instruction.
        pub(crate) fn step(&mut self, on: bool) {
            let flags = self.word(libc::REG_EFL);
            *flags = if on { *flags | TRAP_FLAG } else { *flags & !TRAP_FLAG };
        }
    }
}
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use stepping::on_traps;

/// Elsewhere an overflow is always reported, and this is all there is to report.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
impl Interrupted<'_> {
    pub(crate) fn sp(&mut self) -> usize {
        0
    }
}
