//! The system refuses, interrupts and cuts short, at random: what the runtime calls in libc is replaced by
//! functions of this program that fail now and then, and pass the rest on.
//!
//! `FAULT_SEED` replays a run, as far as the threads' order allows.

#![allow(clippy::print_stdout, reason = "the seed")]

#[path = "support/mod.rs"]
mod support;

use gort::net::{TcpListener, TcpStream};
use gort::sync::WaitGroup;
use std::ffi::c_int;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{exclusive, scaled, with_procs};

static ON: AtomicBool = AtomicBool::new(false);
static STATE: AtomicU64 = AtomicU64::new(0);
/// Faults so far: interruptions, short transfers, refusals.
static FAULTS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

const INTERRUPTED: usize = 0;
const SHORT: usize = 1;
const REFUSED: usize = 2;

/// Once in `n` times, while faults are on.
fn chance(n: u64, kind: usize) -> bool {
    if !ON.load(Ordering::Relaxed) {
        return false;
    }
    let mut z = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hit = (z ^ (z >> 31)).is_multiple_of(n);
    FAULTS[kind].fetch_add(usize::from(hit), Ordering::Relaxed);
    hit
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: the calling thread's own word.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// Tells of a few events at a time, of none, or is interrupted.
///
/// # Safety
/// As epoll_wait(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut libc::epoll_event,
    room: c_int,
    timeout: c_int,
) -> c_int {
    if chance(5, INTERRUPTED) {
        return fail(libc::EINTR);
    }
    let room = if chance(3, SHORT) { 1 } else { room };
    // SAFETY: passed on; less room than there is.
    unsafe {
        let none = std::ptr::null::<libc::sigset_t>();
        libc::syscall(libc::SYS_epoll_pwait, epoll, events, room, timeout, none, 8usize) as c_int
    }
}

/// # Safety
/// As epoll_ctl(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    op: c_int,
    fd: c_int,
    event: *mut libc::epoll_event,
) -> c_int {
    if op == libc::EPOLL_CTL_ADD && chance(10, REFUSED) {
        return fail(libc::ENOSPC);
    }
    // SAFETY: passed on.
    unsafe { libc::syscall(libc::SYS_epoll_ctl, epoll, op, fd, event) as c_int }
}

/// # Safety
/// As accept4(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn accept4(
    fd: c_int,
    addr: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
    flags: c_int,
) -> c_int {
    if chance(5, INTERRUPTED) {
        return fail(libc::EINTR);
    }
    if chance(8, REFUSED) {
        return fail(libc::ECONNABORTED);
    }
    if chance(20, REFUSED) {
        return fail(libc::EMFILE);
    }
    // SAFETY: passed on.
    unsafe { libc::syscall(libc::SYS_accept4, fd, addr, len, flags) as c_int }
}

/// # Safety
/// As recv(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn recv(fd: c_int, buf: *mut u8, len: usize, flags: c_int) -> isize {
    if chance(6, INTERRUPTED) {
        return fail(libc::EINTR) as isize;
    }
    let none = std::ptr::null_mut::<u8>();
    // SAFETY: passed on.
    unsafe { libc::syscall(libc::SYS_recvfrom, fd, buf, len, flags, none, none) as isize }
}

/// Sends a part, or is interrupted.
///
/// # Safety
/// As send(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn send(fd: c_int, buf: *const u8, len: usize, flags: c_int) -> isize {
    if chance(6, INTERRUPTED) {
        return fail(libc::EINTR) as isize;
    }
    let len = if len > 1 && chance(3, SHORT) { len / 2 } else { len };
    let none = std::ptr::null::<u8>();
    // SAFETY: passed on, with no more than was given.
    unsafe { libc::syscall(libc::SYS_sendto, fd, buf, len, flags, none, 0) as isize }
}

/// Tries again what the system refused.
fn insist<T>(mut f: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match f() {
            Ok(done) => return done,
            Err(e) => assert_eq!(e.kind(), ErrorKind::StorageFull, "{e:?}"),
        }
    }
}

fn conversation(addr: std::net::SocketAddr, id: usize) {
    let bytes: Vec<u8> = (0..997).map(|i| (i * id) as u8).collect();
    'again: loop {
        let mut stream = insist(|| TcpStream::connect(addr));
        stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
        for _ in 0..10 {
            let mut back = vec![0; bytes.len()];
            // A server that could not register the connection has closed it: a second piece may
            // already find that out.
            match stream.write_all(&bytes).and_then(|()| stream.read_exact(&mut back)) {
                Ok(()) => assert_eq!(back, bytes),
                Err(e) => {
                    let gone = [
                        ErrorKind::UnexpectedEof,
                        ErrorKind::ConnectionReset,
                        ErrorKind::BrokenPipe,
                    ];
                    assert!(gone.contains(&e.kind()), "{e:?}");
                    continue 'again;
                }
            }
        }
        return;
    }
}

#[test]
fn nothing_is_lost_whatever_the_system_says() {
    let seed = std::env::var("FAULT_SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(|| std::process::id().into());
    println!("FAULT_SEED={seed}");
    STATE.store(seed, Ordering::Relaxed);
    for procs in [1, 2, 4] {
        with_procs(procs, || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addr = listener.local_addr().unwrap();
            let server = gort::spawn({
                let listener = listener.try_clone().unwrap();
                move || {
                    for stream in listener.incoming().flatten() {
                        gort::go(move || std::io::copy(&mut &stream, &mut &stream));
                    }
                }
            });
            ON.store(true, Ordering::Relaxed);
            let wg = WaitGroup::new();
            for id in 0..scaled(30, 200) {
                wg.go(move || conversation(addr, id));
            }
            wg.wait();
            ON.store(false, Ordering::Relaxed);
            listener.close().unwrap();
            server.join().unwrap();
        });
    }
    for kind in [INTERRUPTED, SHORT, REFUSED] {
        assert!(FAULTS[kind].load(Ordering::Relaxed) > 10, "the functions above are called");
    }
}

/// Without a fault, so that the two tests do not disturb each other: a deadline is kept by a poller that
/// others keep awake.
#[test]
fn deadlines_are_kept_by_a_busy_poller() {
    let _one = exclusive();
    gort::run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = Instant::now() + Duration::from_millis(5);
        listener.set_deadline(Some(at)).unwrap();
        let (mut a, b) = gort::io::pipe().unwrap();
        gort::go(move || while (&b).write_all(b"x").is_ok() {});
        gort::go(move || while a.read(&mut [0; 9]).is_ok_and(|n| n > 0) {});
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(Instant::now() >= at);
    });
}
