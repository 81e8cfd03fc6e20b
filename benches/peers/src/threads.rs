//! OS threads with crossbeam's channels and std's locks, on as many CPUs as there are processors.

use super::Program::{self, Timed};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use std::hint::black_box;
use std::sync::{Arc, Condvar, Mutex, Once, RwLock};
use std::thread::{scope, spawn};
use std::time::Duration;

pub(super) fn measure(procs: usize, name: &str, n: u32) -> Option<f64> {
    let program = program(name)?;
    keep_to(procs);
    Some(program.measure(n))
}

/// Keeps this thread, and those it starts, to the first CPUs.
fn keep_to(procs: usize) {
    // SAFETY: a set of bits may be zero.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in 0..procs {
        // SAFETY: the number is within the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the set lives, and its size is told.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

fn program(name: &str) -> Option<Program> {
    Some(match name {
        "unbuffered ping-pong (round trip)" => Timed(ping_pong),
        "buffered(128), one to one" => Timed(|n| many(n, 1, 128)),
        "buffered(128), 4 to 4" => Timed(|n| many(n, 4, 128)),
        "unbuffered, 4 to 4" => Timed(|n| many(n, 4, 0)),
        "contended: 8 on one channel" => Timed(contended),
        "select of two, ready" => Timed(select_ready),
        "select of two, ping-pong" => Timed(select_ping_pong),
        "select with default, empty" => Timed(select_default),
        "try_recv on empty" => Timed(try_recv),
        "mutex, alone" => Timed(|n| mutex(n, 1)),
        "mutex, 100 goroutines" => Timed(|n| mutex(n, 100)),
        "rwlock, read alone" => Timed(rwlock),
        "rwlock, 100 goroutines, 1 in 100 writes" => Timed(rwlock_shared),
        "wait group, start 100 and wait" => Timed(start_and_wait),
        "once, done" => Timed(once),
        "condvar, ping-pong" => Timed(condvar),
        _ => return None,
    })
}

fn ping_pong(n: u32) {
    let ((a, x), (y, b)) = (bounded(0), bounded(0));
    spawn(move || x.iter().all(|v| y.send(v).is_ok()));
    for i in 0..n {
        a.send(i).unwrap();
        assert_eq!(b.recv(), Ok(i));
    }
}

fn many(n: u32, parties: u32, cap: usize) {
    let (tx, rx): (Sender<u32>, Receiver<u32>) = bounded(cap);
    scope(|s| {
        for _ in 0..parties {
            let tx = tx.clone();
            s.spawn(move || (0..n / parties).for_each(|i| tx.send(i).unwrap()));
        }
        drop(tx);
        let receivers: Vec<_> = (0..parties).map(|_| s.spawn(|| rx.iter().count())).collect();
        let total: usize = receivers.into_iter().map(|r| r.join().unwrap()).sum();
        assert_eq!(total, (n / parties * parties) as usize);
    });
}

fn contended(n: u32) {
    let (tx, rx) = bounded(100);
    scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                for i in 0..n / 8 {
                    tx.send(i).unwrap();
                    black_box(rx.recv().unwrap());
                }
            });
        }
    });
}

fn select_ready(n: u32) {
    let ((a, x), (b, y)) = (bounded(1), bounded(1));
    a.send(0).unwrap();
    for _ in 0..n {
        select! {
            recv(x) -> v => b.send(v.unwrap_or(0)).unwrap(),
            recv(y) -> v => a.send(v.unwrap_or(0)).unwrap(),
        }
    }
}

fn select_ping_pong(n: u32) {
    let ((a, x), (y, b)) = (bounded(0), bounded(0));
    let (_keep, never) = bounded::<u32>(0);
    let nor = never.clone();
    spawn(move || {
        loop {
            select! {
                recv(x) -> v => match v {
                    Ok(v) => y.send(v).unwrap(),
                    Err(_) => break,
                },
                recv(nor) -> _ => {}
            }
        }
    });
    for i in 0..n {
        a.send(i).unwrap();
        select! { recv(b) -> v => assert_eq!(v, Ok(i)), recv(never) -> _ => {} }
    }
}

fn select_default(n: u32) {
    let ((_a, x), (_b, y)) = (bounded::<u32>(0), bounded::<u32>(1));
    for _ in 0..n {
        select! { recv(x) -> _ => {}, recv(y) -> _ => {}, default => {} }
    }
}

fn try_recv(n: u32) {
    let (_tx, rx) = bounded::<u32>(0);
    for _ in 0..n {
        assert!(black_box(&rx).try_recv().is_err());
    }
}

fn mutex(n: u32, threads: u32) {
    let total = Mutex::new(0u32);
    scope(|s| {
        for _ in 0..threads {
            s.spawn(|| (0..n / threads).for_each(|_| *total.lock().unwrap() += 1));
        }
    });
    assert_eq!(*total.lock().unwrap(), n / threads * threads);
}

fn rwlock(n: u32) {
    let lock = RwLock::new(1u32);
    let sum: u32 = (0..n).map(|_| *black_box(&lock).read().unwrap()).sum();
    assert_eq!(sum, n);
}

fn rwlock_shared(n: u32) {
    let lock = RwLock::new(0u32);
    scope(|s| {
        for _ in 0..100 {
            s.spawn(|| {
                for i in 0..n / 100 {
                    if i % 100 == 0 {
                        *lock.write().unwrap() += 1;
                    } else {
                        black_box(*lock.read().unwrap());
                    }
                }
            });
        }
    });
}

fn start_and_wait(n: u32) {
    for _ in 0..n.div_ceil(100) {
        let all: Vec<_> = (0..100).map(|_| spawn(|| {})).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    }
}

fn once(n: u32) {
    let once = Once::new();
    let mut times = 0;
    for _ in 0..n {
        black_box(&once).call_once(|| times += 1);
    }
    assert_eq!(times, 1);
}

fn condvar(n: u32) {
    let shared = Arc::new((Mutex::new(0u32), Condvar::new()));
    let turn = |shared: &(Mutex<u32>, Condvar), own: u32| {
        let mut turn = shared.0.lock().unwrap();
        while *turn % 2 != own {
            turn = shared.1.wait_timeout(turn, Duration::from_secs(60)).unwrap().0;
        }
        *turn += 1;
        shared.1.notify_one();
    };
    let other = shared.clone();
    spawn(move || (0..n).for_each(|_| turn(&other, 1)));
    (0..n).for_each(|_| turn(&shared, 0));
}
