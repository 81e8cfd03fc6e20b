//! Storms: many senders and receivers over a few channels, as goroutines and threads, while GOMAXPROCS
//! changes. Too much for a search; but every value must arrive once, and what one sender sends over
//! one channel reaches each receiver in order.

use crate::support::{Rng, exclusive, watched};
use gort::runtime::{gomaxprocs, gosched};
use gort::sync::WaitGroup;
use gort::{Chan, chan, go, spawn};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// Senders, receivers, values per sender and capacity of one channel.
#[derive(Clone, Debug)]
struct Lane {
    cap: usize,
    senders: usize,
    receivers: usize,
    values: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Storm {
    lanes: Vec<Lane>,
    /// Fixes who yields, sleeps, tries and runs as a thread.
    seed: u64,
    /// GOMAXPROCS changes so often.
    changes: usize,
}

pub(crate) fn storms() -> impl Strategy<Value = Storm> {
    let lane = (0..4_usize, 1..6_usize, 1..6_usize, 0..60_usize)
        .prop_map(|(cap, senders, receivers, values)| Lane { cap, senders, receivers, values });
    (prop::collection::vec(lane, 1..5), prop::num::u64::ANY, 0..10_usize)
        .prop_map(|(lanes, seed, changes)| Storm { lanes, seed, changes })
}

/// A value: who sent it, and as which of his.
type Value = (usize, usize);

/// Runs the storm; says what was wrong.
pub(crate) fn blow(storm: &Storm, procs: usize) -> Result<(), String> {
    let _one = exclusive();
    let before = gomaxprocs(procs);
    let result = watched(|| gort::run(|| in_the_storm(storm)));
    gomaxprocs(before);
    result.map_err(|e| format!("GOMAXPROCS={procs}: {e}"))
}

fn in_the_storm(storm: &Storm) -> Result<(), String> {
    let mut rng = Rng(storm.seed);
    let weather = {
        let (changes, mut rng) = (storm.changes, Rng(rng.next()));
        spawn(move || {
            for _ in 0..changes {
                gomaxprocs(1 + rng.below(5));
                gosched();
            }
        })
    };
    let lanes: Vec<_> =
        storm.lanes.iter().map(|lane| (lane, Arrivals::expect(lane, &mut rng))).collect();
    let result = lanes.into_iter().try_for_each(|(lane, arrivals)| arrivals.check(lane));
    weather.join().map_err(|_| "changing GOMAXPROCS panicked".to_owned())?;
    result
}

/// Runs `f` as a goroutine, or as a thread of its own.
fn start<T: Send + 'static>(thread: bool, f: impl FnOnce() -> T + Send + 'static) -> Later<T> {
    let place = chan(1);
    let result = place.clone();
    let body = move || result.send(f());
    if thread {
        drop(std::thread::spawn(body))
    } else {
        go(body)
    }
    Later(place)
}

struct Later<T: Send>(Chan<T>);

/// What the receivers of one lane are going to see.
struct Arrivals(Vec<Later<Vec<Value>>>);

impl Arrivals {
    /// Starts everybody of a lane; the channel is closed when the last sender is done.
    fn expect(lane: &Lane, rng: &mut Rng) -> Self {
        let c = chan(lane.cap);
        let sending = Arc::new(WaitGroup::new());
        sending.add(lane.senders as isize);
        for sender in 0..lane.senders {
            let (c, sending, values, seed) = (c.clone(), sending.clone(), lane.values, rng.next());
            start(rng.chance(4), move || {
                send_all(&c, sender, values, Rng(seed));
                sending.done();
            });
        }
        let receivers = (0..lane.receivers)
            .map(|_| {
                let (c, seed) = (c.clone(), rng.next());
                start(rng.chance(4), move || receive_all(&c, Rng(seed)))
            })
            .collect();
        go(move || {
            sending.wait();
            c.close();
        });
        Self(receivers)
    }

    fn check(self, lane: &Lane) -> Result<(), String> {
        let seen: Vec<Vec<Value>> =
            self.0.into_iter().map(|l| l.0.recv().expect("every receiver reports")).collect();
        for one in &seen {
            for sender in 0..lane.senders {
                if !one.iter().filter(|v| v.0 == sender).is_sorted() {
                    return Err(format!("{lane:?}: values of {sender} overtook: {one:?}"));
                }
            }
        }
        let mut all = seen.concat();
        all.sort_unstable();
        let sent = (0..lane.senders).flat_map(|s| (0..lane.values).map(move |v| (s, v)));
        if all.iter().copied().eq(sent) {
            Ok(())
        } else {
            Err(format!("{lane:?}: lost or doubled: {all:?}"))
        }
    }
}

fn idle(rng: &mut Rng) {
    match rng.below(8) {
        0 => gosched(),
        1 => gort::time::sleep(Duration::from_micros(rng.below(60) as u64)),
        2 => (0..rng.below(2000)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

fn send_all(c: &Chan<Value>, sender: usize, values: usize, mut rng: Rng) {
    for v in 0..values {
        idle(&mut rng);
        if rng.chance(3) {
            while c.try_send((sender, v)).is_err() {
                gosched();
            }
        } else {
            c.send((sender, v));
        }
    }
}

fn receive_all(c: &Chan<Value>, mut rng: Rng) -> Vec<Value> {
    let mut got = Vec::new();
    loop {
        idle(&mut rng);
        if rng.chance(3) {
            match c.try_recv() {
                Ok(v) => got.push(v),
                Err(gort::TryRecvError::Closed) => return got,
                Err(gort::TryRecvError::Empty) => gosched(),
            }
        } else {
            match c.recv() {
                Some(v) => got.push(v),
                None => return got,
            }
        }
    }
}
