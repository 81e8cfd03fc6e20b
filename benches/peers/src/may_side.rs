//! may: coroutines on as many workers as there are processors. Its channels are unbounded.

use super::Program::{self, Own, Timed};
use super::{cpu_time, percentile};
use may::coroutine::{JoinHandle, sleep};
use may::sync::{Condvar, Mutex, RwLock, mpmc, mpsc};
use may::{go, select};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) fn measure(procs: usize, name: &str, n: u32) -> Option<f64> {
    may::config().set_workers(procs).set_stack_size(0x2000);
    let program = program(name)?;
    // In a coroutine, since a thread that talks to one is woken by the kernel.
    go!(move || program.measure(n)).join().ok()
}

fn program(name: &str) -> Option<Program> {
    Some(match name {
        "unbuffered ping-pong (round trip)" => Timed(ping_pong),
        "buffered(128), one to one" => Timed(one_to_one),
        "buffered(128), 4 to 4" => Timed(many),
        "contended: 8 on one channel" => Timed(contended),
        "select of two, ping-pong" => Timed(select_ping_pong),
        "try_recv on empty" => Timed(try_recv),
        "sieve to the 2,000th prime" => Timed(|_| sieve()),
        "mutex, alone" => Timed(|n| mutex(n, 1)),
        "mutex, 100 goroutines" => Timed(|n| mutex(n, 100)),
        "rwlock, read alone" => Timed(rwlock),
        "rwlock, 100 goroutines, 1 in 100 writes" => Timed(rwlock_shared),
        "wait group, start 100 and wait" => Timed(start_and_wait),
        "condvar, ping-pong" => Timed(condvar),
        "100,000 sleep for 10 ms" => Timed(|_| sleepers()),
        "1,000 sleep for 1 ms: median lateness" => Own(|n| percentile(lateness(n), 50)),
        "1,000 sleep for 1 ms: 99th percentile" => Own(|n| percentile(lateness(n), 99)),
        "CPU in a second, 10,000 parked and a timer" => Own(|_| idle()),
        _ => return None,
    })
}

fn join<T>(all: Vec<JoinHandle<T>>) -> Vec<T> {
    all.into_iter().map(|one| one.join().unwrap()).collect()
}

fn ping_pong(n: u32) {
    let ((a, x), (y, b)) = (mpsc::channel(), mpsc::channel());
    go!(move || x.iter().all(|v| y.send(v).is_ok()));
    for i in 0..n {
        a.send(i).unwrap();
        assert_eq!(b.recv(), Ok(i));
    }
}

fn one_to_one(n: u32) {
    let (tx, rx) = mpsc::channel();
    let count = go!(move || rx.iter().count());
    (0..n).for_each(|i| tx.send(i).unwrap());
    drop(tx);
    assert_eq!(count.join().unwrap(), n as usize);
}

fn many(n: u32) {
    let (tx, rx) = mpmc::channel();
    let receiver = |_| {
        let rx: mpmc::Receiver<u32> = rx.clone();
        go!(move || rx.iter().count())
    };
    let receivers = (0..4).map(receiver).collect();
    for _ in 0..4 {
        let tx = tx.clone();
        go!(move || (0..n / 4).for_each(|i| tx.send(i).unwrap()));
    }
    drop(tx);
    assert_eq!(join(receivers).iter().sum::<usize>(), (n / 4 * 4) as usize);
}

fn contended(n: u32) {
    let (tx, rx) = mpmc::channel();
    let one = |_| {
        let (tx, rx): (mpmc::Sender<u32>, mpmc::Receiver<u32>) = (tx.clone(), rx.clone());
        go!(move || {
            for i in 0..n / 8 {
                tx.send(i).unwrap();
                black_box(rx.recv().unwrap());
            }
        })
    };
    join((0..8).map(one).collect());
}

fn select_ping_pong(n: u32) {
    let ((a, x), (y, b)) = (mpsc::channel(), mpsc::channel());
    let (_keep, never) = mpsc::channel::<u32>();
    go!(move || x.iter().all(|v| y.send(v).is_ok()));
    for i in 0..n {
        a.send(i).unwrap();
        select! { v = b.recv() => assert_eq!(v, Ok(i)), _v = never.recv() => {} };
    }
}

fn try_recv(n: u32) {
    let (_tx, rx) = mpsc::channel::<u32>();
    for _ in 0..n {
        assert!(black_box(&rx).try_recv().is_err());
    }
}

fn sieve() {
    let (first, mut from) = mpsc::channel();
    // Unbounded: without a limit the numbers outrun the filters.
    go!(move || (2..=17_389u32).all(|n| first.send(n).is_ok()));
    for _ in 1..2000 {
        let prime = from.recv().unwrap();
        let (to, next) = mpsc::channel();
        let source = std::mem::replace(&mut from, next);
        go!(move || source.iter().filter(|n| n % prime != 0).all(|n| to.send(n).is_ok()));
    }
    assert_eq!(from.recv(), Ok(17_389));
}

fn mutex(n: u32, coroutines: u32) {
    let total = Arc::new(Mutex::new(0u32));
    let one = |_| {
        let total = total.clone();
        go!(move || (0..n / coroutines).for_each(|_| *total.lock().unwrap() += 1))
    };
    join((0..coroutines).map(one).collect());
    assert_eq!(*total.lock().unwrap(), n / coroutines * coroutines);
}

fn rwlock(n: u32) {
    let lock = RwLock::new(1u32);
    let sum: u32 = (0..n).map(|_| *black_box(&lock).read().unwrap()).sum();
    assert_eq!(sum, n);
}

fn rwlock_shared(n: u32) {
    let lock = Arc::new(RwLock::new(0u32));
    let one = |_| {
        let lock = lock.clone();
        go!(move || {
            for i in 0..n / 100 {
                if i % 100 == 0 {
                    *lock.write().unwrap() += 1;
                } else {
                    black_box(*lock.read().unwrap());
                }
            }
        })
    };
    join((0..100).map(one).collect());
}

fn start_and_wait(n: u32) {
    for _ in 0..n.div_ceil(100) {
        join((0..100).map(|_| go!(|| {})).collect());
    }
}

fn condvar(n: u32) {
    let shared = Arc::new((Mutex::new(0u32), Condvar::new()));
    let turn = |shared: &(Mutex<u32>, Condvar), own: u32| {
        let mut turn = shared.0.lock().unwrap();
        while *turn % 2 != own {
            turn = shared.1.wait(turn).unwrap();
        }
        *turn += 1;
        shared.1.notify_one();
    };
    let other = shared.clone();
    go!(move || (0..n).for_each(|_| turn(&other, 1)));
    (0..n).for_each(|_| turn(&shared, 0));
}

fn sleepers() {
    join((0..100_000).map(|_| go!(|| sleep(Duration::from_millis(10)))).collect());
}

fn lateness(n: u32) -> Vec<Duration> {
    const SLEEP: Duration = Duration::from_millis(1);
    let mut late = Vec::new();
    for _ in 0..n {
        let one = |_| {
            go!(|| {
                let start = Instant::now();
                sleep(SLEEP);
                start.elapsed().saturating_sub(SLEEP)
            })
        };
        late.extend(join((0..1000).map(one).collect()));
        sleep(Duration::from_millis(5));
    }
    late
}

fn idle() -> f64 {
    let (_tx, rx) = mpmc::channel::<u32>();
    for _ in 0..10_000 {
        let rx = rx.clone();
        go!(move || rx.recv());
    }
    go!(|| sleep(Duration::from_secs(3600)));
    sleep(Duration::from_millis(300));
    let before = cpu_time();
    sleep(Duration::from_secs(1));
    (cpu_time() - before).as_nanos() as f64
}
