//! Locks and what else goroutines wait on together.

use super::{Program::Timed, Row};
use gort::go;
use gort::sync::{Condvar, Mutex, Once, RwLock, WaitGroup};
use std::hint::black_box;
use std::sync::Arc;

pub(crate) const ROWS: &[Row] = &[
    row("mutex, alone", 2_000_000, |n| mutex(n, 1)),
    row("mutex, 100 goroutines", 1_000_000, |n| mutex(n, 100)),
    row("rwlock, read alone", 2_000_000, rwlock),
    row("rwlock, 100 goroutines, 1 in 100 writes", 1_000_000, rwlock_shared),
    row("wait group, add and done", 2_000_000, wait_group),
    row("wait group, start 100 and wait", 100_000, wait_group_of_100),
    row("once, done", 5_000_000, once),
    row("condvar, ping-pong", 200_000, condvar),
];

const fn row(name: &'static str, n: u32, program: fn(u32)) -> Row {
    Row { name, n, program: Timed(program) }
}

fn mutex(n: u32, goroutines: u32) {
    let (total, wg) = (Arc::new(Mutex::new(0u32)), WaitGroup::new());
    for _ in 0..goroutines {
        let total = total.clone();
        wg.go(move || (0..n / goroutines).for_each(|_| *total.lock() += 1));
    }
    wg.wait();
    assert_eq!(*total.lock(), n / goroutines * goroutines);
}

fn rwlock(n: u32) {
    let lock = RwLock::new(1u32);
    let sum: u32 = (0..n).map(|_| *black_box(&lock).read()).sum();
    assert_eq!(sum, n);
}

fn rwlock_shared(n: u32) {
    let (lock, wg) = (Arc::new(RwLock::new(0u32)), WaitGroup::new());
    for _ in 0..100 {
        let lock = lock.clone();
        wg.go(move || {
            for i in 0..n / 100 {
                if i % 100 == 0 {
                    *lock.write() += 1;
                } else {
                    black_box(*lock.read());
                }
            }
        });
    }
    wg.wait();
}

fn wait_group(n: u32) {
    let wg = WaitGroup::new();
    for _ in 0..n {
        wg.add(1);
        wg.done();
    }
    wg.wait();
}

fn wait_group_of_100(n: u32) {
    for _ in 0..n.div_ceil(100) {
        let wg = WaitGroup::new();
        (0..100).for_each(|_| wg.go(|| {}));
        wg.wait();
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
        let mut turn = shared.0.lock();
        while *turn % 2 != own {
            shared.1.wait(&mut turn);
        }
        *turn += 1;
        shared.1.notify_one();
    };
    let other = shared.clone();
    go(move || (0..n).for_each(|_| turn(&other, 1)));
    (0..n).for_each(|_| turn(&shared, 0));
}
