//! Memory and number of parked threads and goroutines.
//!
//! A worker that serves `park` serves nothing else: what it reads from /proc/self/status before and
//! while N are parked differs by the N alone. The numbers are the kernel's: resident pages (VmRSS,
//! RssAnon) and page tables (VmPTE), which a large address space pays for and RSS does not show.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gort::runtime::gosched;
use gort::sync::WaitGroup;
use gort::{Builder, Chan, chan, go};

use crate::os;
use crate::reply::Reply;
use crate::sys::{self, RawThread};

/// How long the parked ones are left alone before memory is read.
const SETTLE: Duration = Duration::from_millis(20);

/// Starting stops when less than this part of the machine's memory is left.
const KEEP_FREE: u64 = 6;

/// Memory is looked at once in so many starts.
const LOOK_EVERY: u64 = 8192;

/// Bytes of this process, as the kernel counts them.
#[derive(Debug, Clone, Copy, Default)]
struct Footprint {
    rss: u64,
    anon: u64,
    tables: u64,
    /// Kernel stacks of the whole machine: the part of a thread that no process is charged for.
    kernel_stacks: u64,
}

impl Footprint {
    fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            rss: kilobytes(&status, "VmRSS:"),
            anon: kilobytes(&status, "RssAnon:"),
            tables: kilobytes(&status, "VmPTE:"),
            kernel_stacks: kilobytes(&info, "KernelStack:"),
        }
    }
}

/// The value of one `Name:  123 kB` line, in bytes; 0 when it is missing.
pub(crate) fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|l| l.starts_with(name));
    let value = line.and_then(|l| l.split_whitespace().nth(1)).and_then(|v| v.parse::<u64>().ok());
    value.unwrap_or(0) * 1024
}

/// Why no more may be started although the OS would allow it.
fn memory_short() -> Option<String> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let (total, free) = (kilobytes(&info, "MemTotal:"), kilobytes(&info, "MemAvailable:"));
    let reserve = total / KEEP_FREE;
    (free < reserve).then(|| format!("stopped to leave {} MiB of memory free", reserve >> 20))
}

/// The times of one parking: all started and parked, all woken and gone.
struct Times {
    create: Duration,
    finish: Duration,
}

fn report(alive: u64, times: &Times, before: Footprint, parked: Footprint) -> Reply {
    let grown = |f: fn(&Footprint) -> u64| f(&parked).saturating_sub(f(&before)) as f64;
    Reply::new(alive, times.create)
        .with("finish", times.finish.as_nanos() as f64)
        .with("alive", alive as f64)
        .with("rss", grown(|f| f.rss))
        .with("anon", grown(|f| f.anon))
        .with("tables", grown(|f| f.tables))
        .with("total", grown(|f| f.rss + f.tables))
        .with("kernel", grown(|f| f.kernel_stacks))
}

/// Counts what has been started so far and says when to stop early.
struct Tally {
    alive: u64,
    wanted: u64,
    note: String,
}

impl Tally {
    fn new(wanted: u64) -> Self {
        Self { alive: 0, wanted, note: String::new() }
    }

    /// Starts one after the other until all are there, one is refused or memory runs short.
    fn fill(
        &mut self,
        mut start: impl FnMut() -> io::Result<()>,
        refused: fn(u64, &io::Error) -> String,
    ) {
        while self.alive < self.wanted {
            if let Err(e) = start() {
                self.note = refused(self.alive, &e);
                return;
            }
            self.alive += 1;
            let look = self.alive.is_multiple_of(LOOK_EVERY);
            if let Some(short) = look.then(memory_short).flatten() {
                self.note = short;
                return;
            }
        }
    }
}

/// Says so when the number alive is what was asked for rather than what there is room for.
pub(crate) fn bounded(reply: Reply, bound: u64) -> Reply {
    let reached = reply.get("alive") == Some(bound as f64);
    if reached { reply.noted("the bound given, not a limit met") } else { reply }
}

/// Parked threads sleep on this word while it is 0; 1 sends them home.
static GATE: AtomicU32 = AtomicU32::new(0);

/// Threads that have reached the gate.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

fn stay_until_opened() {
    ARRIVED.fetch_add(1, Ordering::Relaxed);
    while GATE.load(Ordering::Acquire) == 0 {
        sys::futex_wait(&GATE, 0);
    }
}

/// Up to `n` threads of std, parked at the same time: the figure of memory.
pub(crate) fn park_threads(n: u64) -> Result<Reply, String> {
    let start = || thread::Builder::new().spawn(stay_until_opened);
    hold_threads(n, start, |t| t.join().map_err(|_| "a thread panicked".to_owned()))
}

/// As many threads as the OS will start, up to `n`.
pub(crate) fn most_threads(n: u64) -> Result<Reply, String> {
    hold_threads(n, || RawThread::start(stay_until_opened), |t| t.join().map_err(|e| e.to_string()))
}

fn hold_threads<T>(
    n: u64,
    start: impl Fn() -> io::Result<T>,
    join: impl Fn(T) -> Result<(), String>,
) -> Result<Reply, String> {
    GATE.store(0, Ordering::Relaxed);
    ARRIVED.store(0, Ordering::Relaxed);
    let mut threads = Vec::new();
    let mut tally = Tally::new(n);
    let before = Footprint::read();
    let begin = Instant::now();
    tally.fill(|| start().map(|thread| threads.push(thread)), os::refused);
    while ARRIVED.load(Ordering::Relaxed) < tally.alive {
        thread::sleep(Duration::from_millis(1));
    }
    let create = begin.elapsed();
    thread::sleep(SETTLE);
    let parked = Footprint::read();
    let begin = Instant::now();
    // Pairs with the Acquire at the gate.
    GATE.store(1, Ordering::Release);
    sys::futex_wake(&GATE, i32::MAX);
    threads.into_iter().try_for_each(join)?;
    let times = Times { create, finish: begin.elapsed() };
    Ok(report(tally.alive, &times, before, parked).noted(tally.note))
}

/// What a parked goroutine owns: the gate it waits at and the means to say that it came and went.
#[derive(Clone)]
struct Guest {
    gate: Chan<()>,
    all: WaitGroup,
    started: Arc<AtomicU64>,
}

impl Guest {
    fn stay(self) {
        self.started.fetch_add(1, Ordering::Relaxed);
        let _ = self.gate.recv();
        self.all.done();
    }
}

/// Exactly `n` goroutines started by `go`: the figure of memory.
pub(crate) fn park_goroutines(n: u64) -> Result<Reply, String> {
    park_guests(n, |guest| {
        go(move || guest.stay());
        Ok(())
    })
}

/// As many goroutines as `Builder::spawn`, which reports a refusal, will start, up to `n`.
pub(crate) fn most_goroutines(n: u64) -> Result<Reply, String> {
    park_guests(n, |guest| Builder::new().spawn(move || guest.stay()).map(drop))
}

/// Parks up to `n` goroutines in a receive on one channel; closing it wakes them all.
fn park_guests(n: u64, spawn: impl Fn(Guest) -> io::Result<()>) -> Result<Reply, String> {
    let host = Guest { gate: chan(0), all: WaitGroup::new(), started: Arc::new(AtomicU64::new(0)) };
    // One beforehand, so that what the runtime sets up once is not charged to the parked.
    gort::spawn(|| ()).join().map_err(|_| "a goroutine panicked")?;
    let mut tally = Tally::new(n);
    let before = Footprint::read();
    let begin = Instant::now();
    let start = || {
        host.all.add(1);
        spawn(host.clone()).inspect_err(|_| host.all.done())
    };
    tally.fill(start, |alive, e| format!("gort refused after {alive} goroutines: {e}"));
    while host.started.load(Ordering::Relaxed) < tally.alive {
        gosched();
    }
    let create = begin.elapsed();
    gort::time::sleep(SETTLE);
    let parked = Footprint::read();
    let begin = Instant::now();
    host.gate.close();
    host.all.wait();
    let times = Times { create, finish: begin.elapsed() };
    Ok(report(tally.alive, &times, before, parked).noted(tally.note))
}
