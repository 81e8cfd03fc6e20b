//! What `select!` and `Select` promise: one instant, one winner, fair choice, nothing left behind.
//! The behaviours are those that Go's own channel tests check.

mod common;

use common::{at_procs, panic_of};
use gort::runtime::gosched;
use gort::sync::WaitGroup;
use gort::{Chan, RecvError, Select, SendError, chan, channel, go, select};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(1);

#[test]
fn each_form_does_what_its_channel_does_alone() {
    at_procs(|| {
        let (c, d) = (chan(1), chan::<i32>(0));
        select! { send(c, 1) => {}, recv(d) => unreachable!() }
        let got = select! { recv(c) -> v => v, recv(d) -> v => v };
        assert_eq!(got, Some(1));
        assert_eq!(select! { recv(c) -> _ => 1, default => 2 }, 2);
        assert_eq!(select! { recv(c) -> _ => 1, default(SHORT) => 2 }, 2);
        c.close();
        assert_eq!(select! { recv(c) -> v => v, default => Some(0) }, None);
        assert_eq!(panic_of(|| select! { send(c, 1) => {} }), "send on closed channel");

        let (tx, rx) = channel::<i32>(1);
        let sent = select! { send(tx, 5) -> r => r, recv(rx) -> _ => unreachable!() };
        assert_eq!(sent, Ok(()));
        let got = select! { send(tx, 6) -> _ => unreachable!(), recv(rx) -> v => v };
        assert_eq!(got, Ok(5));
        drop(rx);
        assert_eq!(select! { send(tx, 7) -> r => r }, Err(SendError(7)));
        let (tx, rx) = channel::<i32>(0);
        drop(tx);
        assert_eq!(select! { recv(rx) -> v => v }, Err(RecvError));
        assert_eq!(select! { default => 3 }, 3);
        assert_eq!(select! { default(SHORT) => { 4 } }, 4);
    });
}

#[test]
fn nil_is_never_ready() {
    at_procs(|| {
        let nil = Chan::<i32>::nil();
        select! { recv(nil) => unreachable!(), send(nil, 1) => unreachable!(), default => {} }
        select! { recv(nil) => unreachable!(), default(SHORT) => {} }
        let c = chan(1);
        select! { recv(nil) => unreachable!(), send(c, 1) => {} }
        let mut list = Select::new();
        list.recv(&nil);
        list.send(&nil, 1);
        assert!(list.try_select().is_err());
        assert!(list.select_timeout(SHORT).is_err());
    });
}

/// Go's select3: which operations block for ever and which never do, alone and beside a nil channel.
#[test]
fn what_blocks_and_what_does_not() {
    fn blocks(c: &Chan<i32>, send: bool) -> bool {
        let nil = Chan::nil();
        let alone = if send {
            panic_or(|| select! { send(c, 1) => false, default => true })
        } else {
            select! { recv(c) => false, default => true }
        };
        let beside = if send {
            panic_or(|| select! { send(c, 1) => false, recv(nil) => false, default(SHORT) => true })
        } else {
            select! { recv(c) => false, send(nil, 1) => false, default(SHORT) => true }
        };
        // The first send may have filled the buffer.
        assert!(alone == beside || send && !alone);
        alone
    }
    fn panic_or(f: impl FnOnce() -> bool) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_or(false)
    }
    at_procs(|| {
        let made = |cap: Option<usize>, fill: i32, close: bool| {
            let c = cap.map_or(Chan::nil(), chan);
            (0..fill).for_each(|v| c.send(v));
            if close {
                c.close();
            }
            c
        };
        for (cap, fill, close, send, recv) in [
            (None, 0, false, true, true),
            (Some(0), 0, false, true, true),
            (Some(10), 0, false, false, true),
            (Some(10), 10, false, true, false),
            (Some(0), 0, true, false, false),
            (Some(10), 10, true, false, false),
        ] {
            let [c, d] = [(); 2].map(|()| made(cap, fill, close));
            assert_eq!((blocks(&c, true), blocks(&d, false)), (send, recv), "{d:?}");
        }
    });
}

/// Go's TestSelectDuplicateChannel: who stands twice in a queue leaves it whole.
#[test]
fn a_channel_may_stand_in_several_arms() {
    at_procs(|| {
        for _ in 0..50 {
            let (c, d, e) = (chan(0), chan::<i32>(0), chan(0));
            let twice = gort::spawn({
                let (c, d, e) = (c.clone(), d.clone(), e.clone());
                move || {
                    select! { recv(c) => {}, recv(c) => {}, recv(d) => {} }
                    e.send(9);
                }
            });
            let once = gort::spawn({
                let c = c.clone();
                move || c.recv()
            });
            gosched();
            d.send(7); // wakes the one that stands in `c` twice
            assert_eq!(e.recv(), Some(9));
            c.send(8); // finds the other one
            assert_eq!(once.join().unwrap(), Some(8));
            twice.join().unwrap();
        }
    });
}

#[test]
fn operands_are_evaluated_once_in_source_order() {
    let order = std::cell::RefCell::new(Vec::new());
    let note = |n: i32| order.borrow_mut().push(n);
    let c = chan(1);
    let channel = |n| {
        note(n);
        c.clone()
    };
    let value = |n| {
        note(n);
        n
    };
    select! {
        recv(channel(1)) => unreachable!(),
        send({ note(2); Chan::nil() }, value(3)) => unreachable!(),
        send(channel(4), value(5)) => note(6),
        recv(Chan::<i32>::nil()) => unreachable!()
    }
    assert_eq!(*order.borrow(), [1, 2, 3, 4, 5, 6]);
    let first = panic_of(|| {
        select! {
            recv(if true { panic!("first") } else { &c }) => {}
            recv(if true { panic!("second") } else { &c }) => {}
        }
    });
    assert_eq!(first, "first");
}

#[test]
fn bodies_may_leave_loops_and_change_the_channels() {
    at_procs(|| {
        let mut open = [chan(2), chan(2)];
        for c in &open {
            c.send(1);
            c.close();
        }
        let [mut a, mut b] = open.clone();
        let mut sum = 0;
        let outer = 'outer: loop {
            select! {
                recv(a) -> v => match v {
                    Some(v) => sum += v,
                    None => a = Chan::nil(),
                },
                recv(b) -> v => {
                    let Some(v) = v else {
                        b = Chan::nil();
                        continue;
                    };
                    sum += v;
                }
                default => break 'outer 7
            }
        };
        open = [a, b];
        assert_eq!((sum, outer, open.iter().all(Chan::is_nil)), (2, 7, true));
    });
}

/// Go's TestSelectFairness, and the same with a third arm that is never ready between the two.
#[test]
fn choice_among_ready_arms_is_uniform() {
    const TRIALS: usize = 10_000;
    let (c1, c2, never) = (chan(TRIALS + 1), chan(TRIALS + 1), chan(0));
    for _ in 0..=TRIALS {
        c1.send(1);
        c2.send(2);
    }
    let mut counts = [0usize; 2];
    for _ in 0..TRIALS {
        select! {
            recv(c1) => counts[0] += 1,
            recv(never) -> _ => unreachable!("{}", 0u8),
            recv(c2) => counts[1] += 1,
            send(never, ()) => unreachable!(),
        }
    }
    let (mean, deviation) = (TRIALS as f64 / 2.0, (TRIALS as f64 / 4.0).sqrt());
    for count in counts {
        assert!((count as f64 - mean).abs() < 10.0 * deviation, "{counts:?}");
    }
}

/// Go's TestPseudoRandomSend.
#[test]
fn choice_among_sends_on_one_channel_is_random() {
    at_procs(|| {
        for cap in [0, 100] {
            let c = chan(cap);
            let sink = c.clone();
            let reader = gort::spawn(move || sink.iter().filter(|v| *v).count());
            for _ in 0..100 {
                gosched();
                select! { send(c, true) => {}, send(c, false) => {} }
            }
            c.close();
            let trues = reader.join().unwrap();
            assert!((10..=90).contains(&trues), "{trues} of 100");
        }
    });
}

/// Go's TestSelfSelect: both ways on one channel, by two goroutines that tell themselves apart.
#[test]
fn a_select_never_serves_itself() {
    at_procs(|| {
        for cap in [0, 10] {
            let c = chan(cap);
            let wg = WaitGroup::new();
            for me in 0..2 {
                let c: Chan<usize> = c.clone();
                wg.go(move || {
                    for i in 0..500 {
                        let check = |v: Option<usize>| assert!(cap > 0 || v != Some(me));
                        if (me == 0) == (i % 2 == 0) {
                            select! { send(c, me) => {}, recv(c) -> v => check(v) }
                        } else {
                            select! { recv(c) -> v => check(v), send(c, me) => {} }
                        }
                    }
                });
            }
            wg.wait();
        }
    });
}

/// Go's TestNonblockSelectRace: one of two channels is ready at every instant.
#[test]
fn default_is_taken_only_if_nothing_is_ready_at_one_instant() {
    at_procs(|| {
        for close in [false, true] {
            for _ in 0..1000 {
                let (c1, c2, done) = (chan(1), chan(1), chan(1));
                c1.send(1);
                let (d1, d2, result) = (c1.clone(), c2.clone(), done.clone());
                go(move || {
                    result.send(select! { recv(d1) => true, recv(d2) => true, default => false })
                });
                if close {
                    c2.close()
                } else {
                    c2.send(1)
                }
                select! { recv(c1) => {}, default => {} }
                assert_eq!(done.recv(), Some(true), "no channel was ready");
            }
        }
    });
}

/// Go's doubleselect: no value arrives twice, none is lost.
#[test]
fn each_value_arrives_once_through_many_arms() {
    at_procs(|| {
        const N: usize = 5_000;
        let lines: [Chan<usize>; 4] = std::array::from_fn(|_| chan(0));
        let (sinks, all) = (lines.clone(), chan(0));
        go({
            let [a, b, c, d] = lines;
            move || {
                for i in 0..N {
                    select! {
                        send(a, i) => {}
                        send(b, i) => {}
                        send(c, i) => {}
                        send(d, i) => {}
                    }
                }
                [a, b, c, d].iter().for_each(Chan::close);
            }
        });
        let wg = WaitGroup::new();
        for line in sinks {
            let all = all.clone();
            wg.go(move || line.iter().for_each(|v| all.send(v)));
        }
        go({
            let all = all.clone();
            move || {
                wg.wait();
                all.close();
            }
        });
        let mut seen = vec![false; N];
        for v in &all {
            assert!(!std::mem::replace(&mut seen[v], true), "{v} twice");
        }
        assert!(seen.iter().all(|s| *s));
    });
}

/// Go's TestSelectStress, smaller.
#[test]
fn plain_and_selecting_parties_share_channels() {
    at_procs(|| {
        const N: usize = 2_000;
        let lines: [Chan<usize>; 4] = [chan(0), chan(0), chan(2), chan(3)];
        let wg = WaitGroup::new();
        for line in &lines {
            let (tx, rx) = (line.clone(), line.clone());
            wg.go(move || (0..N).for_each(|i| tx.send(i)));
            wg.go(move || (0..N).for_each(|_| assert!(rx.recv().is_some())));
        }
        for sending in [false, true] {
            let mut lines = lines.clone();
            wg.go(move || {
                let mut left = [N; 4];
                for _ in 0..4 * N {
                    let [a, b, c, d] = &lines;
                    let i = if sending {
                        select! { send(a, 0) => 0, send(b, 0) => 1, send(c, 0) => 2, send(d, 0) => 3 }
                    } else {
                        select! { recv(a) => 0, recv(b) => 1, recv(c) => 2, recv(d) => 3 }
                    };
                    left[i] -= 1;
                    if left[i] == 0 {
                        lines[i] = Chan::nil();
                    }
                }
            });
        }
        wg.wait();
        assert!(lines.iter().all(Chan::is_empty));
    });
}

/// Go's TestSelectDuplicateChannel and select6: whoever waits behind a loser is found.
#[test]
fn losers_leave_their_queues() {
    at_procs(|| {
        let (c, d, e) = (chan(0), chan(0), chan::<i32>(0));
        let done = WaitGroup::new();
        done.go({
            let (c, d, e) = (c.clone(), d.clone(), e.clone());
            move || {
                select! { recv(c) => {}, recv(c) => {}, recv(d) => {} }
                e.send(9);
            }
        });
        gosched();
        done.go({
            let c = c.clone();
            move || assert_eq!(c.recv(), Some(8))
        });
        gosched();
        d.send(7);
        assert_eq!(e.recv(), Some(9));
        c.send(8);
        done.wait();
        for _ in 0..1000 {
            select! { recv(c) => unreachable!(), send(d, 1) => unreachable!(), default(Duration::from_nanos(1)) => {} }
        }
        assert!(c.try_send(1).is_err() && d.try_recv().is_err(), "nobody waits");
    });
}

#[test]
fn close_wakes_selects_of_both_kinds() {
    at_procs(|| {
        for _ in 0..200 {
            let (c, d) = (chan::<i32>(0), chan::<i32>(0));
            let wg = WaitGroup::new();
            for _ in 0..3 {
                let (c, d) = (c.clone(), d.clone());
                wg.go(move || assert_eq!(select! { recv(c) -> v => v, recv(d) -> v => v }, None));
            }
            gosched();
            c.close();
            wg.wait();
            let e = chan(0);
            let text = gort::spawn({
                let e = e.clone();
                move || panic_of(|| select! { send(e, 1) => {}, send(e, 2) => {} })
            });
            gosched();
            e.close();
            assert_eq!(text.join().unwrap(), "send on closed channel");
        }
    });
}

#[test]
fn values_are_dropped_exactly_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    at_procs(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let make = || Counted(drops.clone());
        let (full, room) = (chan(0), chan(1));
        select! { send(full, make()) => unreachable!(), send(room, make()) => {} }
        assert_eq!(drops.load(Ordering::Relaxed), 1, "the unsent one");
        select! { recv(room) => {}, recv(full) => unreachable!() }
        assert_eq!(drops.load(Ordering::Relaxed), 2, "received and not used");
        select! { send(full, make()) => unreachable!(), default(SHORT) => {} }
        assert_eq!(drops.load(Ordering::Relaxed), 3, "timed out");
        room.close();
        panic_of(|| select! { send(room, make()) => {} });
        assert_eq!(drops.load(Ordering::Relaxed), 4, "refused");
        let c = chan(1);
        let mut list = Select::new();
        list.send(&c, make());
        list.send(&full, make());
        assert_eq!(list.select().index(), 0);
        drop(list);
        assert_eq!(drops.load(Ordering::Relaxed), 5, "never sent");
        let mut list = Select::new();
        list.recv(&c);
        drop(list.select());
        assert_eq!(drops.load(Ordering::Relaxed), 6, "selected and not taken");
    });
}

#[test]
fn list_serves_receives_again_and_sends_once() {
    at_procs(|| {
        let (c, d) = (chan(4), chan(4));
        let mut list = Select::new();
        let (receive, send) = (list.recv(&c), list.send(&d, [1u64; 9]));
        assert_eq!((receive, send, list.len()), (0, 1, 2));
        assert_eq!(list.select().index(), send);
        assert!(list.try_select().is_err(), "the send is spent");
        for i in 0..3 {
            c.send(i);
            let op = list.select();
            assert_eq!(op.recv(&c), Some(i));
        }
        assert_eq!(d.recv(), Some([1; 9]));
        c.close();
        assert_eq!(list.select_timeout(LONG).unwrap().recv(&c), None);
        let (tx, rx) = channel(1);
        drop(rx);
        let mut list = Select::new();
        list.send(&tx, "back");
        assert_eq!(list.select().send(&tx), Err(SendError("back")));
    });
}

#[test]
fn list_of_hundreds_finds_the_one_that_is_ready() {
    at_procs(|| {
        let lines: Vec<Chan<usize>> = (0..300).map(|_| chan(0)).collect();
        let total = gort::spawn({
            let lines = lines.clone();
            move || {
                let mut list = Select::new();
                for c in &lines {
                    list.recv(c);
                }
                let mut sum = 0;
                for _ in 0..300 {
                    let op = list.select();
                    let i = op.index();
                    assert_eq!(op.recv(&lines[i]), Some(i));
                    sum += i;
                }
                sum
            }
        });
        for (i, c) in lines.iter().enumerate() {
            go!({
                let c = c.clone();
                move || c.send(i)
            });
        }
        assert_eq!(total.join().unwrap(), 299 * 300 / 2);
    });
}

#[test]
fn selected_operation_knows_its_channel() {
    let (c, d) = (chan(1), chan::<i32>(1));
    c.send(1);
    let mut list = Select::new();
    list.recv(&c);
    assert!(panic_of(|| list.select().recv(&d)).contains("another channel"));
    assert!(list.try_select().is_err(), "the value went with the operation");
}

#[test]
fn threads_and_goroutines_select_together() {
    at_procs(|| {
        let (c, d) = (chan(0), chan(0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (c, d): (Chan<usize>, Chan<usize>) = (c.clone(), d.clone());
                std::thread::spawn(move || {
                    let mut sum = 0;
                    for _ in 0..200 {
                        sum += select! { recv(c) -> v => v.unwrap(), recv(d) -> v => v.unwrap() };
                        select! { recv(Chan::<()>::nil()) => {}, default(Duration::from_micros(1)) => {} }
                    }
                    sum
                })
            })
            .collect();
        for i in 0..600 {
            select! { send(c, i) => {}, send(d, i) => {} }
        }
        let join = |t: std::thread::JoinHandle<usize>| t.join().unwrap();
        assert_eq!(threads.into_iter().map(join).sum::<usize>(), 599 * 600 / 2);
    });
}

/// Timeouts that race with values: a value is received or still there.
#[test]
fn a_value_is_never_lost_to_a_timeout() {
    at_procs(|| {
        let c = chan(0);
        let sender = gort::spawn({
            let c = c.clone();
            move || {
                let mut given_up = 0;
                for i in 0..300u64 {
                    let patience = Duration::from_micros(i % 50);
                    given_up += usize::from(c.send_timeout(i, patience).is_err());
                }
                c.close();
                given_up
            }
        });
        let mut received = 0;
        loop {
            select! {
                recv(c) -> v => match v {
                    Some(_) => received += 1,
                    None => break,
                },
                default(Duration::from_micros(20)) => {}
            }
        }
        assert_eq!(received + sender.join().unwrap(), 300);
    });
}

/// Go's chanlinear: n selects that wait on one channel leave it in O(n), not O(n²). The bound is on
/// work, not on time: with a linear search this would not end within the limit of the test runner.
#[test]
fn thousands_of_losers_leave_one_queue() {
    at_procs(|| {
        const N: usize = 20_000;
        let common = chan::<()>(0);
        let (wg, own): (WaitGroup, Vec<_>) = (WaitGroup::new(), (0..N).map(|_| chan(0)).collect());
        for c in &own {
            let (common, c) = (common.clone(), c.clone());
            wg.go(move || select! { recv(common) => unreachable!(), recv(c) => {} });
        }
        own.iter().for_each(|c: &Chan<()>| c.send(()));
        wg.wait();
        assert!(common.try_send(()).is_err());
    });
}

#[test]
fn bad_selects_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
