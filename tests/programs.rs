//! Programs made at random, against a reference that knows every legal outcome.

use gort::sync::WaitGroup;
use gort::time::Timer;
use gort::{Chan, Select, TryRecvError, TrySendError, chan, go, select};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::Duration;

const CHANNELS: usize = 3;

/// One step of a program that nobody else takes part in.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Recv(usize),
    Close(usize),
    /// A select with a default, over (channel, is a send).
    Select(Vec<(usize, bool)>),
    /// Sets the timer to now, or to an hour from now; or stops it; or looks at its channel.
    Reset(bool),
    Stop,
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..CHANNELS;
    prop_oneof![
        4 => at.clone().prop_map(Step::Send),
        4 => at.clone().prop_map(Step::Recv),
        1 => at.clone().prop_map(Step::Close),
        6 => prop::collection::vec((at, any::<bool>()), 1..12).prop_map(Step::Select),
        2 => any::<bool>().prop_map(Step::Reset),
        1 => Just(Step::Stop),
        2 => Just(Step::Tick),
    ]
}

/// What a channel is, in a program of one party.
#[derive(Default)]
struct Model {
    values: VecDeque<u32>,
    cap: usize,
    closed: bool,
}

impl Model {
    fn can(&self, send: bool) -> bool {
        if send {
            // Closed: ready to panic.
            self.closed || self.values.len() < self.cap
        } else {
            self.closed || !self.values.is_empty()
        }
    }
}

fn panics(f: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err()
}

/// Runs a select over `arms` and checks that what it did was legal.
fn run_select(real: &[Chan<u32>], model: &mut [Model], arms: &[(usize, bool)], next: u32) {
    let ready: Vec<bool> = arms.iter().map(|&(c, send)| model[c].can(send)).collect();
    let may_panic = arms.iter().any(|&(c, send)| send && model[c].closed);
    let mut list = Select::new();
    for &(c, send) in arms {
        if send {
            list.send(&real[c], next)
        } else {
            list.recv(&real[c])
        };
    }
    let mut chosen = None;
    let panicked = panics(|| match list.try_select() {
        Err(_) => assert!(!ready.contains(&true), "default, though {ready:?}"),
        Ok(op) => {
            let i = op.index();
            assert!(ready[i], "{i} of {ready:?}");
            let (c, send) = arms[i];
            chosen = Some((c, if send { None } else { Some(op.recv(&real[c])) }));
        }
    });
    assert!(!panicked || may_panic && ready.contains(&true), "an illegal panic");
    match chosen {
        Some((c, Some(received))) => assert_eq!(received, model[c].values.pop_front()),
        Some((c, None)) => model[c].values.push_back(next),
        None => {}
    }
}

fn run(caps: [usize; CHANNELS], steps: Vec<Step>) {
    let real: Vec<Chan<u32>> = caps.iter().map(|&cap| chan(cap)).collect();
    let mut model: Vec<_> = caps.iter().map(|&cap| Model { cap, ..Model::default() }).collect();
    let timer = Timer::new(Duration::from_secs(3600));
    // Whether the timer is set; due now, or far away.
    let mut set = Some(false);
    for (next, step) in (0..).zip(steps) {
        match step {
            Step::Send(c) => {
                let m = &mut model[c];
                let mut result = Ok(());
                let panicked = panics(|| result = real[c].try_send(next));
                assert_eq!(panicked, m.closed);
                let full = m.values.len() >= m.cap;
                let expected =
                    if full && !m.closed { Err(TrySendError::Full(next)) } else { Ok(()) };
                assert_eq!(result, expected);
                if !panicked && !full {
                    m.values.push_back(next);
                }
            }
            Step::Recv(c) => {
                let m = &mut model[c];
                let none = if m.closed { TryRecvError::Closed } else { TryRecvError::Empty };
                assert_eq!(real[c].try_recv(), m.values.pop_front().ok_or(none));
            }
            Step::Close(c) => {
                assert_eq!(panics(|| real[c].close()), model[c].closed);
                model[c].closed = true;
            }
            Step::Select(arms) => run_select(&real, &mut model, &arms, next),
            Step::Reset(now) => {
                let d = if now { Duration::ZERO } else { Duration::from_secs(3600) };
                assert_eq!(timer.reset(d), set.replace(now).is_some());
            }
            Step::Stop => assert_eq!(timer.stop(), set.take().is_some()),
            Step::Tick => {
                let due = set.take_if(|due| *due).is_some();
                assert_eq!(select! { recv(timer.chan()) => true, default => false }, due);
            }
        }
        for (c, m) in real.iter().zip(&model) {
            assert_eq!((c.len(), c.is_closed()), (m.values.len(), m.closed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn one_party_sees_what_the_reference_says(
        caps in [0usize..4, 0usize..4, 0usize..4],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        gort::run(move || run(caps, steps));
    }

    /// Senders that select among channels, and give up now and then; receivers that select, too.
    /// Whatever the schedule: each value that was sent arrives once, a channel keeps the order of each
    /// sender, and everyone comes to an end.
    #[test]
    fn many_parties_lose_nothing_and_keep_the_order(
        caps in [0usize..3, 0usize..3, 0usize..3],
        procs in prop::sample::select(vec![1usize, 2, 4]),
        senders in 1u32..5,
        receivers in 1usize..4,
        count in 1u32..60,
        patience in 0u64..40,
    ) {
        gort::run(move || {
            gort::runtime::gomaxprocs(procs);
            let lines = caps.map(chan::<(u32, u32)>);
            let (sent, got) = (chan(senders as usize), chan(receivers));
            let wg = WaitGroup::new();
            for s in 0..senders {
                let (lines, sent) = (lines.clone(), sent.clone());
                wg.go(move || sent.send(send_all(&lines, s, count, patience)));
            }
            for _ in 0..receivers {
                let (lines, got) = (lines.clone(), got.clone());
                go(move || got.send(receive_all(lines)));
            }
            wg.wait();
            lines.iter().for_each(Chan::close);
            let mut all: Vec<_> = (0..receivers).flat_map(|_| got.recv().unwrap()).collect();
            let mut expected: Vec<_> = (0..senders).flat_map(|_| sent.recv().unwrap()).collect();
            all.sort_unstable();
            expected.sort_unstable();
            assert_eq!(all, expected);
        });
    }
}

/// What was sent, in whatever channel.
fn send_all(lines: &[Chan<(u32, u32)>; 3], s: u32, count: u32, patience: u64) -> Vec<(u32, u32)> {
    let [a, b, c] = lines;
    let limit = Duration::from_micros(patience);
    let send = |i: u32| match i % 3 {
        0 => select! { send(a, (s, i)) => true, send(b, (s, i)) => true, default(limit) => false },
        1 => select! { send(b, (s, i)) => true, send(c, (s, i)) => true },
        _ => c.send_timeout((s, i), limit).is_ok(),
    };
    (0..count).filter(|i| send(*i)).map(|i| (s, i)).collect()
}

/// What was received; checks that each channel keeps the order of each sender.
fn receive_all(mut lines: [Chan<(u32, u32)>; 3]) -> Vec<(u32, u32)> {
    let (mut all, mut last) = (Vec::new(), std::collections::HashMap::new());
    while !lines.iter().all(Chan::is_nil) {
        let [a, b, c] = &lines;
        let (line, value) =
            select! { recv(a) -> v => (0, v), recv(b) -> v => (1, v), recv(c) -> v => (2, v) };
        let Some((sender, i)) = value else {
            lines[line] = Chan::nil();
            continue;
        };
        let before = last.insert((line, sender), i);
        assert!(before.is_none_or(|before| before < i), "out of order");
        all.push((sender, i));
    }
    all
}
