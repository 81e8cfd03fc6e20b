//! What channels, selects and locks cost, next to Go's: one table for each number of processors.
//!
//!     cargo bench --bench channels            # about a minute; with Go if a `go` command is found
//!     cargo bench --bench channels -- --quick # a few seconds, smaller, without Go
//!
//! Each program runs several times and its best time counts: these are short loops, and whatever
//! makes one slower comes from outside. The Go programs in `go/main.go` have the same shape.

#![allow(clippy::print_stdout)]

use gort::sync::{Mutex, RwLock, WaitGroup};
use gort::{Chan, chan, go, select};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A program: its name and what it does with a number of operations.
type Program = (&'static str, fn(u32));

const PROGRAMS: &[Program] = &[
    ("unbuffered ping-pong (round trip)", ping_pong),
    ("buffered(128), one to one", |n| many(n, 1, 1, 128)),
    ("buffered(128), 4 to 4", |n| many(n, 4, 4, 128)),
    ("unbuffered, 4 to 4", |n| many(n, 4, 4, 0)),
    ("contended: 8 on one channel", contended),
    ("select of two, ready", select_ready),
    ("select of two, ping-pong", select_ping_pong),
    ("select with default, empty", select_default),
    ("try_recv on empty", try_recv),
    ("1000 selectors on one channel", selectors),
    ("mutex, alone", |n| mutex(n, 1)),
    ("mutex, 100 goroutines", |n| mutex(n, 100)),
    ("rwlock read, alone", rwlock),
    ("timer: new and stop", timer),
    ("select with time limit, ready later", limits),
];

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let (rounds, n) = if quick { (2, 2_000) } else { (7, 200_000) };
    for procs in [1, 2] {
        let gort = gort::run(|| {
            gort::runtime::gomaxprocs(procs);
            PROGRAMS.iter().map(|(_, program)| best(rounds, n, *program)).collect::<Vec<_>>()
        });
        let go = if quick { BTreeMap::new() } else { go_twin(procs, rounds, n) };
        println!("\n{procs} P, ns each            gort      Go   Go/gort");
        for ((name, _), ns) in PROGRAMS.iter().zip(gort) {
            match go.get(*name) {
                Some(go) => println!("{name:38} {ns:8.1} {go:8.1} {:6.2}", go / ns),
                None => println!("{name:38} {ns:8.1}        -      -"),
            }
        }
    }
}

fn best(rounds: u32, n: u32, program: fn(u32)) -> f64 {
    let once = |_| {
        let start = Instant::now();
        program(n);
        start.elapsed().as_nanos() as f64 / f64::from(n)
    };
    (0..rounds).map(once).fold(f64::MAX, f64::min)
}

/// The twin's figures by name; none if there is no Go.
fn go_twin(procs: usize, rounds: u32, n: u32) -> BTreeMap<String, f64> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/channels/go");
    let mut go = Command::new("go");
    go.current_dir(dir).args(["run", "."]).args([rounds.to_string(), n.to_string()]);
    let Ok(out) = go.env("GOMAXPROCS", procs.to_string()).output() else {
        return BTreeMap::new();
    };
    let text = String::from_utf8_lossy(&out.stdout);
    let line = |l: &str| l.split_once('\t').and_then(|(k, v)| Some((k.into(), v.parse().ok()?)));
    text.lines().filter_map(line).collect()
}

fn ping_pong(n: u32) {
    let (a, b) = (chan(0), chan(0));
    let (x, y): (Chan<u32>, Chan<u32>) = (a.clone(), b.clone());
    go(move || x.iter().for_each(|v| y.send(v)));
    for i in 0..n {
        a.send(i);
        assert_eq!(b.recv(), Some(i));
    }
    a.close();
}

fn many(n: u32, senders: u32, receivers: u32, cap: usize) {
    let (c, sum) = (chan(cap), chan(receivers as usize));
    let wg = WaitGroup::new();
    for _ in 0..senders {
        let c: Chan<u32> = c.clone();
        wg.go(move || (0..n / senders).for_each(|i| c.send(i)));
    }
    for _ in 0..receivers {
        let (c, sum) = (c.clone(), sum.clone());
        go(move || sum.send(c.iter().count() as u32));
    }
    wg.wait();
    c.close();
    let total: u32 = (0..receivers).filter_map(|_| sum.recv()).sum();
    assert_eq!(total, n / senders * senders);
}

fn contended(n: u32) {
    let c = chan(100);
    let wg = WaitGroup::new();
    for _ in 0..8 {
        let c = c.clone();
        wg.go(move || {
            for i in 0..n / 8 {
                c.send(i);
                black_box(c.recv());
            }
        });
    }
    wg.wait();
}

fn select_ready(n: u32) {
    let (a, b) = (chan(1), chan(1));
    a.send(0);
    for _ in 0..n {
        select! { recv(a) -> v => b.send(v.unwrap_or(0)), recv(b) -> v => a.send(v.unwrap_or(0)) }
    }
}

fn select_ping_pong(n: u32) {
    let (a, b, never) = (chan(0), chan(0), chan::<u32>(0));
    let (x, y, z): (Chan<u32>, Chan<u32>, _) = (a.clone(), b.clone(), never.clone());
    go(move || {
        loop {
            select! {
                recv(x) -> v => match v {
                    Some(v) => y.send(v),
                    None => break,
                },
                recv(z) => {}
            }
        }
    });
    for i in 0..n {
        a.send(i);
        select! { recv(b) -> v => assert_eq!(v, Some(i)), recv(never) => {} }
    }
    a.close();
}

fn select_default(n: u32) {
    let (a, b) = (chan::<u32>(0), chan::<u32>(1));
    for _ in 0..n {
        select! { recv(a) => {}, recv(b) => {}, default => {} }
    }
}

fn try_recv(n: u32) {
    let c = chan::<u32>(0);
    for _ in 0..n {
        assert!(black_box(&c).try_recv().is_err());
    }
}

fn selectors(n: u32) {
    let (common, wg) = (chan::<u32>(0), WaitGroup::new());
    let own: Vec<_> = (0..1000)
        .map(|_| {
            let (own, common) = (chan::<u32>(0), common.clone());
            let mine = own.clone();
            wg.go(move || {
                loop {
                    select! {
                        recv(mine) -> v => if v.is_none() { break },
                        recv(common) => {}
                    }
                }
            });
            own
        })
        .collect();
    (0..n).for_each(|i| own[i as usize % 1000].send(i));
    own.iter().for_each(Chan::close);
    wg.wait();
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

fn timer(n: u32) {
    for _ in 0..n {
        assert!(gort::time::Timer::new(Duration::from_secs(3600)).stop());
    }
}

fn limits(n: u32) {
    let (a, b) = (chan(0), chan(0));
    let (x, y): (Chan<u32>, Chan<u32>) = (a.clone(), b.clone());
    go(move || x.iter().for_each(|v| y.send(v)));
    for i in 0..n {
        a.send(i);
        select! { recv(b) => {}, default(Duration::from_secs(3600)) => unreachable!() }
    }
    a.close();
}
