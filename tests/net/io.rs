//! `gort::io`: any descriptor, pipes, children; and what cannot be waited for.

use crate::support::{on_procs, scaled, with_procs};
use gort::io::{Closed, PipeReader, PipeWriter, Pollable, pipe};
use gort::sync::WaitGroup;
use gort::time::sleep;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_pipe_carries_more_than_it_holds() {
    on_procs(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let total = scaled(300_000, 3_000_000);
        let writing = gort::spawn(move || {
            let bytes: Vec<u8> = (0..total).map(|i| (i % 241) as u8).collect();
            writer.write_all(&bytes).unwrap();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), total);
        assert!(all.iter().enumerate().all(|(i, b)| *b == (i % 241) as u8));
        writing.join().unwrap();
    });
}

#[test]
fn the_ends_of_a_pipe_end() {
    on_procs(|| {
        let (mut reader, writer) = pipe().unwrap();
        let at = Instant::now() + Duration::from_micros(200);
        reader.set_deadline(Some(at)).unwrap();
        let late = reader.read(&mut [0]).unwrap_err();
        assert_eq!((late.kind(), late.to_string()), (ErrorKind::TimedOut, "i/o timeout".into()));
        reader.set_deadline(None).unwrap();
        drop(writer);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);

        let (reader, mut writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(writer.write(&[0]).unwrap_err().kind(), ErrorKind::BrokenPipe);

        let (reader, mut writer) = pipe().unwrap();
        let reader = Arc::new(reader);
        let reading = gort::spawn({
            let reader = reader.clone();
            move || (&*reader).read(&mut [0]).unwrap_err()
        });
        sleep(Duration::from_micros(300));
        reader.close().unwrap();
        let e = reading.join().unwrap();
        assert!(Closed::is(&e) && e.to_string() == "use of closed file");
        assert_eq!(writer.write(&[0]).unwrap_err().kind(), ErrorKind::BrokenPipe, "it is closed");
    });
}

#[test]
fn children_are_talked_to() {
    on_procs(|| {
        let mut cat = Command::new("cat");
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = PipeWriter::try_from(child.stdin.take().unwrap()).unwrap();
        let mut stdout = PipeReader::try_from(child.stdout.take().unwrap()).unwrap();
        let mut line = [0; 5];
        for _ in 0..20 {
            stdin.write_all(b"line\n").unwrap();
            stdout.read_exact(&mut line).unwrap();
            assert_eq!(&line, b"line\n");
        }
        drop(stdin);
        assert_eq!(stdout.read(&mut line).unwrap(), 0);
        assert!(child.wait().unwrap().success());
        drop(stdout.into_std().unwrap());
    });
}

/// The main goroutine has lost its P to nobody when it registers the only descriptor, and its thread
/// leaves the runtime when it waits: another has to be told.
#[test]
fn who_has_no_p_is_woken_by_the_only_descriptor() {
    for _ in 0..10 {
        with_procs(1, || {
            gort::go(|| ()); // whoever wants the P gets it, and has nothing more to do then
            std::thread::sleep(Duration::from_millis(15));
            let (mut reader, writer) = pipe().unwrap();
            let mut writer = writer.into_std().unwrap();
            let writing = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                writer.write_all(b"x").unwrap();
            });
            assert_eq!(reader.read(&mut [0; 2]).unwrap(), 1);
            writing.join().unwrap();
        });
    }
}

#[test]
fn readiness_of_anything() {
    on_procs(|| {
        let (a, mut b) = UnixStream::pair().unwrap();
        let a = Pollable::new(a).unwrap();
        a.writable().unwrap();
        a.set_deadline(Some(Instant::now() + Duration::from_micros(100))).unwrap();
        assert_eq!(a.readable().unwrap_err().kind(), ErrorKind::TimedOut);
        a.set_read_deadline(None).unwrap();
        let ready = gort::spawn(move || {
            a.readable().unwrap();
            a.readable().unwrap();
            let mut buf = [0; 8];
            assert_eq!(a.get_ref().read(&mut buf).unwrap(), 4);
            assert_eq!(a.get_ref().read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
            a.readable().unwrap();
            assert_eq!(a.read_with(|mut io| io.read(&mut buf)).unwrap(), 3);
            a
        });
        b.write_all(b"four").unwrap();
        sleep(Duration::from_micros(300));
        b.write_all(b"and").unwrap();
        let a = ready.join().unwrap();
        a.close().unwrap();
        assert!(Closed::is(&a.readable().unwrap_err()));
        let mut inner = a.into_inner();
        b.write_all(b"mine").unwrap();
        assert_eq!(inner.read(&mut [0; 9]).unwrap(), 4, "the descriptor itself was not closed");
    });
}

#[test]
fn what_is_always_ready_cannot_be_waited_for() {
    on_procs(|| {
        let file = std::fs::File::open("Cargo.toml").unwrap();
        let e = Pollable::new(file).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::PermissionDenied);
    });
}

/// Files, and the standard streams as std has them, block the thread: the others go on without it, on
/// any number of Ps.
#[test]
fn blocking_calls_hand_the_processor_on() {
    on_procs(|| {
        // What std's stdin does when it is a pipe.
        let (mut slow, mut feeder) = std::io::pipe().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let wg = WaitGroup::new();
        let blocked = done.clone();
        wg.go(move || {
            let mut text = String::new();
            slow.read_to_string(&mut text).unwrap();
            assert!(blocked.load(Ordering::Relaxed), "it waited for the others");
        });
        let (mut a, mut b) = pipe().unwrap();
        wg.go(move || {
            for _ in 0..10 {
                b.write_all(b"x").unwrap();
                sleep(Duration::from_micros(100));
            }
        });
        let mut all = Vec::new();
        a.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 10);
        done.store(true, Ordering::Relaxed);
        feeder.write_all(b"now").unwrap();
        drop(feeder);
        wg.wait();
    });
}
