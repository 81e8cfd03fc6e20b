//! Connections that work: bytes arrive whole and in order, whoever waits for whom.

use crate::support::{exclusive, on_procs, scaled, watched};
use gort::net::{TcpListener, TcpStream};
use gort::runtime::gosched;
use gort::sync::WaitGroup;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A listener of this machine.
pub(crate) fn local() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

/// Two ends of a connection: the one that connected, the one that accepted.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = local();
    let addr = listener.local_addr().expect("bound");
    let dialer = gort::spawn(move || TcpStream::connect(addr).expect("somebody listens"));
    let (accepted, from) = listener.accept().expect("somebody dials");
    let dialed = dialer.join().expect("it does not panic");
    assert_eq!(dialed.local_addr().unwrap(), from);
    assert_eq!(dialed.peer_addr().unwrap(), addr);
    (dialed, accepted)
}

#[test]
fn what_is_sent_comes_back() {
    on_procs(|| {
        let listener = local();
        let addr = listener.local_addr().unwrap();
        gort::go(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("accepted");
                gort::go(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        let wg = WaitGroup::new();
        for client in 0..16u8 {
            wg.go(move || {
                let mut stream = TcpStream::connect(addr).unwrap();
                let mut back = [0; 64];
                for round in 0..scaled(50, 500) as u8 {
                    let sent = [client ^ round; 64];
                    stream.write_all(&sent).unwrap();
                    stream.read_exact(&mut back).unwrap();
                    assert_eq!(back, sent);
                }
            });
        }
        wg.wait();
    });
}

#[test]
fn both_directions_at_once() {
    on_procs(|| {
        let (a, b) = pair();
        let total = scaled(1 << 20, 8 << 20);
        let wg = WaitGroup::new();
        for stream in [a, b] {
            let (mut read, mut write) = stream.into_split();
            wg.go(move || {
                let data: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
                write.write_all(&data).unwrap();
            });
            wg.go(move || {
                let mut data = Vec::new();
                read.read_to_end(&mut data).unwrap();
                assert_eq!(data.len(), total);
                assert!(data.iter().enumerate().all(|(i, b)| *b == (i % 251) as u8));
            });
        }
        wg.wait();
    });
}

#[test]
fn halves_find_each_other() {
    on_procs(|| {
        let ((a, b), (c, d)) = (pair(), pair());
        let ((read, write), (other_read, other_write)) = (a.into_split(), c.into_split());
        let error = read.reunite(other_write).expect_err("they are strangers");
        let (read, other_write) = (error.0, error.1);
        assert!(error_text().starts_with("tried to reunite"));
        let mut whole = read.reunite(write).expect("they belong together");
        whole.write_all(b"x").unwrap();
        drop((whole, other_read, other_write));
        for mut end in [b, d] {
            drop(end.read_to_end(&mut Vec::new()));
        }
    });
}

fn error_text() -> String {
    let ((a, b), (c, d)) = (pair(), pair());
    drop((b, d));
    let ((read, _w), (_r, write)) = (a.into_split(), c.into_split());
    read.reunite(write).expect_err("strangers").to_string()
}

#[test]
fn dropping_the_write_half_ends_the_data_only() {
    on_procs(|| {
        let (a, mut b) = pair();
        let (mut read, write) = a.into_split();
        drop(write);
        assert_eq!(b.read(&mut [0; 8]).unwrap(), 0, "no more comes");
        b.write_all(b"still").unwrap();
        drop(b);
        let mut rest = String::new();
        read.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "still");
    });
}

#[test]
fn many_parts_in_one_call() {
    on_procs(|| {
        let (a, b) = pair();
        let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!((&a).write_vectored(&parts).unwrap(), 7);
        let (mut first, mut second) = ([0; 4], [0; 3]);
        let mut peeked = [0; 3];
        assert_eq!(b.peek(&mut peeked).unwrap(), 3);
        assert_eq!(&peeked, b"one", "and it is still there");
        let mut into = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!((&b).read_vectored(&mut into).unwrap(), 7);
        assert_eq!((&first, &second), (b"one ", b"two"));
    });
}

#[test]
fn a_read_of_nothing_does_not_wait() {
    on_procs(|| {
        let (a, b) = pair();
        assert_eq!((&a).read(&mut []).unwrap(), 0);
        drop(b);
    });
}

#[test]
fn options_are_the_sockets_own() {
    on_procs(|| {
        let (a, _b) = pair();
        assert!(!a.nodelay().unwrap());
        a.set_nodelay(true).unwrap();
        assert!(a.nodelay().unwrap());
        a.set_ttl(42).unwrap();
        assert_eq!(a.ttl().unwrap(), 42);
        assert!(a.take_error().unwrap().is_none());
        a.set_nonblocking(true).unwrap();
        assert_eq!((&a).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        a.set_nonblocking(false).unwrap();
        let zero = a.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn to_the_standard_library_and_back() {
    on_procs(|| {
        let (a, b) = pair();
        let clone = a.try_clone().unwrap();
        let busy = clone.into_std().expect_err("there are two");
        assert_eq!(busy.kind(), ErrorKind::ResourceBusy);
        let mut std = a.into_std().expect("there is one");
        std.write_all(b"std").unwrap();
        let mut back = [0; 3];
        (&b).read_exact(&mut back).unwrap();
        assert_eq!(&back, b"std");
        let ours = TcpStream::from_std(std).unwrap();
        (&b).write_all(b"ours").unwrap();
        let mut back = [0; 4];
        (&ours).read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ours");
    });
}

#[test]
fn a_name_is_looked_up() {
    on_procs(|| {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        gort::go(move || listener.accept().map(drop));
        TcpStream::connect(("localhost", port)).expect("it resolves");
        let error = TcpStream::connect("no such name:80").unwrap_err();
        assert_ne!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn nobody_listens() {
    on_procs(|| {
        let addr = local().local_addr().unwrap();
        let error = TcpStream::connect(addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let none: &[std::net::SocketAddr] = &[];
        assert_eq!(TcpStream::connect(none).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn plain_threads_may_wait_too() {
    let _one = exclusive();
    watched(|| {
        let listener = local();
        let addr = listener.local_addr().unwrap();
        std::thread::scope(|s| {
            s.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                stream.write_all(&all).unwrap();
            });
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
            let late = stream.read(&mut [0]).unwrap_err();
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            stream.set_read_timeout(None).unwrap();
            stream.write_all(b"from a thread").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut all = String::new();
            stream.read_to_string(&mut all).unwrap();
            assert_eq!(all, "from a thread");
        });
    });
}

#[test]
fn goroutines_that_never_wait_do_not_starve_the_network() {
    on_procs(|| {
        let (mut a, mut b) = pair();
        let stop = Arc::new(AtomicBool::new(false));
        let wg = WaitGroup::new();
        for _ in 0..8 {
            let stop = stop.clone();
            wg.go(move || {
                while !stop.load(Ordering::Relaxed) {
                    gosched();
                }
            });
        }
        for _ in 0..20 {
            a.write_all(b"ping").unwrap();
            b.read_exact(&mut [0; 4]).unwrap();
            b.write_all(b"pong").unwrap();
            a.read_exact(&mut [0; 4]).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        wg.wait();
    });
}
