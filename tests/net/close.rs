//! `close` wakes everyone, for all clones, and no descriptor's number is mistaken for another's.

use crate::support::{Rng, on_procs, scaled};
use crate::tcp::{local, pair};
use gort::net::{Closed, TcpStream};
use gort::sync::WaitGroup;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// Everything a closed socket says.
#[track_caller]
pub(crate) fn assert_closed<T: std::fmt::Debug>(result: io::Result<T>) {
    let e = result.expect_err("it is closed");
    assert!(Closed::is(&e), "{e:?}");
    assert_eq!(e.to_string(), "use of closed network connection");
}

#[test]
fn it_wakes_those_who_read() {
    on_procs(|| {
        let (a, _b) = pair();
        let a = Arc::new(a);
        let wg = WaitGroup::new();
        for _ in 0..3 {
            let a = a.clone();
            wg.go(move || assert_closed((&*a).read(&mut [0; 8])));
        }
        gort::time::sleep(std::time::Duration::from_millis(1));
        a.close().unwrap();
        wg.wait();
    });
}

#[test]
fn it_wakes_those_who_write() {
    on_procs(|| {
        let (a, _b) = pair();
        let clone = a.try_clone().unwrap();
        let writer = gort::spawn(move || {
            let chunk = vec![7; 1 << 16];
            loop {
                if let Err(e) = (&clone).write(&chunk) {
                    return assert_closed::<()>(Err(e));
                }
            }
        });
        gort::time::sleep(std::time::Duration::from_millis(2));
        a.close().unwrap();
        writer.join().expect("the write ended");
    });
}

#[test]
fn it_wakes_those_who_accept() {
    on_procs(|| {
        let listener = Arc::new(local());
        let addr = listener.local_addr().unwrap();
        let accepting = gort::spawn({
            let listener = listener.clone();
            move || {
                let mut count = 0;
                for stream in listener.incoming() {
                    drop(stream.expect("a connection"));
                    count += 1;
                }
                assert_closed(listener.accept());
                count
            }
        });
        drop(TcpStream::connect(addr).unwrap());
        gort::time::sleep(std::time::Duration::from_millis(1));
        listener.close().unwrap();
        assert!(accepting.join().expect("it ended") <= 1);
        let refused = TcpStream::connect(addr).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "the port is free at once");
    });
}

#[test]
fn afterwards_every_call_fails() {
    on_procs(|| {
        let (a, mut b) = pair();
        let clone = a.try_clone().unwrap();
        clone.close().unwrap();
        assert_closed((&a).read(&mut [0]));
        assert_closed((&a).write(&[0]));
        assert_closed(a.local_addr());
        assert_closed(a.set_nodelay(true));
        assert_closed(a.set_deadline(None));
        assert_closed(a.set_read_timeout(None));
        assert_closed(a.peek(&mut [0]));
        assert_closed(a.close());
        assert_closed(clone.close());
        assert_eq!(b.read(&mut [0]).unwrap(), 0, "the other end sees the end");
    });
}

#[test]
fn the_last_clone_closes() {
    on_procs(|| {
        let (a, mut b) = pair();
        let clone = a.try_clone().unwrap();
        drop(a);
        (&clone).write_all(b"alive").unwrap();
        b.read_exact(&mut [0; 5]).unwrap();
        drop(clone);
        assert_eq!(b.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn the_number_is_kept_until_the_last_handle_goes() {
    on_procs(|| {
        let (a, _b) = pair();
        let number = a.as_raw_fd();
        a.close().unwrap();
        let others: Vec<_> = (0..20).map(|_| pair()).collect();
        let taken = others.iter().any(|(x, y)| x.as_raw_fd() == number || y.as_raw_fd() == number);
        assert!(!taken, "nobody else gets it while a handle lives");
        assert_closed((&a).write(b"not into somebody else's socket"));
    });
}

/// Readers and writers of sockets that are closed under them, while others open new ones all the
/// time: whatever a stream carries is its own number.
#[test]
fn numbers_that_are_used_again() {
    on_procs(|| {
        let wg = WaitGroup::new();
        for worker in 0..6u8 {
            wg.go(move || {
                let mut rng = Rng(u64::from(worker));
                for _ in 0..scaled(40, 1000) {
                    let (a, b) = pair();
                    let (reader, closer) = (a.try_clone().unwrap(), a.try_clone().unwrap());
                    let (inner, patience) = (WaitGroup::new(), rng.below(8));
                    inner.go(move || only_reads(&reader, worker));
                    inner.go(move || while (&b).write_all(&[worker; 1 << 15]).is_ok() {});
                    inner.go(move || {
                        for _ in 0..patience {
                            gort::runtime::gosched();
                        }
                        closer.close().unwrap();
                    });
                    inner.wait();
                    drop(a);
                }
            });
        }
        wg.wait();
    });
}

/// Reads to the end, or to the close.
fn only_reads(mut stream: &TcpStream, expected: u8) {
    let mut buf = [0; 256];
    while let Ok(n @ 1..) = stream.read(&mut buf) {
        assert!(buf[..n].iter().all(|x| *x == expected), "a stranger's bytes");
    }
}
