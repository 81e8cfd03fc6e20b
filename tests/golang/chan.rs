//! Channels: Go's rules for order, blocking, closing, nil, and what does not block.

use crate::support::{eventually, on_procs, panic_of, scaled, settle};
use gort::runtime::gosched;
use gort::sync::WaitGroup;
use gort::{Chan, TryRecvError, TrySendError, chan, go, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Capacities on which every rule is asked.
const CAPS: [usize; 6] = [0, 1, 2, 7, 64, 199];

/// Whether `f` is still blocked after everyone had many turns; then `free` must let it end.
fn blocks(f: impl FnOnce() + Send + 'static, free: impl FnOnce()) {
    let done = Arc::new(AtomicBool::new(false));
    let (flag, wg) = (done.clone(), WaitGroup::new());
    wg.go(move || {
        f();
        flag.store(true, Ordering::Release);
    });
    settle();
    assert!(!done.load(Ordering::Acquire), "it was to block");
    free();
    wg.wait();
}

/// TestChan, first half: an empty channel blocks receivers, a full one senders.
#[test]
fn empty_blocks_receivers_and_full_blocks_senders() {
    on_procs(|| {
        for cap in CAPS {
            let c = chan::<i32>(cap);
            assert_eq!((c.cap(), c.len(), c.is_empty()), (cap, 0, true));
            assert_eq!(c.try_recv(), Err(TryRecvError::Empty));
            let d = c.clone();
            blocks(move || assert_eq!(d.recv(), Some(1)), || c.send(1));
            (0..cap as i32).for_each(|i| c.send(i));
            assert_eq!((c.len(), c.is_empty()), (cap, cap == 0));
            assert_eq!(c.try_send(-1), Err(TrySendError::Full(-1)));
            let d = c.clone();
            let last = cap as i32;
            blocks(move || d.send(last), || assert_eq!(c.recv(), Some(0)));
            assert_eq!(
                (1..=last).map(|_| c.recv()).collect::<Vec<_>>(),
                (1..=last).map(Some).collect::<Vec<_>>()
            );
        }
    });
}

/// TestChan, second half: close lets the buffer drain, then says so for ever.
#[test]
fn a_closed_channel_drains_and_then_is_empty_for_ever() {
    on_procs(|| {
        for cap in CAPS {
            let c = chan(cap);
            (0..cap).for_each(|i| c.send(i));
            c.close();
            assert_eq!((c.len(), c.is_closed()), (cap, true));
            assert_eq!(c.iter().collect::<Vec<_>>(), (0..cap).collect::<Vec<_>>());
            for _ in 0..3 {
                assert_eq!((c.recv(), c.try_recv()), (None, Err(TryRecvError::Closed)));
            }
            assert_eq!((&c).into_iter().count(), 0);
            assert_eq!(c.into_iter().count(), 0);
        }
    });
}

#[test]
fn close_frees_everyone_who_waits() {
    on_procs(|| {
        let c = chan::<i32>(0);
        let receivers: Vec<_> = (0..10)
            .map(|_| {
                let c = c.clone();
                spawn(move || c.recv())
            })
            .collect();
        settle();
        c.close();
        assert!(receivers.into_iter().all(|r| r.join().unwrap().is_none()));
        let c = chan(1);
        c.send(0);
        let senders: Vec<_> = (1..=10)
            .map(|i| {
                let c = c.clone();
                spawn(move || panic_of(|| c.send(i)))
            })
            .collect();
        settle();
        c.close();
        assert!(senders.into_iter().all(|s| s.join().unwrap() == "send on closed channel"));
        assert_eq!((c.recv(), c.recv()), (Some(0), None));
    });
}

/// test/closedchan.go
#[test]
fn misuse_of_a_closed_or_nil_channel_panics_with_gos_words() {
    on_procs(|| {
        for cap in [0, 3] {
            let c = chan(cap);
            c.close();
            assert_eq!(panic_of(|| c.send(1)), "send on closed channel");
            assert_eq!(panic_of(|| c.try_send(1)), "send on closed channel");
            assert_eq!(panic_of(|| c.close()), "close of closed channel");
            assert_eq!(c.recv(), None);
        }
        let nil = Chan::<i32>::nil();
        assert_eq!(panic_of(|| nil.close()), "close of nil channel");
    });
}

#[test]
fn the_nil_channel_is_never_ready() {
    on_procs(|| {
        let nil = Chan::<i32>::nil();
        assert!(nil.is_nil() && nil == Chan::default() && nil != chan(0));
        assert_eq!((nil.len(), nil.cap(), nil.is_closed()), (0, 0, false));
        assert_eq!(nil.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(nil.try_send(4), Err(TrySendError::Full(4)));
        let ran = Arc::new(AtomicUsize::new(0));
        for send in [false, true] {
            let (nil, ran) = (nil.clone(), ran.clone());
            go(move || {
                if send {
                    nil.send(1)
                } else {
                    _ = nil.recv()
                }
                ran.fetch_add(1, Ordering::Relaxed);
            });
        }
        settle();
        assert_eq!(ran.load(Ordering::Relaxed), 0);
    });
}

/// test/chancap.go
#[test]
fn impossible_capacities_are_refused() {
    on_procs(|| {
        let refused = "makechan: size out of range";
        assert_eq!(panic_of(|| chan::<u64>(usize::MAX)), refused);
        assert_eq!(panic_of(|| chan::<u64>(isize::MAX as usize / 8 + 1)), refused);
        assert_eq!(panic_of(|| chan::<[u8; 1 << 20]>(usize::MAX >> 14)), refused);
        assert_eq!(panic_of(|| chan::<()>(usize::MAX)), refused);
        let large = isize::MAX as usize / 64;
        let huge = chan::<u64>(large);
        assert_eq!(huge.cap(), large, "a large capacity costs nothing until it is used");
        huge.send(1);
        assert_eq!(huge.recv(), Some(1));
    });
}

/// TestChan: what one sends arrives in order, whatever the capacity.
#[test]
fn one_sender_one_receiver_is_first_in_first_out() {
    on_procs(|| {
        for cap in CAPS {
            let n = scaled(100, 1000);
            let c = chan(cap);
            let d = c.clone();
            go(move || (0..n).for_each(|i| d.send(i)));
            assert!((0..n).all(|i| c.recv() == Some(i)));
        }
    });
}

/// TestChan: four producers, four consumers, every value exactly once.
#[test]
fn many_to_many_loses_and_doubles_nothing() {
    on_procs(|| {
        for cap in [0, 1, 10] {
            let (c, n) = (chan(cap), scaled(250, 1000));
            let consumers: Vec<_> = (0..4)
                .map(|_| {
                    let c = c.clone();
                    spawn(move || c.iter().collect::<Vec<usize>>())
                })
                .collect();
            let producers = WaitGroup::new();
            for p in 0..4 {
                let c = c.clone();
                producers.go(move || (0..n).for_each(|i| c.send(p * n + i)));
            }
            producers.wait();
            c.close();
            let seen: Vec<Vec<usize>> = consumers.into_iter().map(|h| h.join().unwrap()).collect();
            for got in &seen {
                let in_order = |p| got.iter().filter(|v| *v / n == p).is_sorted();
                assert!((0..4).all(in_order), "each producer's values keep their order");
            }
            let mut all = seen.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..4 * n));
        }
    });
}

/// TestMultiConsumer: 23 workers, some of which step back at primes.
#[test]
fn many_consumers_share_the_work() {
    on_procs(|| {
        let (work, results, n) = (chan(23), chan(46), scaled(500, 5000));
        let wg = WaitGroup::new();
        for _ in 0..23 {
            let (work, results) = (work.clone(), results.clone());
            wg.go(move || {
                for v in &work {
                    if v % 7 == 0 || v % 5 == 0 {
                        gosched();
                    }
                    results.send(v);
                }
            });
        }
        let (w, r) = (work.clone(), results.clone());
        go(move || {
            (0..n).for_each(|v| w.send(v));
            w.close();
            wg.wait();
            r.close();
        });
        assert_eq!(results.iter().sum::<usize>(), n * (n - 1) / 2);
    });
}

/// Blocked senders are served in the order in which they blocked, and so are receivers.
#[test]
fn who_waits_longest_is_served_first() {
    on_procs(|| {
        for cap in [0, 3] {
            let c = chan(cap);
            (0..cap).for_each(|i| c.send(i));
            for i in cap..cap + 20 {
                let d = c.clone();
                block(move || d.send(i));
            }
            assert!((0..cap + 20).all(|i| c.recv() == Some(i)));
        }
        let (c, log) = (chan(0), chan(20));
        for i in 0..20 {
            let (c, log) = (c.clone(), log.clone());
            block(move || log.send((i, c.recv().unwrap())));
        }
        (0..20).for_each(|v| c.send(v));
        let served: Vec<(i32, i32)> = log.iter().take(20).collect();
        assert!(served.iter().all(|(i, v)| i == v), "{served:?}");
    });
}

/// Starts a goroutine and gives it all the time it needs to block in `f`.
fn block(f: impl FnOnce() + Send + 'static) {
    let started = Arc::new(AtomicBool::new(false));
    let flag = started.clone();
    go(move || {
        flag.store(true, Ordering::Release);
        f();
    });
    eventually(|| started.load(Ordering::Acquire));
    settle();
}

/// test/chan/fifo.go: goroutines in a chain hand their turn on.
#[test]
fn a_chain_of_turns_keeps_the_order() {
    on_procs(|| {
        let (c, n) = (chan(0), 20);
        let mut turn = chan(1);
        turn.send(());
        for i in 0..n {
            let (mine, next) = (turn, chan(1));
            turn = next.clone();
            let c = c.clone();
            go(move || {
                _ = mine.recv();
                c.send(i);
                next.send(());
            });
        }
        assert!((0..n).all(|i| c.recv() == Some(i)));
    });
}

/// TestNonblockRecvRace: a value is there or the channel is closed: a try must never say "empty".
#[test]
fn a_try_never_says_empty_of_a_channel_that_never_was() {
    on_procs(|| {
        for _ in 0..scaled(300, 3000) {
            let c = chan(1);
            c.send(1);
            let d = c.clone();
            let tried = spawn(move || d.try_recv());
            c.close();
            _ = c.recv();
            assert_ne!(tried.join().unwrap(), Err(TryRecvError::Empty));
        }
    });
}

/// The same for sends: a full channel that is then closed is full or closed, never takes a value.
#[test]
fn a_try_never_sends_into_a_channel_that_was_full_until_it_closed() {
    on_procs(|| {
        for _ in 0..scaled(300, 3000) {
            let c = chan(1);
            c.send(1);
            let d = c.clone();
            let tried = spawn(move || std::panic::catch_unwind(|| d.try_send(2)));
            c.close();
            match tried.join().unwrap() {
                Ok(sent) => assert_eq!(sent, Err(TrySendError::Full(2))),
                Err(payload) => {
                    assert_eq!(crate::support::words(&*payload), "send on closed channel")
                }
            }
            assert_eq!(c.iter().collect::<Vec<_>>(), [1]);
        }
    });
}

/// test/chan/nonblock.go
#[test]
fn tries_meet_a_party_that_waits() {
    on_procs(|| {
        let c = chan(0);
        let d = c.clone();
        let receiver = spawn(move || d.recv());
        eventually(|| c.try_send("for a receiver that waits").is_ok());
        assert_eq!(receiver.join().unwrap(), Some("for a receiver that waits"));
        let d = c.clone();
        let sender = spawn(move || d.send("from a sender that waits"));
        eventually(|| c.try_recv() == Ok("from a sender that waits"));
        sender.join().unwrap();
        assert_eq!(c.try_recv(), Err(TryRecvError::Empty));
    });
}

/// fixedbugs/bug147: on an unbuffered channel the second send waits until the receiver is back.
#[test]
fn a_rendezvous_sends_nothing_ahead() {
    on_procs(|| {
        let c = chan(0);
        let (d, sent) = (c.clone(), Arc::new(AtomicUsize::new(0)));
        let count = sent.clone();
        go(move || {
            for i in 0..10 {
                d.send(i);
                count.fetch_add(1, Ordering::AcqRel);
            }
        });
        for i in 0..10 {
            settle();
            assert!(sent.load(Ordering::Acquire) <= i, "sent before it was received");
            assert_eq!(c.recv(), Some(i));
        }
    });
}

/// The k-th receive of a buffered channel comes before the end of the (k + cap)-th send.
#[test]
fn a_sender_is_never_further_ahead_than_the_buffer() {
    on_procs(|| {
        for cap in [1, 3] {
            let c = chan(cap);
            let (d, sent) = (c.clone(), Arc::new(AtomicUsize::new(0)));
            let count = sent.clone();
            go(move || {
                for i in 0..50 {
                    d.send(i);
                    count.fetch_add(1, Ordering::AcqRel);
                }
            });
            for i in 0..50 {
                if i % 10 == 0 {
                    settle();
                }
                assert!(sent.load(Ordering::Acquire) <= i + cap);
                assert!(c.len() <= cap);
                assert_eq!(c.recv(), Some(i));
            }
        }
    });
}

/// test/chan/sendstmt.go, fixedbugs/issue8011: channels travel through channels.
#[test]
fn channels_travel_through_channels() {
    on_procs(|| {
        let outer = chan::<Chan<Chan<i32>>>(0);
        let o = outer.clone();
        go(move || o.recv().unwrap().recv().unwrap().send(42));
        let (middle, inner) = (chan(1), chan(0));
        middle.send(inner.clone());
        outer.send(middle.clone());
        assert_eq!(inner.recv(), Some(42));
        assert_ne!(inner, chan(0));
        assert_eq!(inner, inner.clone());
    });
}

/// test/chan/sieve1.go
#[test]
fn a_sieve_of_goroutines_finds_the_primes() {
    on_procs(|| {
        let mut from = chan(0);
        let numbers = from.clone();
        go(move || {
            for n in 2.. {
                numbers.send(n);
            }
        });
        let mut primes = Vec::new();
        for _ in 0..scaled(40, 100) {
            let prime = from.recv().unwrap();
            primes.push(prime);
            let (upstream, to) = (from, chan(0));
            from = to.clone();
            go(move || {
                upstream.iter().filter(|n: &u32| !n.is_multiple_of(prime)).for_each(|n| to.send(n))
            });
        }
        let is_prime = |n: &u32| (2..*n).all(|d| !n.is_multiple_of(d));
        assert!(primes.iter().copied().eq((2..).filter(is_prime).take(primes.len())));
    });
}

/// test/ken/chan1.go: a thousand messages, ten receivers, each message once.
#[test]
fn a_thousand_messages_arrive_once_each() {
    on_procs(|| {
        let c = chan(0);
        let seen: Arc<Vec<AtomicUsize>> =
            Arc::new((0..1000).map(|_| AtomicUsize::new(0)).collect());
        let wg = WaitGroup::new();
        for _ in 0..10 {
            let (c, seen) = (c.clone(), seen.clone());
            wg.go(move || {
                c.iter().for_each(|i: usize| _ = seen[i].fetch_add(1, Ordering::Relaxed))
            });
        }
        (0..1000).for_each(|i| c.send(i));
        c.close();
        wg.wait();
        assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
    });
}

/// After a close with receivers and a closer in a race, nobody hangs and nothing is invented.
#[test]
fn close_races_with_everything() {
    on_procs(|| {
        for round in 0..scaled(50, 500) {
            let c = chan(round % 3);
            let wg = WaitGroup::new();
            let (sent, received) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            for _ in 0..3 {
                let (d, sent) = (c.clone(), sent.clone());
                wg.go(move || {
                    let send = || d.send(1);
                    while std::panic::catch_unwind(std::panic::AssertUnwindSafe(send)).is_ok() {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
                let (d, received) = (c.clone(), received.clone());
                wg.go(move || _ = received.fetch_add(d.iter().count(), Ordering::Relaxed));
            }
            (0..round % 7).for_each(|_| gosched());
            c.close();
            wg.wait();
            assert_eq!(sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
            assert!(c.is_empty());
        }
    });
}

#[test]
fn a_channel_shows_what_it_is() {
    on_procs(|| {
        let c = chan::<i32>(2);
        c.send(1);
        let text = format!("{c:?}");
        assert!(text.contains('1') && text.contains('2') && text.contains("false"), "{text}");
        assert!(format!("{:?}", Chan::<i32>::nil()).contains("nil"));
        assert!(format!("{} {}", TrySendError::Full(1), TrySendError::Closed(1)).len() > 5);
        assert!(format!("{} {}", TryRecvError::Empty, TryRecvError::Closed).len() > 5);
    });
}
