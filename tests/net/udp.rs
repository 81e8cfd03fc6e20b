//! Datagrams over UDP: whole, from whom they say, or not at all.

use crate::close::assert_closed;
use crate::support::{on_procs, scaled};
use gort::net::UdpSocket;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

fn local() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port")
}

#[test]
fn back_and_forth() {
    on_procs(|| {
        let (a, b) = (local(), local());
        let (to, from) = (b.local_addr().unwrap(), a.local_addr().unwrap());
        let echo = gort::spawn(move || {
            let mut buf = [0; 100];
            for _ in 0..scaled(100, 2000) {
                let (n, who) = b.recv_from(&mut buf).unwrap();
                assert_eq!(who, from);
                assert_eq!(b.send_to(&buf[..n], who).unwrap(), n);
            }
        });
        a.connect(to).unwrap();
        assert_eq!(a.peer_addr().unwrap(), to);
        for i in 0..scaled(100, 2000) {
            let sent = vec![i as u8; i % 90];
            a.send(&sent).unwrap();
            let mut back = [1; 100];
            assert_eq!(a.peek(&mut back).unwrap(), sent.len());
            let n = a.recv(&mut back).unwrap();
            assert_eq!(&back[..n], sent, "an empty one is one, too");
        }
        echo.join().unwrap();
    });
}

#[test]
fn deadlines_and_close_end_a_wait() {
    on_procs(|| {
        let socket = local();
        let mut buf = [0; 8];
        socket.set_read_deadline(Some(Instant::now() + Duration::from_millis(1))).unwrap();
        assert_eq!(socket.recv_from(&mut buf).unwrap_err().kind(), ErrorKind::TimedOut);
        socket.set_read_deadline(None).unwrap();
        socket.set_read_timeout(Some(Duration::from_micros(100))).unwrap();
        assert_eq!(socket.recv_from(&mut buf).unwrap_err().to_string(), "i/o timeout");
        socket.set_read_timeout(None).unwrap();
        let waiting = gort::spawn({
            let socket = socket.try_clone().unwrap();
            move || assert_closed(socket.recv_from(&mut [0; 8]))
        });
        gort::time::sleep(Duration::from_micros(300));
        socket.close().unwrap();
        waiting.join().unwrap();
        assert_closed(socket.send_to(b"x", "127.0.0.1:9"));
    });
}

#[test]
fn nobody_there() {
    on_procs(|| {
        let (a, gone) = (local(), local().local_addr().unwrap());
        a.connect(gone).unwrap();
        a.send(b"hello?").unwrap();
        assert_eq!(a.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let b = local();
        b.send_to(b"still works", a.local_addr().unwrap()).unwrap();
        let unnamed = a.into_std().unwrap();
        drop(UdpSocket::from_std(unnamed).unwrap());
    });
}

#[test]
fn options_and_groups() {
    on_procs(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(3).unwrap();
        assert_eq!(socket.ttl().unwrap(), 3);
        socket.set_multicast_loop_v4(true).unwrap();
        assert!(socket.multicast_loop_v4().unwrap());
        socket.set_multicast_ttl_v4(2).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 2);
        assert!(socket.take_error().unwrap().is_none());
        socket.set_nonblocking(true).unwrap();
        assert_eq!(socket.peek_from(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}
