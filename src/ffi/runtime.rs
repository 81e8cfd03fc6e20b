//! The runtime: starting it, goroutines, the scheduler's controls and counters.

use super::entry::{self, Call};
use super::{gort_function, status};
use crate::panic::{end_by_report, start_goroutine, start_runtime};
use crate::runtime as rt;
use crate::sched::boot;
use crate::sched::current::current;
use crate::switch::Caught;
use crate::sys::errno::{EAGAIN, EINVAL, EPERM};
use crate::{Config, OnPanic};
use std::ffi::{c_char, c_int, c_void};

/// How the runtime is to run; for `gort_config_run`. Zeroes are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct gort_config {
    /// sizeof(struct gort_config): later versions may add members.
    pub size: usize,
    /// How many goroutines run at the same time. 0: the environment's GOMAXPROCS, else the CPUs the
    /// process may use.
    pub procs: usize,
    /// Cap of a goroutine's stack, in bytes. 0: 1 GiB, on 32-bit targets 250 MB.
    pub max_stack: usize,
    /// Most OS threads. 0: 10,000.
    pub max_threads: usize,
    /// Not 0: a panic that nobody recovers ends its goroutine only, not the process.
    pub isolate_panics: c_int,
}

/// Runs `f(arg)` as a goroutine, beginning on the calling thread, and returns when it has returned;
/// starts the runtime with its defaults if it does not run yet. Goroutines that still run then are not
/// waited for. Several threads may be in it at once.
///
/// 0; -EINVAL without a function; -EPERM in a goroutine; -EAGAIN if the system refuses a thread or a
/// stack. -ENOTRECOVERABLE if the function panicked.
#[unsafe(no_mangle)]
pub extern "C" fn gort_run(f: gort_function, arg: *mut c_void) -> c_int {
    gort_config_run(std::ptr::null(), f, arg)
}

/// As `gort_run`, with a configuration (null: the defaults), which the first run of a process fixes:
/// -EINVAL if another one is in force.
#[unsafe(no_mangle)]
pub extern "C" fn gort_config_run(
    config: *const gort_config,
    f: gort_function,
    arg: *mut c_void,
) -> c_int {
    status(run(config, f, arg))
}

fn run(config: *const gort_config, f: gort_function, arg: *mut c_void) -> Result<(), c_int> {
    let call = Call::new(f, arg)?;
    if rt::goid() != 0 {
        return Err(EPERM);
    }
    // SAFETY: the header's contract: null or a configuration.
    let config = unsafe { config.as_ref() }.map(settings).transpose()?;
    let main = move || entry::run(call);
    let ran = match config {
        None if boot::is_started() => Ok(std::panic::catch_unwind(|| crate::run(main))),
        None => std::panic::catch_unwind(|| Config::new().run(main))
            .map_or_else(|panic| Ok(Err(panic)), |ran| ran.map(Ok).map_err(|_| EAGAIN)),
        Some(config) => std::panic::catch_unwind(|| config.run(main))
            .map_or_else(|panic| Ok(Err(panic)), |ran| ran.map(Ok).map_err(|_| EINVAL)),
    };
    ran?.map_err(|panic| {
        drop(panic);
        crate::sys::errno::ENOTRECOVERABLE
    })
}

fn settings(from: &gort_config) -> Result<Config, c_int> {
    if from.size != size_of::<gort_config>() {
        return Err(EINVAL);
    }
    let mut config = Config::new();
    if from.procs != 0 {
        config = config.procs(from.procs);
    }
    if from.max_stack != 0 {
        config = config.max_stack(from.max_stack);
    }
    if from.max_threads != 0 {
        config = config.max_threads(from.max_threads);
    }
    if from.isolate_panics != 0 {
        config = config.on_panic(OnPanic::Isolate);
    }
    Ok(config)
}

/// Starts a goroutine; its number.
pub(super) fn start(f: impl FnOnce() + Send + 'static) -> Result<u64, c_int> {
    if !boot::is_started() {
        start_runtime(None).map_err(|_| EAGAIN)?;
    }
    let options = crate::sched::Options::default();
    // SAFETY: `f` is 'static, and its callers catch what leaves C's function; started above.
    unsafe { start_goroutine(options, f) }.map_err(|_| EAGAIN)
}

/// Starts a goroutine that runs `f(arg)`. From a plain thread, too, which starts the runtime if it does
/// not run.
///
/// 0; -EINVAL without a function; -EAGAIN if no goroutine can be made.
#[unsafe(no_mangle)]
pub extern "C" fn gort_go(f: gort_function, arg: *mut c_void) -> c_int {
    let go = |call| start(end_by_report(move || entry::run(call), || ())).map(drop);
    status(Call::new(f, arg).and_then(go))
}

/// Lets other goroutines run. On a plain thread, yields the thread.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_yield() {
    let _caught = Caught::take();
    rt::gosched();
}

/// Ends the calling goroutine: unwinds its stack (see `gort_panic`), running deferred calls and
/// destructors. Nothing can stop it. A main goroutine's `gort_run` does not return then.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_exit() -> ! {
    rt::goexit()
}

/// The number of the calling goroutine, never reused; 0 on a plain thread.
#[unsafe(no_mangle)]
pub extern "C" fn gort_goid() -> u64 {
    rt::goid()
}

/// Sets how many goroutines run at the same time; the number before. 0 only asks.
#[unsafe(no_mangle)]
pub extern "C" fn gort_gomaxprocs(n: usize) -> usize {
    rt::gomaxprocs(n)
}

/// CPUs that the process could use when it started.
#[unsafe(no_mangle)]
pub extern "C" fn gort_num_cpu() -> usize {
    rt::num_cpu()
}

/// Goroutines that exist: running, runnable or blocked.
#[unsafe(no_mangle)]
pub extern "C" fn gort_num_goroutine() -> usize {
    rt::num_goroutine()
}

/// Goroutines started since the process began.
#[unsafe(no_mangle)]
pub extern "C" fn gort_num_goroutine_created() -> u64 {
    rt::num_goroutine_created()
}

/// OS threads that the runtime has.
#[unsafe(no_mangle)]
pub extern "C" fn gort_num_threads() -> usize {
    rt::num_threads()
}

/// Whose thread-locals goroutines use (C's `__thread`, errno, C++'s `thread_local`): 1, each has its own; 0,
/// they are the thread's, and a goroutine that has started stays on its thread.
#[unsafe(no_mangle)]
pub extern "C" fn gort_own_thread_locals() -> c_int {
    c_int::from(rt::thread_locals() == crate::ThreadLocals::PerGoroutine)
}

/// Binds the calling goroutine to its OS thread, and the thread to it, until as many unlocks. A goroutine
/// that ends bound ends its thread. -EPERM on a plain thread.
#[unsafe(no_mangle)]
pub extern "C" fn gort_lock_thread() -> c_int {
    on_goroutine(rt::lock_os_thread)
}

/// Undoes one `gort_lock_thread`. -EPERM on a plain thread.
#[unsafe(no_mangle)]
pub extern "C" fn gort_unlock_thread() -> c_int {
    on_goroutine(rt::unlock_os_thread)
}

fn on_goroutine(f: fn()) -> c_int {
    let known = current().and_then(|m| m.curg()).ok_or(EPERM);
    status(known.map(|_| f()))
}

/// Calls `f(arg)`, which may block its OS thread: a system call, another library. Other goroutines go
/// on meanwhile; nothing has to be declared, but what is declared is noticed sooner.
///
/// 0; -EINVAL without a function.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_blocking(f: gort_function, arg: *mut c_void) -> c_int {
    let _caught = Caught::take();
    status(Call::new(f, arg).map(|call| crate::blocking(|| call.run())))
}

/// Copies the stacks of all goroutines, as text in Go's layout, to `text`: at most `size` bytes,
/// zero-terminated. The length of the whole text.
#[unsafe(no_mangle)]
pub extern "C" fn gort_dump(text: *mut c_char, size: usize) -> usize {
    let dump = rt::stack_dump();
    super::panics::copy(&dump, text, size);
    dump.len()
}
