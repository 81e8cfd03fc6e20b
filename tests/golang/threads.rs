//! Plain OS threads as senders, receivers, closers, waiters and spawners.

use crate::support::{Counter, exclusive, on_procs, panic_of, scaled, watched};
use gort::runtime::{goid, gomaxprocs, gosched};
use gort::{TryRecvError, chan, go, run, spawn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[test]
fn threads_and_goroutines_talk_in_every_combination() {
    on_procs(|| {
        for cap in [0, 1, 8] {
            let (c, n) = (chan(cap), scaled(200, 2000));
            let mut senders = Vec::new();
            let mut receivers = Vec::new();
            thread::scope(|s| {
                for p in 0..2 {
                    let (d, e, r) = (c.clone(), c.clone(), c.clone());
                    senders.push(spawn(move || (0..n).for_each(|i| d.send(2 * p * n + i))));
                    let thread = s.spawn(move || (0..n).for_each(|i| e.send((2 * p + 1) * n + i)));
                    let reader = c.clone();
                    receivers.push(spawn(move || reader.iter().collect::<Vec<_>>()));
                    let outside = thread::spawn(move || r.iter().collect::<Vec<_>>());
                    receivers.push(spawn(move || outside.join().unwrap()));
                    drop(thread);
                }
                senders.drain(..).for_each(|h| h.join().unwrap());
            });
            c.close();
            let mut all: Vec<_> = receivers.into_iter().flat_map(|r| r.join().unwrap()).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..4 * n));
        }
    });
}

/// No goroutine takes part: two threads over one channel.
#[test]
fn threads_talk_to_threads() {
    let (ping, pong) = (chan(0), chan(0));
    thread::scope(|s| {
        let (ping, pong) = (&ping, &pong);
        s.spawn(move || {
            for i in ping {
                pong.send(i + 1);
            }
            pong.close();
        });
        for i in 0..scaled(200, 2000) {
            ping.send(i);
            assert_eq!(pong.recv(), Some(i + 1));
        }
        ping.close();
        assert_eq!((pong.recv(), pong.try_recv()), (None, Err(TryRecvError::Closed)));
    });
}

#[test]
fn a_close_frees_threads_too() {
    on_procs(|| {
        let (c, full) = (chan::<u8>(0), chan(1));
        full.send(0);
        let (d, e) = (c.clone(), full.clone());
        let receiver = thread::spawn(move || d.recv());
        let sender = thread::spawn(move || panic_of(|| e.send(1)));
        gort::time::sleep(std::time::Duration::from_millis(2));
        c.close();
        full.close();
        assert_eq!(receiver.join().unwrap(), None);
        assert_eq!(sender.join().unwrap(), "send on closed channel");
    });
}

#[test]
fn threads_start_goroutines_outside_any_run() {
    let counter = Counter::default();
    watched(|| {
        thread::scope(|s| {
            for t in 0..4 {
                let counter = &counter;
                s.spawn(move || {
                    assert_eq!(goid(), 0);
                    let c = chan(0);
                    for i in 0..scaled(100, 1000) {
                        let (value, d) = (counter.make(t), c.clone());
                        if i % 2 == 0 {
                            go(move || d.send(value));
                        } else {
                            let h = spawn(move || (goid(), value));
                            let id = h.id();
                            assert_eq!(h.join().unwrap().0, id);
                            continue;
                        }
                        assert_eq!(c.recv().unwrap().id, t);
                    }
                    gosched();
                });
            }
        });
        counter.all_dropped_once();
    });
}

/// Threads that come and go through `run`, each with work for the others.
#[test]
fn threads_come_and_go_through_run() {
    let _one = exclusive();
    for procs in [1, 2, 4] {
        let before = gomaxprocs(procs);
        let total = AtomicUsize::new(0);
        watched(|| {
            thread::scope(|s| {
                for _ in 0..6 {
                    s.spawn(|| {
                        for i in 0..scaled(20, 100) {
                            let got = run(|| {
                                let h = spawn(move || {
                                    gosched();
                                    i
                                });
                                if i % 5 == 0 {
                                    gort::time::sleep(std::time::Duration::from_micros(20));
                                }
                                h.join().unwrap()
                            });
                            total.fetch_add(usize::from(got == i), Ordering::Relaxed);
                        }
                    });
                }
            });
        });
        gomaxprocs(before);
        assert_eq!(total.into_inner(), 6 * scaled(20, 100));
    }
}

/// A thread that has been an M is a plain one again, and the other way round.
#[test]
fn a_thread_changes_sides_and_back() {
    watched(|| {
        for i in 0..scaled(50, 500) {
            assert_eq!(goid(), 0);
            let c = chan(0);
            let d = c.clone();
            assert!(
                run(move || {
                    go(move || d.send(i));
                    goid()
                }) > 0
            );
            assert_eq!(c.recv(), Some(i), "as a plain thread");
        }
    });
}
