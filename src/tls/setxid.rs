//! `setuid` and its kin make every thread of the process call the kernel, by signal 33. The C
//! library's handler takes the descriptor that the thread register points at for the kernel thread's
//! own; while a goroutine runs it is not, and the caller would wait for ever. So the handler is
//! wrapped: for its duration the register points at the block of the kernel thread itself, which the
//! kernel knows (its list of robust mutexes lies there).
//!
//! Two kernel threads may then point at one block for a moment (the caller of `run` while its main
//! goroutine runs elsewhere on that block). The C library's handler reads and writes only the words
//! of the descriptor that it also changes from other threads, atomically; errno is not touched.

use crate::switch::base;
use crate::sys::signal::{self, Handler};
use crate::sys::tls;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `SIGSETXID` of the C library.
const SIGNAL: i32 = 33;

/// The C library's handler, and where the kernel's record lies in a descriptor.
static BEFORE: AtomicUsize = AtomicUsize::new(0);
static ROBUST: AtomicUsize = AtomicUsize::new(0);

/// Puts our handler before the C library's, once.
pub(super) fn wrap(robust: usize) -> Result<(), String> {
    ROBUST.store(robust, Ordering::Relaxed);
    let before = signal::internal_handler(SIGNAL).map_err(|e| format!("signal 33: {e}"))?;
    let Some(before) = before else {
        return Err("signal 33 has no handler".to_owned());
    };
    BEFORE.store(before as usize, Ordering::Release);
    signal::replace_internal(SIGNAL, handler).map_err(|e| format!("signal 33: {e}"))
}

/// Not inlined anywhere: called by the kernel.
extern "C" fn handler(sig: i32, info: *mut std::ffi::c_void, context: *mut std::ffi::c_void) {
    let before = BEFORE.load(Ordering::Acquire);
    // SAFETY: `wrap` stored the handler that was installed, before ours was.
    let before = unsafe { std::mem::transmute::<usize, Handler>(before) };
    let here = base::get();
    let own = tls::robust_list().map_or(here, |head| head - ROBUST.load(Ordering::Relaxed));
    let mut call = || before(sig, info, context);
    if own == here {
        return call();
    }
    // SAFETY: the block of this kernel thread; the head says why another thread's use of it at the
    // same time does no harm. The C library's handler does not unwind.
    unsafe { base::with(own, &mut call) };
}
