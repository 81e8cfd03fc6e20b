//! Unix-domain sockets.

use crate::close::assert_closed;
use crate::support::{on_procs, scaled};
use gort::net::{UnixDatagram, UnixListener, UnixStream};
use gort::sync::WaitGroup;
use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A path nobody uses, whose file is removed in the end.
struct Spot(PathBuf);

impl Spot {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("gort-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[test]
fn streams_through_a_listener() {
    on_procs(|| {
        let spot = Spot::new();
        let listener = UnixListener::bind(&spot.0).unwrap();
        let server = gort::spawn({
            let listener = listener.try_clone().unwrap();
            move || {
                for stream in listener.incoming() {
                    let stream = stream.unwrap();
                    gort::go(move || std::io::copy(&mut &stream, &mut &stream));
                }
            }
        });
        let wg = WaitGroup::new();
        for id in 0..10u8 {
            let path = spot.0.clone();
            wg.go(move || {
                let mut stream = UnixStream::connect(path).unwrap();
                for size in [1, 100, scaled(10_000, 200_000)] {
                    let bytes = vec![id; size];
                    let mut writer = stream.try_clone().unwrap();
                    let writing = gort::spawn(move || writer.write_all(&bytes).unwrap());
                    let mut back = vec![0; size];
                    stream.read_exact(&mut back).unwrap();
                    assert!(back.iter().all(|b| *b == id));
                    writing.join().unwrap();
                }
            });
        }
        wg.wait();
        listener.close().unwrap();
        server.join().unwrap();
        assert_closed(listener.accept());
    });
}

#[test]
fn a_full_queue_is_waited_for() {
    on_procs(|| {
        let spot = Spot::new();
        let addr = socket2::SockAddr::unix(&spot.0).unwrap();
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&addr).unwrap();
        socket.listen(1).unwrap();
        let listener = UnixListener::from_std(socket.into()).unwrap();
        let clients: Vec<_> = (0..5)
            .map(|_| {
                let path = spot.0.clone();
                gort::spawn(move || UnixStream::connect(path).map(drop).unwrap())
            })
            .collect();
        gort::time::sleep(Duration::from_millis(1));
        for _ in 0..5 {
            listener.accept().unwrap();
        }
        clients.into_iter().for_each(|c| c.join().unwrap());
    });
}

#[test]
fn abstract_addresses() {
    on_procs(|| {
        let name = Spot::new();
        let addr = SocketAddr::from_abstract_name(name.0.as_os_str().as_encoded_bytes()).unwrap();
        let listener = UnixListener::bind_addr(&addr).unwrap();
        let at = Instant::now() + Duration::from_micros(100);
        listener.set_deadline(Some(at)).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::TimedOut);
        listener.set_deadline(None).unwrap();
        let mut dialed = UnixStream::connect_addr(&addr).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        dialed.write_all(b"abstract").unwrap();
        dialed.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        accepted.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abstract");
    });
}

#[test]
fn datagrams() {
    on_procs(|| {
        let (here, there) = (Spot::new(), Spot::new());
        let a = UnixDatagram::bind(&here.0).unwrap();
        let b = UnixDatagram::bind(&there.0).unwrap();
        a.send_to(b"by path", &there.0).unwrap();
        let mut buf = [0; 16];
        let (n, from) = b.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..n], from.as_pathname()), (&b"by path"[..], Some(here.0.as_path())));
        b.connect(&here.0).unwrap();
        b.send(b"back").unwrap();
        assert_eq!(a.recv(&mut buf).unwrap(), 4);
        a.set_read_timeout(Some(Duration::from_micros(200))).unwrap();
        assert_eq!(a.recv(&mut buf).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

/// More than the receiver's queue takes, from a connected sender and from one that names the receiver
/// each time, of whom the system tells nothing when there is room again.
#[test]
fn a_full_receiver_is_waited_for() {
    on_procs(|| {
        for connected in [true, false] {
            let spot = Spot::new();
            let receiver = UnixDatagram::bind(&spot.0).unwrap();
            let count = 200u32;
            let path = spot.0.clone();
            let sending = gort::spawn(move || {
                let sender = UnixDatagram::unbound().unwrap();
                if connected {
                    sender.connect(&path).unwrap();
                }
                for i in 0..count {
                    let bytes = i.to_le_bytes();
                    let sent =
                        if connected { sender.send(&bytes) } else { sender.send_to(&bytes, &path) };
                    assert_eq!(sent.unwrap(), 4);
                }
            });
            gort::time::sleep(Duration::from_micros(500));
            let mut bytes = [0; 4];
            for i in 0..count {
                receiver.recv(&mut bytes).unwrap();
                assert_eq!(u32::from_le_bytes(bytes), i);
            }
            sending.join().unwrap();
        }
    });
}
