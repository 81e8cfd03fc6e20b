//! tokio 1.x: on one processor its current-thread runtime, which is the faster one, else the
//! multi-threaded one with so many workers. Channels of several receivers are async-channel's.

use super::Program::{self, Own, Timed};
use super::{cpu_time, percentile};
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, Notify, OnceCell, RwLock, mpsc};
use tokio::time::sleep;

static PROCS: AtomicUsize = AtomicUsize::new(1);

pub(super) fn measure(procs: usize, name: &str, n: u32) -> Option<f64> {
    PROCS.store(procs, Ordering::Relaxed);
    Some(program(name)?.measure(n))
}

fn program(name: &str) -> Option<Program> {
    Some(match name {
        "unbuffered ping-pong (round trip)" => Timed(|n| run(ping_pong(n))),
        "buffered(128), one to one" => Timed(|n| run(one_to_one(n))),
        "buffered(128), 4 to 4" => Timed(|n| run(many(n, 128))),
        "unbuffered, 4 to 4" => Timed(|n| run(many(n, 1))),
        "contended: 8 on one channel" => Timed(|n| run(contended(n))),
        "select of two, ready" => Timed(|n| run(select_ready(n))),
        "select of two, ping-pong" => Timed(|n| run(select_ping_pong(n))),
        "select with default, empty" => Timed(|n| run(select_default(n))),
        "try_recv on empty" => Timed(|n| run(try_recv(n))),
        "1,000 selectors on one channel" => Timed(|n| run(selectors(n))),
        "sieve to the 2,000th prime" => Timed(|_| run(sieve())),
        "mutex, alone" => Timed(|n| run(mutex(n, 1))),
        "mutex, 100 goroutines" => Timed(|n| run(mutex(n, 100))),
        "rwlock, read alone" => Timed(|n| run(rwlock(n))),
        "rwlock, 100 goroutines, 1 in 100 writes" => Timed(|n| run(rwlock_shared(n))),
        "wait group, start 100 and wait" => Timed(|n| run(start_and_wait(n))),
        "once, done" => Timed(|n| run(once(n))),
        "condvar, ping-pong" => Timed(|n| run(notify(n))),
        "select with time limit, ready later" => Timed(|n| run(limits(n))),
        "100,000 sleep for 10 ms" => Timed(|_| run(sleepers())),
        "1,000 sleep for 1 ms: median lateness" => Own(|n| percentile(run(lateness(n)), 50)),
        "1,000 sleep for 1 ms: 99th percentile" => Own(|n| percentile(run(lateness(n)), 99)),
        "CPU in a second, 10,000 parked and a timer" => Own(|_| run(idle())),
        _ => return None,
    })
}

fn runtime() -> Runtime {
    let procs = PROCS.load(Ordering::Relaxed);
    let mut builder = match procs {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if procs > 1 {
        builder.worker_threads(procs);
    }
    builder.enable_time().build().expect("a runtime")
}

/// Runs it as a task, since the thread in `block_on` is not a worker.
fn run<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> T {
    let rt = runtime();
    rt.block_on(async { tokio::spawn(f).await.expect("no panic") })
}

async fn ping_pong(n: u32) {
    let ((a, mut x), (y, mut b)) = (mpsc::channel(1), mpsc::channel(1));
    tokio::spawn(async move {
        while let Some(v) = x.recv().await {
            let _ = y.send(v).await;
        }
    });
    for i in 0..n {
        a.send(i).await.unwrap();
        assert_eq!(b.recv().await, Some(i));
    }
}

async fn one_to_one(n: u32) {
    let (tx, mut rx) = mpsc::channel(128);
    let count = tokio::spawn(async move {
        let mut count = 0;
        while rx.recv().await.is_some() {
            count += 1;
        }
        count
    });
    for i in 0..n {
        tx.send(i).await.unwrap();
    }
    drop(tx);
    assert_eq!(count.await.unwrap(), n);
}

async fn many(n: u32, cap: usize) {
    let (tx, rx) = async_channel::bounded(cap);
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let rx = rx.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while rx.recv().await.is_ok() {
                    count += 1;
                }
                count
            })
        })
        .collect();
    for _ in 0..4 {
        let tx = tx.clone();
        tokio::spawn(async move {
            for i in 0..n / 4 {
                tx.send(i).await.unwrap();
            }
        });
    }
    drop(tx);
    let mut total = 0;
    for receiver in receivers {
        total += receiver.await.unwrap();
    }
    assert_eq!(total, n / 4 * 4);
}

async fn contended(n: u32) {
    let (tx, rx) = async_channel::bounded(100);
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (tx, rx) = (tx.clone(), rx.clone());
            tokio::spawn(async move {
                for i in 0..n / 8 {
                    tx.send(i).await.unwrap();
                    black_box(rx.recv().await.unwrap());
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

async fn select_ready(n: u32) {
    let ((a, mut x), (b, mut y)) = (mpsc::channel(1), mpsc::channel(1));
    a.send(0).await.unwrap();
    for _ in 0..n {
        tokio::select! {
            v = x.recv() => b.send(v.unwrap_or(0)).await.unwrap(),
            v = y.recv() => a.send(v.unwrap_or(0)).await.unwrap(),
        }
    }
}

async fn select_ping_pong(n: u32) {
    let ((a, mut x), (y, mut b)) = (mpsc::channel(1), mpsc::channel(1));
    let ((_p, mut never), (_q, mut nor)) = (mpsc::channel::<u32>(1), mpsc::channel::<u32>(1));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                v = x.recv() => match v {
                    Some(v) => drop(y.send(v).await),
                    None => break,
                },
                _ = never.recv() => {}
            }
        }
    });
    for i in 0..n {
        a.send(i).await.unwrap();
        tokio::select! { v = b.recv() => assert_eq!(v, Some(i)), _ = nor.recv() => {} }
    }
}

async fn select_default(n: u32) {
    let ((_a, mut x), (_b, mut y)) = (mpsc::channel::<u32>(1), mpsc::channel::<u32>(1));
    for _ in 0..n {
        tokio::select! {
            biased;
            _ = x.recv() => {}
            _ = y.recv() => {}
            () = std::future::ready(()) => {}
        }
    }
}

async fn try_recv(n: u32) {
    let (_a, mut x) = mpsc::channel::<u32>(1);
    for _ in 0..n {
        assert!(black_box(&mut x).try_recv().is_err());
    }
}

async fn selectors(n: u32) {
    let (_tx, common) = async_channel::bounded::<u32>(1);
    let (mut own, mut all) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        let (tx, mut mine) = mpsc::channel(1);
        let common = common.clone();
        own.push(tx);
        all.push(tokio::spawn(async move {
            loop {
                tokio::select! {
                    v = mine.recv() => if v.is_none() { break },
                    _ = common.recv() => {}
                }
            }
        }));
    }
    for i in 0..n {
        own[i as usize % 1000].send(i).await.unwrap();
    }
    drop(own);
    for one in all {
        one.await.unwrap();
    }
}

async fn sieve() {
    let (first, mut from) = mpsc::channel(1);
    tokio::spawn(async move {
        for n in 2u32.. {
            if first.send(n).await.is_err() {
                break;
            }
        }
    });
    for _ in 1..2000 {
        let prime = from.recv().await.unwrap();
        let (to, next) = mpsc::channel(1);
        let mut source = std::mem::replace(&mut from, next);
        tokio::spawn(async move {
            while let Some(n) = source.recv().await {
                if n % prime != 0 && to.send(n).await.is_err() {
                    break;
                }
            }
        });
    }
    assert_eq!(from.recv().await, Some(17_389));
}

async fn mutex(n: u32, tasks: u32) {
    let total = Arc::new(Mutex::new(0u32));
    let all: Vec<_> = (0..tasks)
        .map(|_| {
            let total = total.clone();
            tokio::spawn(async move {
                for _ in 0..n / tasks {
                    *total.lock().await += 1;
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(*total.lock().await, n / tasks * tasks);
}

async fn rwlock(n: u32) {
    let lock = RwLock::new(1u32);
    let mut sum = 0;
    for _ in 0..n {
        sum += *black_box(&lock).read().await;
    }
    assert_eq!(sum, n);
}

async fn rwlock_shared(n: u32) {
    let lock = Arc::new(RwLock::new(0u32));
    let all: Vec<_> = (0..100)
        .map(|_| {
            let lock = lock.clone();
            tokio::spawn(async move {
                for i in 0..n / 100 {
                    if i % 100 == 0 {
                        *lock.write().await += 1;
                    } else {
                        black_box(*lock.read().await);
                    }
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

async fn start_and_wait(n: u32) {
    for _ in 0..n.div_ceil(100) {
        let all: Vec<_> = (0..100).map(|_| tokio::spawn(async {})).collect();
        for one in all {
            one.await.unwrap();
        }
    }
}

async fn once(n: u32) {
    let once = OnceCell::new();
    for _ in 0..n {
        black_box(&once).get_or_init(|| async { 1 }).await;
    }
}

/// The nearest thing to a condition variable: two `Notify`.
async fn notify(n: u32) {
    let both = Arc::new((Notify::new(), Notify::new()));
    let other = both.clone();
    tokio::spawn(async move {
        for _ in 0..n {
            other.0.notified().await;
            other.1.notify_one();
        }
    });
    for _ in 0..n {
        both.0.notify_one();
        both.1.notified().await;
    }
}

async fn limits(n: u32) {
    let ((a, mut x), (y, mut b)) = (mpsc::channel(1), mpsc::channel(1));
    tokio::spawn(async move {
        while let Some(v) = x.recv().await {
            let _ = y.send(v).await;
        }
    });
    for i in 0..n {
        a.send(i).await.unwrap();
        tokio::select! {
            _ = b.recv() => {}
            () = sleep(Duration::from_secs(3600)) => unreachable!(),
        }
    }
}

async fn sleepers() {
    let sleeper = |_| tokio::spawn(sleep(Duration::from_millis(10)));
    let all: Vec<_> = (0..100_000).map(sleeper).collect();
    for one in all {
        one.await.unwrap();
    }
}

async fn lateness(n: u32) -> Vec<Duration> {
    const SLEEP: Duration = Duration::from_millis(1);
    let mut late = Vec::new();
    for _ in 0..n {
        let sleeper = |_| {
            tokio::spawn(async {
                let start = Instant::now();
                sleep(SLEEP).await;
                start.elapsed().saturating_sub(SLEEP)
            })
        };
        let all: Vec<_> = (0..1000).map(sleeper).collect();
        for one in all {
            late.push(one.await.unwrap());
        }
        sleep(Duration::from_millis(5)).await;
    }
    late
}

async fn idle() -> f64 {
    let never = Arc::new(Notify::new());
    for _ in 0..10_000 {
        let never = never.clone();
        tokio::spawn(async move { never.notified().await });
    }
    tokio::spawn(sleep(Duration::from_secs(3600)));
    sleep(Duration::from_millis(300)).await;
    let before = cpu_time();
    sleep(Duration::from_secs(1)).await;
    (cpu_time() - before).as_nanos() as f64
}
