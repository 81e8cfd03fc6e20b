//! What networks do to programs: half-open connections, resets, slow readers, partial writes.

use crate::support::{on_procs, scaled};
use crate::tcp::{local, pair};
use gort::net::TcpStream;
use gort::sync::WaitGroup;
use gort::time::sleep;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// Makes the end of `stream` a reset instead of a goodbye.
fn reset(stream: TcpStream) {
    let socket = stream.into_std().expect("the only handle");
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn half_open() {
    on_procs(|| {
        let (mut a, mut b) = pair();
        a.write_all(b"last words").unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        let mut words = String::new();
        b.read_to_string(&mut words).unwrap();
        assert_eq!(words, "last words");
        assert_eq!(b.read(&mut [0]).unwrap(), 0, "the end stays the end");
        let answer = vec![9; 1 << 20];
        let reader = gort::spawn(move || {
            let mut all = Vec::new();
            a.read_to_end(&mut all).map(|_| all.len())
        });
        b.write_all(&answer).unwrap();
        drop(b);
        assert_eq!(reader.join().unwrap().unwrap(), 1 << 20);
    });
}

/// Data and the end of it arrive together, before anybody reads: a short read must not wait for more.
#[test]
fn the_end_comes_with_the_data() {
    on_procs(|| {
        for _ in 0..scaled(50, 500) {
            let (mut a, mut b) = pair();
            a.write_all(b"abc").unwrap();
            drop(a);
            let mut buf = [0; 64];
            let mut got = 0;
            loop {
                match b.read(&mut buf).unwrap() {
                    0 => break,
                    n => got += n,
                }
            }
            assert_eq!(got, 3);
        }
    });
}

/// Urgent data splits what can be read at once: a short read is not the last.
#[test]
fn urgent_data_does_not_hide_what_follows() {
    on_procs(|| {
        let (mut a, mut b) = pair();
        a.write_all(b"before").unwrap();
        assert_eq!(socket2::SockRef::from(&a).send_out_of_band(b"!").unwrap(), 1);
        a.write_all(b"after").unwrap();
        let mut all = vec![0; 11];
        b.read_exact(&mut all).unwrap();
        assert_eq!(all, b"beforeafter");
    });
}

#[test]
fn a_reset_ends_reads_and_writes() {
    on_procs(|| {
        let (a, mut b) = pair();
        let reading = gort::spawn({
            let b = b.try_clone().unwrap();
            move || (&b).read(&mut [0]).unwrap_err().kind()
        });
        sleep(Duration::from_micros(300));
        reset(a);
        assert_eq!(reading.join().unwrap(), ErrorKind::ConnectionReset);
        let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&b.write(&[0]).unwrap_err().kind()));
    });
}

#[test]
fn a_reset_before_it_is_accepted() {
    on_procs(|| {
        let listener = local();
        let addr = listener.local_addr().unwrap();
        reset(TcpStream::connect(addr).unwrap());
        let live = gort::spawn(move || TcpStream::connect(addr).unwrap());
        // The dead one may be accepted, too, and fail at once.
        loop {
            let (stream, from) = listener.accept().unwrap();
            if (&stream).write(b"x").is_ok() && stream.peer_addr().is_ok_and(|a| a == from) {
                break;
            }
        }
        drop(live.join());
    });
}

/// A writer far ahead of its reader waits, again and again, with parts of its data under way.
#[test]
fn a_slow_reader() {
    on_procs(|| {
        let (a, b) = pair();
        socket2::SockRef::from(&a).set_send_buffer_size(16 << 10).unwrap();
        let total = scaled(100_000, 1_000_000);
        let writer = gort::spawn(move || {
            let data: Vec<u8> = (0..total).map(|i| (i % 253) as u8).collect();
            let (mut at, mut parts) = (0, 0);
            while at < total {
                at += (&a).write(&data[at..]).unwrap();
                parts += 1;
            }
            parts
        });
        let (mut got, mut buf) = (0, [0; 700]);
        loop {
            let n = (&b).read(&mut buf).unwrap();
            if n == 0 {
                break;
            }
            assert!((0..n).all(|i| buf[i] == ((got + i) % 253) as u8));
            got += n;
            if got % 7 == 0 {
                gort::runtime::gosched();
            }
        }
        assert_eq!(got, total);
        assert!(writer.join().unwrap() > 1, "not in one go");
    });
}

/// Several writers of one socket: each call's bytes that were taken stay together.
#[test]
fn several_write_to_one() {
    on_procs(|| {
        let (a, mut b) = pair();
        let wg = WaitGroup::new();
        let each = scaled(100, 1000);
        for id in 0..5u8 {
            let mut a = a.try_clone().unwrap();
            wg.go(move || {
                for _ in 0..each {
                    a.write_all(&[id; 10]).unwrap();
                }
            });
        }
        drop(a);
        let mut counts = [0; 5];
        let mut record = [0; 10];
        while b.read_exact(&mut record).is_ok() {
            assert!(record.iter().all(|x| *x == record[0]), "mixed: {record:?}");
            counts[record[0] as usize] += 1;
        }
        assert_eq!(counts, [each; 5]);
        wg.wait();
    });
}

/// One connection handed from reader to reader.
#[test]
fn several_read_from_one() {
    on_procs(|| {
        let (mut a, b) = pair();
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let mut b = b.try_clone().unwrap();
                gort::spawn(move || {
                    let (mut sum, mut buf) = (0, [0; 16]);
                    while let n @ 1.. = b.read(&mut buf).unwrap() {
                        sum += buf[..n].iter().map(|x| usize::from(*x)).sum::<usize>();
                    }
                    sum
                })
            })
            .collect();
        drop(b);
        let rounds = scaled(500, 5000);
        for _ in 0..rounds {
            a.write_all(&[1, 2, 3]).unwrap();
        }
        drop(a);
        let sum: usize = readers.into_iter().map(|r| r.join().unwrap()).sum();
        assert_eq!(sum, 6 * rounds);
    });
}
