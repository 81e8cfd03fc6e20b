//! Conversations through a proxy that delays, cuts into pieces, stops reading, half-closes and resets; in a
//! network namespace of its own, if it can be had, whose loopback also goes down and comes up again and
//! changes the size of its packets.
//!
//! `CHAOS_SEED` replays a run, as far as the threads' order allows.

#![allow(clippy::print_stdout, reason = "the seed, and what is skipped")]

#[path = "support/mod.rs"]
mod support;

use gort::net::{TcpListener, TcpStream};
use gort::sync::WaitGroup;
use gort::time::sleep;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Rng, scaled, with_procs};

/// Nobody repeats a reset that is lost, so nobody may wait for ever.
const PATIENCE: Duration = Duration::from_secs(3);

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("it is open");
    stream.set_write_timeout(Some(PATIENCE)).expect("it is open");
    stream
}

/// What a conversation came to; only a proxy that resets may break one.
#[derive(Default)]
struct Counts {
    whole: AtomicUsize,
    broken: AtomicUsize,
}

/// Passes on what `from` says to `to`, in its own way. True: it has reset the connection.
fn pass(from: &TcpStream, to: &TcpStream, mut rng: Rng) -> bool {
    let mut buf = [0; 700];
    loop {
        let room = 1 + rng.below(buf.len());
        let n = match (&*from).read(&mut buf[..room]) {
            Ok(0) | Err(_) => {
                drop(to.shutdown(Shutdown::Write));
                return false;
            }
            Ok(n) => n,
        };
        if rng.chance(30) {
            sleep(Duration::from_micros(rng.below(3000) as u64));
        }
        if rng.chance(400) {
            for end in [from, to] {
                drop(socket2::SockRef::from(end).set_linger(Some(Duration::ZERO)));
                drop(end.close());
            }
            return true;
        }
        let at = rng.below(n + 1);
        let passed = (&*to).write_all(&buf[..at]).and_then(|()| (&*to).write_all(&buf[at..n]));
        if passed.is_err() {
            return false;
        }
    }
}

/// A server that answers each byte with the next one, and a proxy before it.
fn start(seed: u64) -> (TcpListener, TcpListener, SocketAddr) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let (behind, front) = (server.local_addr().unwrap(), proxy.local_addr().unwrap());
    let (serving, proxying) = (server.try_clone().unwrap(), proxy.try_clone().unwrap());
    gort::go(move || {
        for stream in serving.incoming().flatten().map(patient) {
            gort::go(move || {
                let mut buf = [0; 300];
                while let Ok(n @ 1..) = (&stream).read(&mut buf) {
                    buf[..n].iter_mut().for_each(|b| *b = b.wrapping_add(1));
                    if (&stream).write_all(&buf[..n]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    gort::go(move || {
        for (i, near) in proxying.incoming().flatten().map(patient).enumerate() {
            gort::go(move || {
                let Ok(far) = TcpStream::connect(behind).map(patient) else { return };
                let (near, far) = (Arc::new(near), Arc::new(far));
                let (near2, far2) = (near.clone(), far.clone());
                let rng = move |way| Rng(seed ^ ((i as u64) << 1) ^ way);
                gort::go(move || pass(&far2, &near2, rng(1)));
                pass(&near, &far, rng(0));
            });
        }
    });
    (server, proxy, front)
}

/// Says `total` bytes and hears as many back, from two goroutines.
fn converse(addr: SocketAddr, id: usize, counts: &Counts) {
    let total = 40_000;
    let Ok(stream) = TcpStream::connect(addr).map(patient) else {
        counts.broken.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let byte = move |at: usize| (at.wrapping_mul(31) + id) as u8;
    let saying = gort::spawn({
        let stream = stream.try_clone().unwrap();
        move || {
            let bytes: Vec<u8> = (0..total).map(byte).collect();
            let said = (&stream).write_all(&bytes);
            drop(stream.shutdown(Shutdown::Write));
            said.is_ok()
        }
    });
    let (mut heard, mut buf) = (0, [0; 900]);
    let ended = loop {
        match (&stream).read(&mut buf) {
            Ok(0) => break true,
            Ok(n) => {
                let right = (0..n).all(|i| buf[i] == byte(heard + i).wrapping_add(1));
                assert!(right, "a byte is wrong after {heard}");
                heard += n;
            }
            Err(e) => {
                let expected =
                    [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::TimedOut];
                assert!(expected.contains(&e.kind()), "{e:?}");
                break false;
            }
        }
    };
    let said = saying.join().expect("no panic");
    let whole = ended && said && heard == total;
    let count = if whole { &counts.whole } else { &counts.broken };
    count.fetch_add(1, Ordering::Relaxed);
}

fn conversations() {
    let seed = std::env::var("CHAOS_SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(|| std::process::id().into());
    println!("CHAOS_SEED={seed}");
    for procs in [1, 2, 4] {
        with_procs(procs, || {
            let (server, proxy, front) = start(seed);
            let (wg, counts) = (WaitGroup::new(), Arc::new(Counts::default()));
            let all = scaled(24, 100);
            for id in 0..all {
                let counts = counts.clone();
                wg.go(move || converse(front, id, &counts));
            }
            wg.wait();
            proxy.close().unwrap();
            server.close().unwrap();
            let (whole, broken) = (&counts.whole, &counts.broken);
            assert_eq!(whole.load(Ordering::Relaxed) + broken.load(Ordering::Relaxed), all);
            assert!(whole.load(Ordering::Relaxed) > 0, "not every proxy resets");
        });
    }
}

#[test]
fn every_conversation_ends_and_no_byte_is_wrong() {
    conversations();
}

/// The same, while the namespace's loopback fails now and then. What the test above runs is started
/// again inside.
#[test]
fn the_same_while_the_link_fails() {
    let here = std::env::current_exe().expect("the path of this program");
    let script = "ip link set lo up || exit 99
        \"$0\" --exact every_conversation_ends_and_no_byte_is_wrong --nocapture & job=$!
        for i in 1 2 3 4 5 6 7 8; do
            sleep 0.03; ip link set lo mtu 600; sleep 0.03; ip link set lo down
            sleep 0.01; ip link set lo up; ip link set lo mtu 65536
        done
        wait $job";
    let inside = Command::new("unshare").args(["-n", "sh", "-c", script]).arg(here).output();
    let Ok(out) = inside else { return println!("skipped: there is no unshare") };
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    if out.status.code() == Some(99) || text.starts_with("unshare:") {
        return println!("skipped: no network namespace to be had: {text}");
    }
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stdout));
}
