//! The price of thread-locals of one's own, counted instruction by instruction: a goroutine sets the
//! processor's trap flag, and a handler looks at every instruction its thread is about to execute. One
//! switch writes the thread register once; a yield that nobody uses, and one that finds nobody else
//! while a timer waits, write it not at all.
//!
//! Watched code is slow enough for the monitor to take it for a hog, or to meet a chore. So single yields
//! are watched, many of them, and what most of them did counts; and only in optimized builds, since a yield
//! of 14,000 instructions always is a hog.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#![cfg(not(debug_assertions))]
#![allow(clippy::print_stdout, reason = "the figures of the design note")]

use gort::{Config, ThreadLocals, runtime};
use std::arch::asm;
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Yields that count, and that are watched at most.
const YIELDS: usize = 31;
const MOST: usize = 5000;
/// Bit of the flags: a trap after each instruction.
const TRAP: i64 = 0x100;

static INSTRUCTIONS: AtomicUsize = AtomicUsize::new(0);
static WRITES: AtomicUsize = AtomicUsize::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether `code` begins with `wrfsbase` of a 64-bit register: F3 REX.W 0F AE /2, a register operand.
fn writes_the_register(code: [u8; 5]) -> bool {
    matches!(code, [0xf3, 0x48..=0x4f, 0x0f, 0xae, operand] if operand & 0xf8 == 0xd0)
}

/// Touches no thread-local: the register may be about to change.
extern "C" fn on_trap(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the interrupted context.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    if STOP.load(Ordering::Relaxed) {
        registers[libc::REG_EFL as usize] &= !TRAP;
        return;
    }
    let next = registers[libc::REG_RIP as usize] as usize;
    // SAFETY: code that is about to run; five bytes on lie in the same segment.
    let code = unsafe { std::ptr::with_exposed_provenance::<[u8; 5]>(next).read_unaligned() };
    INSTRUCTIONS.fetch_add(1, Ordering::Relaxed);
    WRITES.fetch_add(usize::from(writes_the_register(code)), Ordering::Relaxed);
}

fn install() {
    // SAFETY: a zeroed action is a valid one, filled in below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_trap as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler calls nothing.
    unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) };
}

/// Watches the calling thread from here until [`stop`].
#[inline(never)]
fn watch() {
    STOP.store(false, Ordering::SeqCst);
    INSTRUCTIONS.store(0, Ordering::SeqCst);
    WRITES.store(0, Ordering::SeqCst);
    // SAFETY: the handler is installed; the flag is the thread's, and no switch saves it.
    unsafe { asm!("pushfq", "or qword ptr [rsp], {}", "popfq", const TRAP) };
}

fn stop() -> Cost {
    STOP.store(true, Ordering::SeqCst);
    (INSTRUCTIONS.load(Ordering::SeqCst), WRITES.load(Ordering::SeqCst))
}

/// Instructions and writes of one yield.
type Cost = (usize, usize);

/// What most yields of the caller's took that ended on the thread they began on and let the partner, if
/// there is one, run once: the number of writes that is the most frequent, and the median of the
/// instructions with it. `None` if there were too few such yields to tell.
fn yields(partner: Option<&AtomicUsize>) -> Option<Cost> {
    // SAFETY: no preconditions.
    let thread = || unsafe { libc::gettid() };
    let ran = || partner.map_or(0, |turns| turns.load(Ordering::Relaxed));
    let mut all: Vec<Cost> = Vec::with_capacity(YIELDS);
    for _ in 0..MOST {
        let before = (thread(), ran() + usize::from(partner.is_some()));
        watch();
        runtime::gosched();
        let cost = stop();
        if (thread(), ran()) == before {
            all.push(cost);
        }
        if all.len() == YIELDS {
            break;
        }
    }
    let with = |writes| all.iter().filter(move |cost| cost.1 == writes);
    let writes = (0..10).max_by_key(|writes| with(*writes).count())?;
    let mut instructions: Vec<usize> = with(writes).map(|cost| cost.0).collect();
    instructions.sort_unstable();
    (all.len() == YIELDS).then(|| (instructions[YIELDS.min(instructions.len()) / 2], writes))
}

fn report(what: &str, (instructions, writes): Cost) -> String {
    format!("{what}: {instructions} instructions, {writes} writes")
}

fn config(shared: bool) -> Config {
    let config = Config::new().procs(1);
    if shared {
        // SAFETY: nothing here keeps a thread-local across a yield.
        return unsafe { config.shared_thread_locals() };
    }
    config.thread_locals(ThreadLocals::PerGoroutine)
}

/// What the yields of one of two goroutines take, which have the processor in turn; and of one that has
/// it alone, without a timer and with one.
fn measure(shared: bool) -> [Cost; 3] {
    let run = move || {
        install();
        let (over, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (end, count) = (over.clone(), turns.clone());
        let partner = gort::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                count.fetch_add(1, Ordering::Relaxed);
                runtime::gosched();
            }
        });
        let both = gort::spawn(move || yields(Some(&turns))).join().expect("no panic");
        over.store(true, Ordering::Relaxed);
        partner.join().expect("no panic");
        let alone = gort::spawn(|| yields(None)).join().expect("no panic");
        gort::go(|| gort::time::sleep(Duration::from_secs(1000)));
        runtime::gosched(); // it sleeps
        let with_timer = gort::spawn(|| yields(None)).join().expect("no panic");
        [both, alone, with_timer].map(|cost| cost.expect("one yield in a hundred is undisturbed"))
    };
    config(shared).run(run).expect("the mode is to be had")
}

#[test]
fn one_write_for_a_switch_and_none_without() {
    let [both, alone, with_timer] = measure(false);
    println!("{}", report("two by turns", both));
    println!("{}", report("one alone", alone));
    println!("{}", report("one alone, and a timer", with_timer));
    // A yield of the one that is watched is two switches: away, and back.
    assert_eq!([both.1, alone.1, with_timer.1], [2, 0, 0]);
}

#[test]
fn shared_thread_locals_write_nothing() {
    if std::env::var_os("NEXTEST").is_none() {
        return; // the mode is the process's, and another test's here
    }
    let [both, alone, with_timer] = measure(true);
    println!("{}", report("shared, two by turns", both));
    assert_eq!([both.1, alone.1, with_timer.1], [0, 0, 0]);
}
