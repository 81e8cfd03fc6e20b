//! `run` and its configuration.

use crate::panic::{End, catch};
use crate::sched::boot::{self, Settings};
use crate::sched::{DEFAULT_MAX_THREADS, MAX_PROCS};
use crate::stack::{DEFAULT_MAX_STACK, Ladder, MIN_STACK};
use crate::tls::ThreadLocals;
use std::fmt;
use std::panic::resume_unwind;
use std::thread;

/// What happens when a panic leaves a goroutine that nobody joins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPanic {
    /// Report it and end the process with status 2 (Go).
    #[default]
    Crash,
    /// Report it; only the goroutine ends.
    Isolate,
}

/// What happens when a goroutine passes its stack limit.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOverflow {
    /// A panic whose message contains `stack overflow`: it runs deferred calls and destructors, can
    /// be recovered, and is reported like any other if it is not.
    ///
    /// It is raised in place of a call for which there was no room, so it can come out of a function
    /// whose author knew that it cannot panic. Calls that the compiler has proved not to unwind, and
    /// everything in `extern "C"`, are never unwound: there the process ends with Go's report. So does
    /// it when the panic hook overflows, on other systems than Linux on x86-64, and under
    /// `panic = "abort"`. What is moved *into* the call that is not made is forgotten, as by
    /// [`std::mem::forget`]; everything else is dropped.
    #[default]
    Panic,
    /// Go's report and the end of the process, with status 2. To be chosen by programs with unsafe
    /// code that leaves broken invariants behind when a function panics that never did.
    Fatal,
}

/// Why the runtime could not be started.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gort: cannot start: {}", self.0)
    }
}

impl std::error::Error for StartError {}

/// How the runtime is to run. The first [`run`] or [`Config::run`] of the process fixes it.
///
/// ```
/// let answer = gort::Config::new().procs(2).run(|| gort::runtime::gomaxprocs(0)).unwrap();
/// assert_eq!(answer, 2);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a configuration does nothing until it is run"]
pub struct Config {
    procs: Option<usize>,
    max_stack: usize,
    ladder: Option<Vec<(usize, usize)>>,
    max_threads: usize,
    on_panic: OnPanic,
    on_overflow: OnOverflow,
    thread_locals: ThreadLocals,
    /// What sharing them asks for has been promised.
    promised: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            procs: None,
            max_stack: DEFAULT_MAX_STACK,
            ladder: None,
            max_threads: DEFAULT_MAX_THREADS,
            on_panic: OnPanic::default(),
            on_overflow: OnOverflow::default(),
            thread_locals: ThreadLocals::default(),
            promised: false,
        }
    }
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many goroutines run at the same time (GOMAXPROCS), 1 to 65,536. Default: the environment
    /// variable `GOMAXPROCS` if it is a positive number, else the CPUs the process may use, capped
    /// by its cgroup's quota and followed when that changes (Go).
    pub fn procs(mut self, n: usize) -> Self {
        self.procs = Some(n);
        self
    }

    /// Cap of a goroutine's stack in bytes, the sum of its segments; rounded up to a power of two.
    /// Default: 1 GiB on 64-bit targets, 250 MB on 32-bit. [`Builder::stack_size`](crate::Builder::stack_size)
    /// sets another one for a goroutine, [`runtime::set_max_stack`](crate::runtime::set_max_stack)
    /// for those started later.
    pub fn max_stack(mut self, bytes: usize) -> Self {
        self.max_stack = bytes;
        self
    }

    /// Address space reserved for each stack: pairs of (goroutines alive up to, bytes), the last
    /// pair serving all beyond; sizes are rounded up to powers of two and cut at the cap. At most
    /// four rungs. Default on 64-bit: the cap, 1 GiB, for the first 16,384, 64 MiB up to 131,072,
    /// 256 KiB beyond (page tables cost 8.2, 4.3 and 0.5 KB for each).
    ///
    /// A stack on a lower rung reaches the cap by [`stack::ensure`](crate::stack::ensure). When one
    /// overflows, goroutines started at the same place get the largest rung from then on.
    pub fn stack_ladder(mut self, rungs: &[(usize, usize)]) -> Self {
        self.ladder = Some(rungs.to_vec());
        self
    }

    /// Most OS threads the scheduler may have. Default 10,000 (Go).
    pub fn max_threads(mut self, n: usize) -> Self {
        self.max_threads = n;
        self
    }

    /// What an unrecovered panic does. Default [`OnPanic::Crash`].
    pub fn on_panic(mut self, p: OnPanic) -> Self {
        self.on_panic = p;
        self
    }

    /// What passing the stack limit does. Default [`OnOverflow::Panic`].
    pub fn on_overflow(mut self, o: OnOverflow) -> Self {
        self.on_overflow = o;
        self
    }

    /// Whose thread-locals goroutines use. Default [`ThreadLocals::Auto`]. To [share](ThreadLocals::Shared) them takes
    /// [`shared_thread_locals`](Self::shared_thread_locals); asked for here, the start is refused.
    pub fn thread_locals(mut self, t: ThreadLocals) -> Self {
        (self.thread_locals, self.promised) = (t, false);
        self
    }

    /// Lets goroutines use the thread-locals of the OS thread they happen to run on and still change
    /// threads: the smallest and fastest mode.
    ///
    /// # Safety
    /// No goroutine keeps a thread-local borrow, a value shared with a thread-local, or a guard bound
    /// to its OS thread across anything that may block.
    pub unsafe fn shared_thread_locals(mut self) -> Self {
        (self.thread_locals, self.promised) = (ThreadLocals::Shared, true);
        self
    }

    /// Starts the runtime with this configuration and runs `main` as a goroutine, beginning on the
    /// calling thread; returns its result when it returns. Goroutines that still run then are not
    /// waited for.
    ///
    /// # Errors
    /// [`StartError`] when a setting is unusable, when the runtime already runs with another
    /// configuration, or when the system refuses a thread or a stack.
    ///
    /// # Panics
    /// When called inside a goroutine; and with the panic that leaves `main`.
    pub fn run<F, T>(self, main: F) -> Result<T, StartError>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        self.start()?;
        run_main(main)
    }

    fn start(self) -> Result<(), StartError> {
        let settings = self.check().map_err(StartError)?;
        start(Some(settings))
    }

    /// Turns wishes into settings, or says what is wrong with them.
    fn check(self) -> Result<Settings, String> {
        if let Some(n) = self.procs
            && !(1..=MAX_PROCS).contains(&n)
        {
            return Err(format!("procs must be between 1 and {MAX_PROCS}, not {n}"));
        }
        if self.max_stack < MIN_STACK {
            return Err(format!("max_stack must be at least {MIN_STACK}, not {}", self.max_stack));
        }
        if self.max_threads == 0 {
            return Err("max_threads must be at least 1".to_owned());
        }
        if self.thread_locals == ThreadLocals::Shared && !self.promised {
            return Err("only Config::shared_thread_locals shares thread-locals".to_owned());
        }
        let ladder = match &self.ladder {
            Some(steps) => Ladder::new(steps, self.max_stack),
            None => Ladder::default_for(self.max_stack),
        };
        let ladder = ladder.map_err(|e| e.0)?;
        Ok(Settings {
            procs: self.procs.or_else(crate::sys::cpu::procs_from_env),
            max_stack: self.max_stack,
            ladder,
            max_threads: self.max_threads,
            thread_locals: self.thread_locals,
            crash_on_panic: self.on_panic == OnPanic::Crash,
            overflow_is_fatal: self.on_overflow == OnOverflow::Fatal,
        })
    }
}

fn start(wanted: Option<Settings>) -> Result<(), StartError> {
    crate::panic::start_runtime(wanted).map_err(StartError)
}

/// Runs `main` as a goroutine, beginning on the calling thread, and returns its result when it
/// returns; starts the runtime with its defaults if it does not run yet. Goroutines that still run
/// then are not waited for: usually the program ends.
///
/// Several threads may be inside `run` at once, each with its own main goroutine.
///
/// # Panics
/// When the runtime cannot be started, when called inside a goroutine, and with the panic that
/// leaves `main`.
///
/// ```
/// assert_eq!(gort::run(|| 6 * 7), 42);
/// ```
pub fn run<F, T>(main: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    crate::panic::ensure_started();
    run_main(main).unwrap_or_else(|e| panic!("{e}"))
}

fn run_main<F, T>(main: F) -> Result<T, StartError>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    assert!(crate::runtime::goid() == 0, "gort: run called inside a goroutine");
    let mut result: Option<thread::Result<T>> = None;
    let place = &mut result;
    let body = move || {
        *place = match catch(main) {
            End::Returned(value) => Some(Ok(value)),
            End::Panicked(panic) => Some(Err(panic.into_payload())),
            End::Exited => return false,
        };
        crate::panic::main_ends();
        true
    };
    boot::run_main(body).map_err(|e| StartError(e.describe()))?;
    match result.expect("the main goroutine has ended") {
        Ok(value) => Ok(value),
        Err(payload) => resume_unwind(payload),
    }
}
