//! Channels and selects.

use super::{Program::Timed, Row};
use gort::sync::WaitGroup;
use gort::{Chan, chan, go, select};
use std::hint::black_box;

pub(crate) const ROWS: &[Row] = &[
    row("unbuffered ping-pong (round trip)", 200_000, ping_pong),
    row("buffered(128), one to one", 1_000_000, |n| many(n, 1, 1, 128)),
    row("buffered(128), 4 to 4", 1_000_000, |n| many(n, 4, 4, 128)),
    row("unbuffered, 4 to 4", 400_000, |n| many(n, 4, 4, 0)),
    row("contended: 8 on one channel", 1_000_000, contended),
    row("select of two, ready", 1_000_000, select_ready),
    row("select of two, ping-pong", 200_000, select_ping_pong),
    row("select with default, empty", 2_000_000, select_default),
    row("try_recv on empty", 5_000_000, try_recv),
    row("1,000 selectors on one channel", 200_000, selectors),
    row("sieve to the 2,000th prime", 1, sieve),
];

const fn row(name: &'static str, n: u32, program: fn(u32)) -> Row {
    Row { name, n, program: Timed(program) }
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

fn sieve(_: u32) {
    let mut from = chan(0);
    let first = from.clone();
    go(move || (2..u32::MAX).for_each(|n| first.send(n)));
    for _ in 1..2000 {
        let prime = from.recv().unwrap_or(0);
        let (to, source) = (chan(0), from);
        from = to.clone();
        go(move || source.iter().filter(|n| n % prime != 0).for_each(|n| to.send(n)));
    }
    assert_eq!(from.recv(), Some(17_389));
}
