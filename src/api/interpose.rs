//! Two functions of the C library that would go wrong on a goroutine with a block of its own, in their
//! place: the linker finds ours first, in a dynamically linked program. Everyone else is passed on.
//!
//! * `pthread_getattr_np` of the calling goroutine asks the kernel about the thread with the block's id,
//!   which the kernel does not know: the real id is lent to the block for the call. What it then tells of
//!   the stack is the goroutine's.
//! * `pthread_exit` would unwind to the start of a thread that is not there: it is `goexit`.

use crate::sys::tls;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The C library's own function of a name, looked up once.
fn real(cache: &AtomicUsize, name: &std::ffi::CStr) -> usize {
    let mut at = cache.load(Ordering::Relaxed);
    if at == 0 {
        at = tls::find_next(name).expect("the C library has its own function behind ours");
        cache.store(at, Ordering::Relaxed);
    }
    at
}

/// # Safety
/// As `pthread_getattr_np(3)` asks.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_getattr_np(thread: usize, attributes: *mut c_void) -> c_int {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    type Real = unsafe extern "C" fn(usize, *mut c_void) -> c_int;
    // SAFETY: the C library declares it so.
    let real = unsafe { std::mem::transmute::<usize, Real>(real(&REAL, c"pthread_getattr_np")) };
    let _lent = crate::tls::lend_id(thread);
    // SAFETY: the caller's promise.
    unsafe { real(thread, attributes) }
}

/// # Safety
/// As `pthread_exit(3)` asks: the frames that are skipped may be unwound.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn pthread_exit(value: *mut c_void) -> ! {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    type Real = unsafe extern "C-unwind" fn(*mut c_void) -> !;
    if crate::tls::in_force().is_some() && crate::runtime::goid() != 0 {
        crate::panic::goexit();
    }
    // SAFETY: the C library declares it so.
    let real = unsafe { std::mem::transmute::<usize, Real>(real(&REAL, c"pthread_exit")) };
    // SAFETY: the caller's promise.
    unsafe { real(value) }
}
