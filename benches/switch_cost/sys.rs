//! What the measurements need of the system and std does not offer: CPU affinity, futexes, and threads
//! whose refusal can be observed.
//!
//! The only file of this program that names libc. Linux only, like the program.

use std::ffi::c_void;
use std::io;
use std::mem::{MaybeUninit, size_of, transmute};
use std::ptr;
use std::sync::atomic::AtomicU32;

/// The empty set.
fn no_cpus() -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is a plain bit array, initialised by zeroes.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// The CPUs this process may run on, in ascending order.
pub(crate) fn allowed_cpus() -> Vec<usize> {
    let mut set = no_cpus();
    // SAFETY: the pointer is to a live cpu_set_t of the size given.
    let rc = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if rc != 0 {
        return Vec::new();
    }
    let bits = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: CPU_ISSET reads one bit below CPU_SETSIZE, the length of the array.
    (0..bits).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Binds the calling thread to one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = no_cpus();
    // SAFETY: `cpu` came from `allowed_cpus`, so it is below CPU_SETSIZE.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the pointer is to a live cpu_set_t of the size given.
    let rc = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sleeps while `word` holds `expected`; may return early, so callers check again.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32) {
    // SAFETY: FUTEX_WAIT reads the word, which lives as long as the borrow; a null timeout waits.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            ptr::null::<libc::timespec>(),
        );
    }
}

/// Wakes at most `threads` of those that sleep on `word`.
pub(crate) fn futex_wake(word: &AtomicU32, threads: i32) {
    // SAFETY: FUTEX_WAKE uses the address as a key only; it is not dereferenced.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            threads,
        );
    }
}

/// A thread without what std adds. std gives each of its threads a signal stack, and where the
/// kernel has no mapping left for that the new thread aborts the process: a batch that runs
/// into the machine's limits has to be made of these, which `start` refuses with an error.
#[must_use]
#[derive(Debug)]
pub(crate) struct RawThread(libc::pthread_t);

impl RawThread {
    /// Starts `body` on a stack of std's default size.
    pub(crate) fn start(body: fn()) -> io::Result<Self> {
        const STACK: usize = 2 << 20;
        let mut attr = MaybeUninit::<libc::pthread_attr_t>::uninit();
        let attr = attr.as_mut_ptr();
        // SAFETY: the attribute object is live and not initialised yet.
        checked(unsafe { libc::pthread_attr_init(attr) })?;
        // SAFETY: initialised above; the size is a multiple of the page size above the minimum.
        let sized = checked(unsafe { libc::pthread_attr_setstacksize(attr, STACK) });
        let mut thread: libc::pthread_t = 0;
        let started = sized.and_then(|()| {
            let argument = body as *mut c_void;
            // SAFETY: the attributes are initialised, `enter` takes any `fn()` as its argument,
            // and that lives for ever.
            checked(unsafe { libc::pthread_create(&raw mut thread, attr, enter, argument) })
        });
        // SAFETY: initialised above and not used again.
        unsafe { libc::pthread_attr_destroy(attr) };
        started.map(|()| Self(thread))
    }

    pub(crate) fn join(self) -> io::Result<()> {
        // SAFETY: the thread was started joinable and `self` is the only handle, given up here.
        checked(unsafe { libc::pthread_join(self.0, ptr::null_mut()) })
    }
}

extern "C" fn enter(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `RawThread::start` passes a `fn()` and nothing else.
    let body: fn() = unsafe { transmute::<*mut c_void, fn()>(argument) };
    body();
    ptr::null_mut()
}

/// The pthread functions return the error number.
fn checked(rc: libc::c_int) -> io::Result<()> {
    if rc == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(rc)) }
}
