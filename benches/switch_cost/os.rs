//! The OS-thread side: what the same small programs cost with threads.
//!
//! Threads of a switch measurement are pinned, both on one core or each on its own, so that the
//! kernel's placement is not part of the figure. Nothing here touches gort.

use std::fs;
use std::io::{self, Read, Write};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::machine;
use crate::memory;
use crate::reply::Reply;
use crate::sys::{self, RawThread};

/// Serves one request; `cores` says how many cores the two threads of a switch may use.
pub(crate) fn measure(name: &str, n: u64, cores: usize) -> Result<Reply, String> {
    match name {
        "yield" => yields(n, &placement(cores)?),
        "futex" => futex(n, &placement(cores)?),
        "pipe" => pipe(n, &placement(cores)?),
        "channel" => channel(n, &placement(cores)?),
        "join" => Ok(join(n)),
        "batch" => batch(n),
        "park" => memory::park_threads(n),
        "alive" => memory::most_threads(n).map(|r| memory::bounded(r, n)),
        _ => Err(format!("no such measurement of threads: {name}")),
    }
}

/// The CPUs of the two threads: the same one twice, or two that share no physical core.
fn placement(cores: usize) -> Result<[usize; 2], String> {
    let cpus = machine::distinct_cores();
    match (cores, cpus.as_slice()) {
        (1, [first, ..]) => Ok([*first, *first]),
        (2, [first, second, ..]) => Ok([*first, *second]),
        _ => Err(format!("needs {cores} core(s), this process may use {}", cpus.len())),
    }
}

/// Runs the two closures on pinned threads that start together; the time until both have ended.
fn duel<L, R>(cpus: &[usize; 2], left: L, right: R) -> Result<Duration, String>
where
    L: FnOnce() -> io::Result<()> + Send,
    R: FnOnce() -> io::Result<()> + Send,
{
    let start = Barrier::new(2);
    let timed = |cpu: usize, body: &mut dyn FnMut() -> io::Result<()>| {
        let pinned = sys::pin(cpu);
        start.wait();
        let begin = Instant::now();
        pinned.and_then(|()| body()).map(|()| (begin, Instant::now()))
    };
    let (mut left, mut right) = (Some(left), Some(right));
    let (a, b) = thread::scope(|s| {
        let a = s.spawn(|| timed(cpus[0], &mut || left.take().map_or(Ok(()), |f| f())));
        let b = s.spawn(|| timed(cpus[1], &mut || right.take().map_or(Ok(()), |f| f())));
        (a.join(), b.join())
    });
    let ends = |r: thread::Result<io::Result<(Instant, Instant)>>| {
        r.map_err(|_| "a measuring thread panicked".to_owned())?.map_err(|e| e.to_string())
    };
    let ((from_a, to_a), (from_b, to_b)) = (ends(a)?, ends(b)?);
    Ok(to_a.max(to_b) - from_a.min(from_b))
}

/// `n` calls of sched_yield, half by each thread. EEVDF may return without switching, so the answer
/// also says how many switches the kernel counted.
fn yields(n: u64, cpus: &[usize; 2]) -> Result<Reply, String> {
    let switches = AtomicU32::new(0);
    let body = || {
        let before = context_switches();
        for _ in 0..n / 2 {
            thread::yield_now();
        }
        switches.fetch_add(context_switches().saturating_sub(before), Ordering::Relaxed);
        Ok(())
    };
    let elapsed = duel(cpus, body, body)?;
    let per_yield = f64::from(switches.load(Ordering::Relaxed)) / n.max(1) as f64;
    let note = format!("the kernel switched {per_yield:.2} times per sched_yield");
    Ok(Reply::new(n / 2 * 2, elapsed).noted(note))
}

/// Voluntary and involuntary switches of the calling thread so far.
fn context_switches() -> u32 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let count = |line: &str| line.split_whitespace().nth(1).and_then(|v| v.parse::<u32>().ok());
    status.lines().filter(|l| l.contains("ctxt_switches:")).filter_map(count).sum()
}

/// `n` round trips over one futex word: each side wakes the other, then sleeps.
fn futex(n: u64, cpus: &[usize; 2]) -> Result<Reply, String> {
    let turn = AtomicU32::new(0);
    // Release pairs with the Acquire in `wait_for`: the word is the message.
    let pass = |to: u32| {
        turn.store(to, Ordering::Release);
        sys::futex_wake(&turn, 1);
    };
    let wait_for = |mine: u32| {
        while turn.load(Ordering::Acquire) != mine {
            sys::futex_wait(&turn, 1 - mine);
        }
    };
    let elapsed = duel(
        cpus,
        || {
            for _ in 0..n {
                pass(1);
                wait_for(0);
            }
            Ok(())
        },
        || {
            for _ in 0..n {
                wait_for(1);
                pass(0);
            }
            Ok(())
        },
    )?;
    Ok(Reply::new(n, elapsed))
}

/// `n` round trips of one byte over a pair of pipes.
fn pipe(n: u64, cpus: &[usize; 2]) -> Result<Reply, String> {
    let made = || io::pipe().map_err(|e| format!("pipe: {e}"));
    let ((mut there_rx, mut there_tx), (mut back_rx, mut back_tx)) = (made()?, made()?);
    let elapsed = duel(
        cpus,
        move || {
            let mut byte = [0_u8];
            for _ in 0..n {
                there_tx.write_all(&byte)?;
                back_rx.read_exact(&mut byte)?;
            }
            Ok(())
        },
        move || {
            let mut byte = [0_u8];
            for _ in 0..n {
                there_rx.read_exact(&mut byte)?;
                back_tx.write_all(&byte)?;
            }
            Ok(())
        },
    )?;
    Ok(Reply::new(n, elapsed))
}

/// `n` round trips over two rendezvous channels of std: what a Rust program would write today.
fn channel(n: u64, cpus: &[usize; 2]) -> Result<Reply, String> {
    let (there_tx, there_rx) = sync_channel::<u64>(0);
    let (back_tx, back_rx) = sync_channel::<u64>(0);
    let gone = |_| io::Error::other("the other thread has gone");
    let elapsed = duel(
        cpus,
        move || {
            for i in 0..n {
                there_tx.send(i).map_err(|_| gone(()))?;
                back_rx.recv().map_err(|_| gone(()))?;
            }
            Ok(())
        },
        move || {
            for _ in 0..n {
                let v = there_rx.recv().map_err(|_| gone(()))?;
                back_tx.send(v).map_err(|_| gone(()))?;
            }
            Ok(())
        },
    )?;
    Ok(Reply::new(n, elapsed))
}

/// One thread after the other, each joined before the next is started.
fn join(n: u64) -> Reply {
    let begin = Instant::now();
    let mut done = 0;
    for _ in 0..n {
        match thread::Builder::new().spawn(|| ()) {
            Ok(handle) => done += u64::from(handle.join().is_ok()),
            Err(e) => return Reply::new(done, begin.elapsed()).noted(refused(done, &e)),
        }
    }
    Reply::new(done, begin.elapsed())
}

/// Starts `n` threads, then joins them all. Most have ended by then; the kernel's refusal, if there
/// is one, ends the batch early and is reported instead of hidden.
fn batch(n: u64) -> Result<Reply, String> {
    let mut threads = Vec::with_capacity(usize::try_from(n).unwrap_or(0));
    let mut note = String::new();
    let begin = Instant::now();
    for _ in 0..n {
        match RawThread::start(|| ()) {
            Ok(thread) => threads.push(thread),
            Err(e) => {
                note = refused(threads.len() as u64, &e);
                break;
            }
        }
    }
    let started = threads.len() as u64;
    for thread in threads {
        thread.join().map_err(|e| e.to_string())?;
    }
    Ok(Reply::new(started, begin.elapsed()).noted(note))
}

/// The remark for a thread the OS would not start.
pub(crate) fn refused(started: u64, e: &io::Error) -> String {
    format!("the OS refused after {started} threads: {e}")
}
