//! Values in channels: every one is dropped exactly once, wherever it is when something happens to
//! it; sizes and alignments of all kinds; destructors that panic or use channels themselves.

use crate::support::{Counter, eventually, on_procs, panic_of, scaled, settle};
use gort::runtime::gosched;
use gort::sync::WaitGroup;
use gort::{Chan, TrySendError, chan, go, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn values_left_in_the_buffer_are_dropped_with_the_channel() {
    on_procs(|| {
        let counter = Counter::default();
        let c = chan(10);
        (0..10).for_each(|i| c.send(counter.make(i)));
        let d = c.clone();
        drop(c);
        settle();
        assert_eq!(counter.dropped(), 0, "a clone keeps the channel");
        drop(d.recv());
        assert_eq!(counter.dropped(), 1);
        drop(d);
        assert_eq!(counter.dropped(), 10);
    });
}

#[test]
fn a_closed_channel_keeps_its_buffer_until_it_is_drained_or_dropped() {
    on_procs(|| {
        let counter = Counter::default();
        let c = chan(4);
        (0..4).for_each(|i| c.send(counter.make(i)));
        c.close();
        assert_eq!(counter.dropped(), 0);
        assert_eq!(c.recv().map(|v| v.id), Some(0));
        assert_eq!(counter.dropped(), 1);
        drop(c);
        assert_eq!(counter.dropped(), 4);
    });
}

/// Senders that wait when the channel closes panic, each drops the value it could not send.
#[test]
fn values_of_senders_that_a_close_sends_away_are_dropped() {
    on_procs(|| {
        for cap in [0, 2] {
            let counter = Counter::default();
            let c = chan(cap);
            (0..cap).for_each(|i| c.send(counter.make(i)));
            let senders: Vec<_> = (0..5)
                .map(|i| {
                    let (c, value) = (c.clone(), counter.make(i));
                    spawn(move || c.send(value))
                })
                .collect();
            settle();
            assert_eq!(counter.dropped(), 0);
            c.close();
            let ends = senders.into_iter().map(|s| s.join().is_err()).filter(|e| *e).count();
            assert_eq!((ends, counter.dropped()), (5, 5));
            drop(c);
            counter.all_dropped_once();
        }
    });
}

#[test]
fn values_that_cannot_be_sent_are_dropped_or_handed_back() {
    on_procs(|| {
        let counter = Counter::default();
        let c = chan(0);
        match c.try_send(counter.make(1)) {
            Err(TrySendError::Full(v)) => assert_eq!((v.id, counter.dropped()), (1, 0)),
            other => panic!("{other:?}"),
        }
        assert_eq!(counter.dropped(), 1);
        assert_eq!(TrySendError::Full(counter.make(2)).into_inner().id, 2);
        c.close();
        assert_eq!(panic_of(|| c.send(counter.make(3))), "send on closed channel");
        assert_eq!(panic_of(|| c.try_send(counter.make(4))), "send on closed channel");
        counter.all_dropped_once();
    });
}

/// In flight: handed from stack to stack by whoever comes second, on both sides, in a crowd.
#[test]
fn values_in_flight_arrive_or_are_dropped_once() {
    on_procs(|| {
        for cap in [0, 1, 5] {
            let counter = Counter::default();
            let c = chan(cap);
            let wg = WaitGroup::new();
            for p in 0..4 {
                let (c, counter) = (c.clone(), counter.clone());
                wg.go(move || {
                    for i in 0..scaled(100, 1000) {
                        let value = counter.make(p * 10_000 + i);
                        match i % 3 {
                            0 => _ = c.try_send(value),
                            _ => c.send(value),
                        }
                    }
                });
            }
            let receivers: Vec<_> = (0..4)
                .map(|r| {
                    let c = c.clone();
                    spawn(move || {
                        let every = |v: &crate::support::Counted| v.id % 10 == r;
                        c.iter().filter(every).count()
                    })
                })
                .collect();
            wg.wait();
            c.close();
            receivers.into_iter().for_each(|r| _ = r.join().unwrap());
            drop(c);
            counter.all_dropped_once();
        }
    });
}

/// A value whose drop panics, in each place where the channel drops values.
#[test]
fn a_drop_that_panics_comes_out_where_it_happens() {
    struct Bomb(Counter, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            drop(self.0.make(0));
            if self.1 && !std::thread::panicking() {
                panic!("bomb");
            }
        }
    }
    on_procs(|| {
        let counter = Counter::default();
        let bomb = |armed| Bomb(counter.clone(), armed);
        // In the buffer, when the channel goes: the others are dropped all the same.
        let c = chan(5);
        (0..5).for_each(|i| c.send(bomb(i == 2)));
        assert_eq!(panic_of(|| drop(c)), "bomb");
        assert_eq!(counter.dropped(), 5);
        // Refused by a closed channel: the bomb's own panic, and the lock is free afterwards.
        let c = chan(1);
        c.close();
        assert_eq!(panic_of(|| c.send(bomb(true))), "bomb");
        assert_eq!(panic_of(|| c.try_send(bomb(true))), "bomb");
        assert!(c.recv().is_none());
        // Sent away by a close.
        let c = chan(0);
        let (d, b) = (c.clone(), bomb(true));
        let sender = spawn(move || panic_of(|| d.send(b)));
        settle();
        c.close();
        assert_eq!(sender.join().unwrap(), "bomb");
        assert_eq!(counter.dropped(), 8);
    });
}

/// A value that holds an end of its own channel, one that sends when it is dropped, one that closes.
#[test]
fn drops_may_use_channels() {
    struct Tell(Chan<usize>, usize);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.send(self.1);
        }
    }
    on_procs(|| {
        let told = chan(10);
        let c = chan(4);
        (0..4).for_each(|i| c.send(Tell(told.clone(), i)));
        drop(c);
        assert_eq!(told.iter().take(4).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let c = chan(0);
        let (d, tell) = (c.clone(), Tell(told.clone(), 7));
        let sender = spawn(move || panic_of(|| d.send(tell)));
        settle();
        c.close();
        assert_eq!(sender.join().unwrap(), "send on closed channel");
        assert_eq!(told.recv(), Some(7));
        struct Node(Chan<Node>);
        let cycle = chan(1);
        cycle.send(Node(cycle.clone()));
        let Some(Node(inner)) = cycle.recv() else { panic!("the node") };
        assert_eq!(inner, cycle);
    });
}

/// test/chan/zerosize.go, and every other size.
#[test]
fn values_of_every_size_and_alignment() {
    fn through<T: Send + PartialEq + Clone + std::fmt::Debug + 'static>(value: T) {
        for cap in [0, 1, 3] {
            let c = chan(cap);
            let (d, v) = (c.clone(), value.clone());
            let sender = spawn(move || (0..5).for_each(|_| d.send(v.clone())));
            for _ in 0..5 {
                let got = c.recv().unwrap();
                assert!((&raw const got).is_aligned());
                assert_eq!(got, value);
            }
            sender.join().unwrap();
        }
    }
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(64))]
    struct Line(u8);
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(4096))]
    struct Page([u8; 5000]);
    on_procs(|| {
        through(());
        through([0_u64; 0]);
        through(1_u8);
        through((1_u8, 2_u64, 3_u16));
        through(Some(Box::new(4)));
        through(Line(5));
        through(Page([6; 5000]));
        through([7_u64; 1000]);
        through(vec![String::from("eight"); 8]);
    });
}

/// Trait objects, as Go sends interfaces (TestChanSendInterface).
#[test]
fn boxed_closures_travel_and_run() {
    on_procs(|| {
        let work = chan::<Box<dyn FnOnce() -> usize + Send>>(2);
        let sum = Arc::new(AtomicUsize::new(0));
        let wg = WaitGroup::new();
        for _ in 0..3 {
            let (work, sum) = (work.clone(), sum.clone());
            wg.go(move || work.iter().for_each(|f| _ = sum.fetch_add(f(), Ordering::Relaxed)));
        }
        for i in 0..100 {
            work.send(Box::new(move || {
                gosched();
                i
            }));
        }
        work.close();
        wg.wait();
        assert_eq!(sum.load(Ordering::Relaxed), 4950);
    });
}

/// A goroutine that goexits or panics out of code around a send leaves the channel whole.
#[test]
fn a_panicking_party_leaves_the_channel_whole() {
    on_procs(|| {
        let counter = Counter::default();
        let c = chan(1);
        for i in 0..20 {
            let (c, counter) = (c.clone(), counter.clone());
            go(move || {
                let _kept = counter.make(i);
                c.send(counter.make(i));
                _ = std::panic::catch_unwind(|| panic!("after the send"));
                gort::runtime::goexit();
            });
        }
        let mut ids: Vec<_> = c.iter().take(20).map(|v| v.id).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..20));
        eventually(|| counter.dropped() == 40);
        counter.all_dropped_once();
    });
}
