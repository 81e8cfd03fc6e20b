//! Many connections, and too many.

use crate::support::{exclusive, on_procs, watched, with_procs};
use crate::tcp::local;
use gort::net::TcpStream;
use gort::sync::WaitGroup;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn limit() -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid place.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit
}

fn set_limit(limit: libc::rlimit) {
    // SAFETY: a valid place.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

/// How many descriptors this process may have, after it has asked for `wanted`.
fn raise_limit(wanted: u64) -> u64 {
    let now = limit();
    set_limit(libc::rlimit { rlim_cur: now.rlim_max, ..now });
    if now.rlim_max < wanted {
        set_limit(libc::rlimit { rlim_cur: wanted, rlim_max: wanted }); // for the privileged
    }
    limit().rlim_cur
}

/// All of them open at once, each of them used.
#[test]
fn ten_thousand_connections() {
    // Both ends of each are ours.
    let wanted = 10_000.min((raise_limit(20_200) as usize - 200) / 2);
    with_procs(2, || {
        let listener = local();
        let addr = listener.local_addr().unwrap();
        let served = Arc::new(AtomicUsize::new(0));
        gort::go({
            let served = served.clone();
            move || {
                for stream in listener.incoming() {
                    let (served, stream) = (served.clone(), stream.expect("accepted"));
                    gort::go(move || {
                        let mut byte = [0];
                        while (&stream).read_exact(&mut byte).is_ok() {
                            (&stream).write_all(&byte).expect("the client reads");
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            }
        });
        let (wg, go, all_there) =
            (WaitGroup::new(), gort::chan::<()>(0), Arc::new(AtomicUsize::new(0)));
        for i in 0..wanted {
            let (go, all_there) = (go.clone(), all_there.clone());
            wg.go(move || {
                let mut stream = TcpStream::connect(addr).expect("connected");
                all_there.fetch_add(1, Ordering::Relaxed);
                assert_eq!(go.recv(), None, "it is closed");
                let byte = [i as u8];
                stream.write_all(&byte).unwrap();
                let mut back = [0];
                stream.read_exact(&mut back).unwrap();
                assert_eq!(back, byte);
            });
        }
        crate::support::eventually(|| all_there.load(Ordering::Relaxed) == wanted);
        go.close();
        wg.wait();
        crate::support::eventually(|| served.load(Ordering::Relaxed) == wanted);
    });
}

/// The system has no more descriptors: `incoming` says so and pauses; nobody who waits in the queue is
/// lost, and all are served once there is room again.
#[test]
fn no_descriptor_for_a_connection() {
    let _one = exclusive();
    watched(|| {
        gort::run(|| {
            let listener = local();
            let addr = listener.local_addr().unwrap();
            let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(addr).unwrap()).collect();
            // Every number that is left.
            let mut hoard = Vec::new();
            let highest = clients.iter().map(AsRawFd::as_raw_fd).max().unwrap_or(0);
            let before = limit();
            let low = before.rlim_cur.min(highest as u64 + 20);
            set_limit(libc::rlimit { rlim_cur: low, ..before });
            while let Ok(file) = std::fs::File::open("/dev/null") {
                hoard.push(file);
            }
            let mut incoming = listener.incoming();
            for _ in 0..2 {
                let e = incoming.next().unwrap().expect_err("there is no number for it");
                assert_eq!(e.raw_os_error(), Some(libc::EMFILE));
            }
            drop(hoard);
            set_limit(before);
            for (client, accepted) in clients.iter().zip(&mut incoming) {
                let mut accepted = accepted.expect("there is room now");
                accepted.write_all(b"hi").unwrap();
                (&*client).read_exact(&mut [0; 2]).unwrap();
            }
        });
    });
}

#[test]
fn connections_come_and_go() {
    on_procs(|| {
        let listener = local();
        let addr = listener.local_addr().unwrap();
        gort::go(move || {
            for stream in listener.incoming().flatten() {
                gort::go(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        let wg = WaitGroup::new();
        for _ in 0..8 {
            wg.go(move || {
                for _ in 0..crate::support::scaled(20, 200) {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    stream.write_all(b"one shot").unwrap();
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                    let mut back = String::new();
                    stream.read_to_string(&mut back).unwrap();
                    assert_eq!(back, "one shot");
                }
            });
        }
        wg.wait();
    });
}
