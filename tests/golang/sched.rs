//! The scheduler: everybody runs, in Go's order where Go has one, whoever hogs or blocks.

use crate::support::{eventually, exclusive, on_procs, scaled, settle, watched, with_procs};
use gort::runtime::{goid, gomaxprocs, gosched, num_goroutine};
use gort::sync::WaitGroup;
use gort::{chan, go, spawn};
use std::collections::HashSet;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// As many goroutines as Ps hand a baton round by spinning: it moves only if all run at once.
/// (TestGoroutineParallelism)
fn baton(rounds: usize) {
    let procs = gomaxprocs(0);
    let baton = Arc::new(AtomicUsize::new(0));
    let wg = WaitGroup::new();
    for p in 0..procs {
        let baton = baton.clone();
        wg.go(move || {
            for i in 0..rounds {
                while baton.load(Ordering::Acquire) != procs * i + p {
                    spin_loop();
                }
                baton.fetch_add(1, Ordering::AcqRel);
            }
        });
    }
    wg.wait();
    assert_eq!(baton.load(Ordering::Acquire), procs * rounds);
}

#[test]
fn as_many_goroutines_run_at_once_as_there_are_ps() {
    on_procs(|| {
        for _ in 0..10 {
            baton(3);
        }
    });
}

/// TestGoroutineParallelism2: the same after a burst that has put every thread to work and to sleep.
#[test]
fn sleeping_threads_wake_up_for_goroutines_that_spin() {
    on_procs(|| {
        for _ in 0..5 {
            let wg = WaitGroup::new();
            for _ in 0..200 {
                wg.go(|| {
                    for _ in 0..5 {
                        gosched();
                    }
                });
            }
            wg.wait();
            spawn(|| spawn(|| baton(3)).join().unwrap()).join().unwrap();
        }
    });
}

/// TestYieldProgress
#[test]
fn a_loop_of_yields_lets_the_others_go_on() {
    on_procs(|| {
        let (ask, answer) = (chan(0), chan(0));
        let (q, a) = (ask.clone(), answer.clone());
        go(move || {
            while q.try_recv().is_err() {
                gosched();
            }
            a.send("got it");
        });
        settle();
        ask.send(());
        assert_eq!(answer.recv(), Some("got it"));
    });
}

/// The newest goroutine is in `runnext` and runs first, the others in the order of their birth. A
/// busy machine may take the P away in between, so this is asked of most rounds, not of all.
#[test]
fn the_newest_goroutine_runs_first_then_the_oldest() {
    with_procs(1, || {
        const ROUNDS: usize = 40;
        let right = (0..ROUNDS).filter(|_| order_of_birth() == ["c", "a", "b"]).count();
        assert!(right > ROUNDS / 2, "only {right} of {ROUNDS}");
    });
}

fn order_of_birth() -> Vec<&'static str> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let wg = WaitGroup::new();
    for name in ["a", "b", "c"] {
        let log = log.clone();
        wg.go(move || log.lock().unwrap().push(name));
    }
    wg.wait();
    Arc::into_inner(log).unwrap().into_inner().unwrap()
}

/// A goroutine that yields goes behind everything that was runnable before.
#[test]
fn a_yield_goes_to_the_end() {
    with_procs(1, || {
        const ROUNDS: usize = 40;
        let fair =
            |log: Vec<usize>| log.chunks(5).all(|c| c.iter().collect::<HashSet<_>>().len() == 5);
        let right = (0..ROUNDS).filter(|_| fair(turns())).count();
        assert!(right > ROUNDS / 2, "only {right} of {ROUNDS}");
    });
}

/// Five goroutines write their number and yield, ten times each.
fn turns() -> Vec<usize> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let wg = WaitGroup::new();
    for id in 0..5 {
        let log = log.clone();
        wg.go(move || {
            for _ in 0..10 {
                log.lock().unwrap().push(id);
                gosched();
            }
        });
    }
    wg.wait();
    Arc::into_inner(log).unwrap().into_inner().unwrap()
}

/// Two goroutines that wake each other through `runnext` for ever do not starve a third (the 61st
/// pick), neither one that waits in the queue nor one that yields.
#[test]
fn a_talking_pair_starves_nobody() {
    on_procs(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let (ping, pong) = (chan(0), chan(0));
        let wg = WaitGroup::new();
        let (tx, rx) = (ping.clone(), pong.clone());
        wg.go(move || {
            while rx.recv().is_some() {
                tx.send(());
            }
            tx.close();
        });
        let flag = stop.clone();
        wg.go(move || {
            while !flag.load(Ordering::Relaxed) {
                pong.send(());
                _ = ping.recv();
            }
            pong.close();
        });
        let third = spawn(|| {
            for _ in 0..50 {
                gosched();
            }
        });
        third.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        wg.wait();
    });
}

/// TestPreemption: two goroutines that only spin, on each other. Nothing can switch them out, but
/// the P can be taken from the one that runs.
#[test]
fn spinning_goroutines_take_turns_with_their_p() {
    on_procs(|| {
        let turn = Arc::new(AtomicUsize::new(0));
        let wg = WaitGroup::new();
        for me in 0..2 {
            let turn = turn.clone();
            wg.go(move || {
                for _ in 0..5 {
                    while turn.load(Ordering::Acquire) % 2 != me {
                        spin_loop();
                    }
                    turn.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        wg.wait();
        assert_eq!(turn.load(Ordering::Acquire), 10);
    });
}

/// A goroutine that computes for ever keeps nobody from running: not those in its own queue, not
/// those that are made ready, not a sleeper.
#[test]
fn a_hog_stops_nobody() {
    on_procs(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let hogs: Vec<_> = (0..gomaxprocs(0))
            .map(|_| {
                let stop = stop.clone();
                spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        spin_loop();
                    }
                })
            })
            .collect();
        let c = chan(0);
        let d = c.clone();
        go(move || d.send(1));
        assert_eq!(c.recv(), Some(1));
        gort::time::sleep(Duration::from_millis(1));
        stop.store(true, Ordering::Relaxed);
        hogs.into_iter().for_each(|h| h.join().unwrap());
    });
}

/// A goroutine that blocks its thread in a call the runtime knows nothing of.
#[test]
fn an_undeclared_blocking_call_gives_up_its_p() {
    on_procs(|| {
        let (tx, rx) = std::sync::mpsc::channel();
        let blocked: Vec<_> = (0..6)
            .map(|_| {
                let (tx, rx) = std::sync::mpsc::channel::<()>();
                (tx, spawn(move || rx.recv()))
            })
            .collect();
        settle();
        go(move || tx.send(7).unwrap());
        assert_eq!(rx.recv(), Ok(7), "blocks main's own thread as well");
        for (tx, goroutine) in blocked {
            tx.send(()).unwrap();
            goroutine.join().unwrap().unwrap();
        }
    });
}

/// TestPreemptionAfterSyscall: goroutines in and out of the kernel all the time stop when told.
#[test]
fn goroutines_that_nap_in_the_kernel_all_end() {
    for nap in [10, 100, 1000].map(Duration::from_micros) {
        with_procs(2, || {
            let stop = Arc::new(AtomicBool::new(false));
            let wg = WaitGroup::new();
            for _ in 0..8 {
                let stop = stop.clone();
                wg.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(nap);
                    }
                });
            }
            gort::time::sleep(Duration::from_millis(3));
            stop.store(true, Ordering::Relaxed);
            wg.wait();
        });
    }
}

/// TestNumGoroutine, goprint.go: the count rises with a start and falls back after the end.
#[test]
fn goroutines_are_counted() {
    on_procs(|| {
        let mut base = num_goroutine();
        // Detached goroutines of an earlier test may still be on their way out.
        eventually(|| std::mem::replace(&mut base, num_goroutine()) == num_goroutine());
        assert!(base >= 1);
        let gate = chan::<()>(0);
        let parked: Vec<_> = (0..100)
            .map(|_| {
                let gate = gate.clone();
                spawn(move || gate.recv())
            })
            .collect();
        assert_eq!(num_goroutine(), base + 100);
        gate.close();
        parked.into_iter().for_each(|h| assert_eq!(h.join().unwrap(), None));
        eventually(|| num_goroutine() == base);
    });
}

/// TestGetgThreadSwitch: who I am is right after every switch, whatever thread I woke up on.
#[test]
fn a_goroutine_knows_itself_on_every_thread() {
    on_procs(|| {
        let pairs = 10;
        let handles: Vec<_> = (0..pairs)
            .flat_map(|_| {
                let c = chan::<u64>(0);
                let d = c.clone();
                [
                    spawn(move || remember_myself(|me| c.send(me))),
                    spawn(move || remember_myself(|me| assert_ne!(d.recv(), Some(me)))),
                ]
            })
            .collect();
        let mut ids = HashSet::from([goid()]);
        for h in handles {
            let id = h.id();
            assert!(id > 0 && ids.insert(id), "goroutine {id} exists twice");
            assert_eq!(h.join().unwrap(), id);
        }
    });
}

fn remember_myself(talk: impl Fn(u64)) -> u64 {
    let me = goid();
    for n in 0..scaled(100, 1000) {
        match n % 3 {
            0 => gosched(),
            1 => gort::time::sleep(Duration::from_nanos(1)),
            _ => talk(me),
        }
        assert_eq!(goid(), me);
    }
    me
}

/// Numbers that a compiler keeps in registers across calls survive every switch.
#[test]
fn registers_survive_switches() {
    on_procs(|| {
        let wg = WaitGroup::new();
        for g in 0..8_u32 {
            wg.go(move || {
                let (mut a, mut b, mut c) = (f64::from(g), f64::from(g) + 0.5, 1.0_f64);
                let (mut x, mut y, mut z) = (u64::from(g), 7_u64, 11_u64);
                for i in 0..scaled(200, 2000) as u32 {
                    (a, b, c) = (b + 1.0, c * 1.0, a);
                    (x, y, z) = (y + 1, z ^ u64::from(i), x);
                    gosched();
                }
                let mut o = (f64::from(g), f64::from(g) + 0.5, 1.0_f64);
                let mut n = (u64::from(g), 7_u64, 11_u64);
                for i in 0..scaled(200, 2000) as u32 {
                    o = (o.1 + 1.0, o.2 * 1.0, o.0);
                    n = (n.1 + 1, n.2 ^ u64::from(i), n.0);
                }
                assert_eq!(((a, b, c), (x, y, z)), (o, n));
            });
        }
        wg.wait();
    });
}

/// test/chan/goroutines.go: a value walks down a chain of ten thousand goroutines.
#[test]
fn a_chain_of_ten_thousand_passes_a_value_on() {
    on_procs(|| {
        let first = chan(0);
        let mut left = first.clone();
        for _ in 0..10_000 {
            let right = chan(0);
            go!(pass_on(left.clone(), right.clone()));
            left = right;
        }
        first.send(0);
        assert_eq!(left.recv(), Some(10_000));
    });
}

fn pass_on(from: gort::Chan<i32>, to: gort::Chan<i32>) {
    to.send(from.recv().unwrap() + 1);
}

/// skynet: every goroutine starts ten and adds up what they send.
#[test]
fn a_tree_of_goroutines_adds_up() {
    fn node(to: gort::Chan<usize>, number: usize, leaves: usize) {
        if leaves == 1 {
            return to.send(number);
        }
        let c = chan(0);
        for i in 0..10 {
            go!(node(c.clone(), number + i * leaves / 10, leaves / 10));
        }
        to.send((0..10).map(|_| c.recv().unwrap()).sum());
    }
    on_procs(|| {
        let (c, leaves) = (chan(0), scaled(1_000, 10_000));
        go!(node(c.clone(), 0, leaves));
        assert_eq!(c.recv(), Some(leaves * (leaves - 1) / 2));
    });
}

/// TestStopTheWorldDeadlock: the world is stopped by several at once while others work.
#[test]
fn changing_the_number_of_ps_loses_nobody() {
    let _one = exclusive();
    let before = gomaxprocs(2);
    watched(|| gort::run(change_procs_under_load));
    gomaxprocs(before);
}

fn change_procs_under_load() {
    let (stop, work) = (Arc::new(AtomicBool::new(false)), WaitGroup::new());
    for n in 0..6 {
        let stop = stop.clone();
        work.go(move || {
            while !stop.load(Ordering::Relaxed) {
                let children: Vec<_> = (0..4).map(|i| spawn(move || i)).collect();
                match n % 3 {
                    0 => gosched(),
                    1 => gort::time::sleep(Duration::from_nanos(1)),
                    _ => (0..1_000).for_each(|_| spin_loop()),
                }
                assert_eq!(children.into_iter().map(|c| c.join().unwrap()).sum::<i32>(), 6);
            }
        });
    }
    let stoppers: Vec<_> = (0..3)
        .map(|i| {
            spawn(move || {
                for n in 0..30 {
                    gomaxprocs(1 + (i + n * 3) % 7);
                    gosched();
                }
            })
        })
        .collect();
    let outside = std::thread::spawn(|| (0..20).for_each(|n| _ = gomaxprocs(1 + n % 4)));
    stoppers.into_iter().for_each(|s| s.join().unwrap());
    outside.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    work.wait();
}

#[test]
fn gomaxprocs_returns_what_was_and_zero_only_asks() {
    let _one = exclusive();
    let before = gomaxprocs(3);
    assert_eq!(gomaxprocs(0), 3);
    assert_eq!(gomaxprocs(5), 3);
    gort::run(|| assert_eq!((gomaxprocs(5), gomaxprocs(1), gomaxprocs(0)), (5, 5, 1)));
    assert_eq!(gomaxprocs(before), 1);
}

/// Goroutines queued on Ps that go away run all the same; their order cannot be seen from outside
/// with more than one P, their number can.
#[test]
fn shrinking_keeps_the_queues() {
    let _one = exclusive();
    let before = gomaxprocs(0);
    watched(|| {
        gort::run(|| {
            for _ in 0..scaled(10, 50) {
                gomaxprocs(4);
                let wg = WaitGroup::new();
                let ran = Arc::new(AtomicUsize::new(0));
                for _ in 0..20 {
                    let (inner, ran) = (wg.clone(), ran.clone());
                    wg.go(move || {
                        for _ in 0..30 {
                            let ran = ran.clone();
                            inner.go(move || _ = ran.fetch_add(1, Ordering::Relaxed));
                        }
                    });
                }
                gomaxprocs(1);
                wg.wait();
                assert_eq!(ran.load(Ordering::Relaxed), 600);
            }
        });
    });
    gomaxprocs(before);
}
