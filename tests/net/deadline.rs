//! Deadlines before, during and after a call; after Go's `timeout_test.go`.

use crate::support::{Rng, on_procs, scaled};
use crate::tcp::{local, pair};
use gort::net::TcpStream;
use gort::sync::WaitGroup;
use gort::time::sleep;
use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(2);
const FAR: Duration = Duration::from_secs(3600);

#[track_caller]
fn assert_timeout<T: std::fmt::Debug>(result: io::Result<T>) {
    let e = result.expect_err("time was up");
    assert_eq!(e.kind(), ErrorKind::TimedOut, "{e:?}");
    assert_eq!(e.to_string(), "i/o timeout");
}

fn from_now(d: Duration) -> Option<Instant> {
    Some(Instant::now() + d)
}

fn past() -> Option<Instant> {
    Some(Instant::now() - Duration::from_millis(1))
}

#[test]
fn a_read_ends_at_its_deadline() {
    on_procs(|| {
        let (a, _b) = pair();
        for d in [Duration::ZERO, Duration::from_micros(50), SOON] {
            let at = from_now(d);
            a.set_read_deadline(at).unwrap();
            assert_timeout((&a).read(&mut [0]));
            assert!(Instant::now() >= at.unwrap(), "not before");
            assert_timeout((&a).read(&mut [0]));
        }
    });
}

#[test]
fn a_passed_deadline_beats_waiting_data_until_it_is_moved() {
    on_procs(|| {
        let (a, mut b) = pair();
        b.write_all(b"x").unwrap();
        a.set_deadline(past()).unwrap();
        assert_timeout((&a).read(&mut [0]));
        assert_timeout((&a).write(&[0]));
        assert_timeout(a.peek(&mut [0]));
        a.set_deadline(from_now(FAR)).unwrap();
        assert_eq!((&a).read(&mut [0; 9]).unwrap(), 1);
        a.set_deadline(past()).unwrap();
        a.set_deadline(None).unwrap();
        assert_eq!((&a).write(&[0]).unwrap(), 1);
    });
}

#[test]
fn setting_it_ends_a_wait() {
    on_procs(|| {
        for (first, then) in [(None, past()), (None, from_now(SOON)), (from_now(FAR), past())] {
            let (a, _b) = pair();
            a.set_read_deadline(first).unwrap();
            let waiting = gort::spawn({
                let a = a.try_clone().unwrap();
                move || assert_timeout((&a).read(&mut [0]))
            });
            sleep(Duration::from_micros(200));
            a.set_read_deadline(then).unwrap();
            waiting.join().expect("it ended");
        }
    });
}

#[test]
fn putting_it_off_prolongs_a_wait() {
    on_procs(|| {
        let (a, mut b) = pair();
        let end = Instant::now() + SOON;
        a.set_read_deadline(Some(end)).unwrap();
        let waiting = gort::spawn({
            let a = a.try_clone().unwrap();
            move || (&a).read(&mut [0; 8])
        });
        let put_off = a.set_read_deadline(from_now(FAR));
        let in_time = Instant::now() < end;
        put_off.unwrap();
        sleep(2 * SOON);
        b.write_all(b"late").unwrap();
        let read = waiting.join().expect("no panic");
        if in_time {
            assert_eq!(read.unwrap(), 4);
        }
    });
}

#[test]
fn directions_have_their_own() {
    on_procs(|| {
        let (a, mut b) = pair();
        a.set_read_deadline(past()).unwrap();
        assert_timeout((&a).read(&mut [0]));
        (&a).write_all(b"ok").unwrap();
        b.read_exact(&mut [0; 2]).unwrap();
        a.set_read_deadline(None).unwrap();
        a.set_write_deadline(past()).unwrap();
        b.write_all(b"ok").unwrap();
        (&a).read_exact(&mut [0; 2]).unwrap();
        assert_timeout((&a).write(&[0]));
    });
}

#[test]
fn a_write_ends_when_nobody_reads() {
    on_procs(|| {
        let (a, _b) = pair();
        a.set_write_deadline(from_now(SOON)).unwrap();
        let chunk = vec![1; 1 << 18];
        loop {
            if let Err(e) = (&a).write(&chunk) {
                return assert_timeout::<()>(Err(e));
            }
        }
    });
}

#[test]
fn accepting_and_connecting_have_deadlines() {
    on_procs(|| {
        let listener = local();
        listener.set_deadline(from_now(SOON)).unwrap();
        assert_timeout(listener.accept());
        listener.set_deadline(past()).unwrap();
        let addr = listener.local_addr().unwrap();
        let dialed = TcpStream::connect(addr).expect("the queue takes it");
        assert_timeout(listener.accept());
        listener.set_deadline(None).unwrap();
        assert_eq!(listener.accept().unwrap().1, dialed.local_addr().unwrap());
        // Nobody takes from this queue: when it is full the system no longer answers.
        let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        full.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        full.listen(0).unwrap();
        let unanswered = full.local_addr().unwrap().as_socket().unwrap();
        let mut queue = Vec::new();
        let e = loop {
            match TcpStream::connect_timeout(&unanswered, SOON) {
                Ok(stream) => queue.push(stream),
                Err(e) => break e,
            }
        };
        assert_timeout::<()>(Err(e));
        let zero = TcpStream::connect_timeout(&addr, Duration::ZERO).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_timeout_is_for_each_call() {
    on_procs(|| {
        let (a, mut b) = pair();
        a.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(a.read_timeout().unwrap(), Some(SOON));
        for _ in 0..3 {
            let begin = Instant::now();
            assert_timeout((&a).read(&mut [0]));
            assert!(begin.elapsed() >= SOON);
            b.write_all(b"x").unwrap();
            sleep(SOON);
            while let Err(e) = (&a).read(&mut [0]) {
                assert_eq!(e.kind(), ErrorKind::TimedOut);
            }
        }
        a.set_read_deadline(past()).unwrap();
        assert_timeout((&a).read(&mut [0]));
        a.set_read_deadline(from_now(FAR)).unwrap();
        assert_timeout((&a).read(&mut [0]));
        a.set_read_timeout(Some(FAR)).unwrap();
        a.set_read_deadline(from_now(SOON)).unwrap();
        assert_timeout((&a).read(&mut [0]));
    });
}

/// A deadline that is put off before every message (its timer moves seldom) still strikes.
#[test]
fn put_off_again_and_again() {
    on_procs(|| {
        let (mut a, mut b) = pair();
        let rounds = scaled(300, 3000);
        let echo = gort::spawn(move || {
            for _ in 0..rounds {
                let mut byte = [0];
                b.read_exact(&mut byte).unwrap();
                b.write_all(&byte).unwrap();
            }
            b
        });
        for _ in 0..rounds {
            a.set_read_deadline(from_now(Duration::from_secs(60))).unwrap();
            a.write_all(&[1]).unwrap();
            a.read_exact(&mut [0]).unwrap();
        }
        a.set_read_deadline(from_now(SOON)).unwrap();
        assert_timeout(a.read(&mut [0]));
        drop(echo.join());
    });
}

/// Random deadlines against random traffic: every call ends, by data or by time, and no byte is lost.
#[test]
fn whatever_deadlines_do_no_byte_is_lost() {
    let seed = std::env::var("NET_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(17);
    on_procs(|| {
        let wg = WaitGroup::new();
        for pair_number in 0..8 {
            wg.go(move || {
                let mut rng = Rng(seed + pair_number);
                let (a, b) = pair();
                let total = scaled(2000, 20_000);
                let writer = gort::spawn(move || {
                    let (mut sent, mut rng) = (0, Rng(seed ^ pair_number));
                    while sent < total {
                        let n = (1 + rng.below(300)).min(total - sent);
                        let bytes: Vec<u8> = (sent..sent + n).map(|i| i as u8).collect();
                        (&b).write_all(&bytes).unwrap();
                        sent += n;
                        if rng.chance(20) {
                            sleep(Duration::from_micros(rng.below(300) as u64));
                        }
                    }
                });
                let (mut got, mut buf) = (0, [0; 128]);
                loop {
                    let d = Duration::from_micros(rng.below(200) as u64);
                    a.set_read_deadline(from_now(d)).unwrap();
                    match (&a).read(&mut buf) {
                        Ok(0) => break,
                        Ok(n) => {
                            assert!((0..n).all(|i| buf[i] == (got + i) as u8));
                            got += n;
                        }
                        Err(e) => assert_timeout::<()>(Err(e)),
                    }
                }
                assert_eq!(got, total);
                writer.join().unwrap();
            });
        }
        wg.wait();
    });
}

/// Many who move the deadline while one reads (Go: TestConcurrentSetDeadline, TestReadWriteDeadlineRace).
#[test]
fn set_by_many_at_once() {
    on_procs(|| {
        let (a, _b) = pair();
        let (a, stop) = (Arc::new(a), Arc::new(AtomicBool::new(false)));
        let wg = WaitGroup::new();
        for i in 0..4u64 {
            let (a, stop) = (a.clone(), stop.clone());
            wg.go(move || {
                let mut rng = Rng(i);
                while !stop.load(Ordering::Relaxed) {
                    let d = Duration::from_micros(rng.below(100) as u64);
                    a.set_deadline(from_now(d)).unwrap();
                    gort::runtime::gosched();
                }
            });
        }
        for _ in 0..scaled(200, 2000) {
            assert_timeout((&*a).read(&mut [0]));
        }
        stop.store(true, Ordering::Relaxed);
        wg.wait();
        a.set_read_deadline(past()).unwrap();
        assert_timeout((&*a).read(&mut [0]));
    });
}

#[test]
fn a_descriptor_that_goes_takes_its_timers_along() {
    on_procs(|| {
        for _ in 0..scaled(50, 500) {
            let (a, _b) = pair();
            a.set_read_deadline(from_now(FAR)).unwrap();
            let waiting = gort::spawn({
                let a = a.try_clone().unwrap();
                move || (&a).read(&mut [0]).map(drop)
            });
            gort::runtime::gosched();
            a.close().unwrap();
            waiting.join().unwrap().expect_err("closed");
        }
        assert_timeout({
            let (a, _b) = pair();
            a.set_read_deadline(from_now(SOON)).unwrap();
            (&a).read(&mut [0])
        });
    });
}
