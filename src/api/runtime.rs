//! Go's package `runtime`: the scheduler's controls and counters.

use crate::sched::current::current;
use crate::sched::{self, SCHED};

/// Lets other goroutines run: the caller goes to the end of the global queue and returns when its
/// turn comes. On a plain thread, yields the thread.
#[inline(always)]
pub fn gosched() {
    sched::goexit::point();
    sched::yield_now();
}

/// Ends the calling goroutine: destructors run up to its entry, nothing is printed, `catch_unwind`
/// on the way sees a payload it must pass on. If it is a main goroutine, `run` never returns, and
/// the process ends when the last goroutine has: see Go's `runtime.Goexit`.
///
/// # Panics
/// On a thread that is not a goroutine.
///
/// ```
/// gort::run(|| {
///     let handle = gort::spawn(|| -> u32 { gort::runtime::goexit() });
///     assert!(handle.join().unwrap_err().is::<gort::Goexit>());
/// });
/// ```
pub fn goexit() -> ! {
    crate::panic::goexit()
}

/// Sets how many goroutines run at the same time and returns the previous number; 0 only asks. Stops
/// the world for a moment. Values above 65,536 mean 65,536. Ends the automatic updates (Go).
///
/// ```
/// gort::run(|| {
///     let before = gort::runtime::gomaxprocs(3);
///     assert_eq!(gort::runtime::gomaxprocs(before), 3);
/// });
/// ```
pub fn gomaxprocs(n: usize) -> usize {
    crate::panic::ensure_started();
    sched::set_procs(n, true)
}

/// Goes back to following the CPUs the process may use and its cgroup's quota.
pub fn set_default_gomaxprocs() {
    crate::panic::ensure_started();
    sched::set_procs(crate::sys::cpu::default_procs(), false);
}

/// CPUs the process could use when it started.
#[must_use]
pub fn num_cpu() -> usize {
    crate::sys::cpu::num_cpu()
}

/// Goroutines that exist: running, runnable or blocked.
#[must_use]
pub fn num_goroutine() -> usize {
    sched::goroutines()
}

/// Goroutines started since the process began.
#[must_use]
pub fn num_goroutine_created() -> u64 {
    sched::goroutines_created()
}

/// Number of the calling goroutine; 0 on a thread that is not one. The first main goroutine is 1.
#[inline]
#[must_use]
pub fn goid() -> u64 {
    current().and_then(|m| m.curg()).map_or(0, |g| g.id.get())
}

/// The stacks of all goroutines as text, the caller's first, in Go's layout: what each is doing or
/// waiting for, its functions with their places, and who started it. Stops the world for as long as
/// it takes to read the stacks. A goroutine that runs on another thread meanwhile shows none.
///
/// ```
/// fn waits_for_ever(c: gort::Chan<()>) {
///     c.recv();
/// }
/// gort::run(|| {
///     let c = gort::chan(0);
///     gort::go!(waits_for_ever(c.clone()));
///     gort::runtime::gosched();
///     let dump = gort::runtime::stack_dump();
///     assert!(dump.contains("[running]:\n") && dump.contains("[chan receive]:\n"), "{dump}");
/// });
/// ```
#[must_use]
pub fn stack_dump() -> String {
    crate::panic::ensure_started();
    crate::panic::stack_dump()
}

/// Locks the calling goroutine to its OS thread: from here on it runs on no other thread, and the
/// thread runs nothing else (Go's `LockOSThread`). Calls are counted: so many calls of
/// [`unlock_os_thread`] undo it. For libraries that want one thread for themselves (a window system,
/// OpenGL), or for changes to the thread itself (priority, affinity, namespaces).
///
/// A goroutine that ends while it is locked ends its thread, so leave it locked if the thread is not
/// to be used by others again. No thread of the runtime is cloned from a locked one. The main
/// goroutine begins on the thread that called [`run`](crate::run): if it locks itself first of all, it
/// stays there.
///
/// A switch to a locked goroutine and back costs two thread switches each, tens of microseconds. On
/// a plain thread nothing happens.
///
/// # Panics
/// When the goroutine has locked itself `u32::MAX` times.
///
/// ```
/// gort::run(|| {
///     gort::runtime::lock_os_thread();
///     let thread = std::thread::current().id();
///     gort::time::sleep(std::time::Duration::from_millis(1));
///     assert_eq!(std::thread::current().id(), thread);
///     gort::runtime::unlock_os_thread();
/// });
/// ```
pub fn lock_os_thread() {
    sched::lock_os_thread();
}

/// Undoes one [`lock_os_thread`]; a surplus one does nothing.
pub fn unlock_os_thread() {
    sched::unlock_os_thread();
}

/// Sets the cap of a goroutine's stack in bytes and returns the previous one (Go's
/// `debug.SetMaxStack`). Goroutines started from now on have it, and
/// [`stack::ensure`](crate::stack::ensure) obeys it at once; what a goroutine already has stays
/// usable. At least 64 KiB.
///
/// ```
/// gort::run(|| {
///     let before = gort::runtime::set_max_stack(1 << 20);
///     let h = gort::spawn(gort::stack::limit);
///     assert_eq!(h.join().unwrap(), 1 << 20);
///     assert_eq!(gort::runtime::set_max_stack(before), 1 << 20);
/// });
/// ```
pub fn set_max_stack(bytes: usize) -> usize {
    crate::panic::ensure_started();
    sched::cap::set_max_stack(bytes)
}

/// Sets the limit of OS threads and returns the previous one. A limit below what exists ends the
/// process (Go).
pub fn set_max_threads(n: usize) -> usize {
    SCHED.set_max_threads(n)
}

/// Whose thread-locals goroutines use, in the process as it runs.
#[must_use]
pub fn thread_locals() -> crate::ThreadLocals {
    match crate::tls::in_force() {
        Some(_) => crate::ThreadLocals::PerGoroutine,
        None if sched::pinned::in_force() => crate::ThreadLocals::Pinned,
        None => crate::ThreadLocals::Shared,
    }
}

/// OS threads of the runtime: those that run goroutines or could, the monitor, the template thread. A
/// thread of the program's inside [`run`](crate::run) is not counted.
///
/// ```
/// gort::run(|| {
///     gort::spawn(|| ()).join().unwrap();
///     assert!(gort::runtime::num_threads() >= 3);
/// });
/// ```
#[must_use]
pub fn num_threads() -> usize {
    sched::threads().0
}

/// Those of [`num_threads`] that are parked until there is something to do: they are used again
/// before another is made.
#[must_use]
pub fn num_idle_threads() -> usize {
    sched::threads().1
}
