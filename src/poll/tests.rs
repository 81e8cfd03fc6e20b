//! Slots and the poller with real descriptors, without a scheduler.

use super::slot::Slots;
use super::{Direction, Gate};
use crate::sys::epoll::{Epoll, Events, Happened};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;

const READABLE: Happened = Happened { readable: true, writable: false, end: false };

fn word(n: &u64) -> NonNull<()> {
    NonNull::from(n).cast()
}

#[test]
fn a_gate_lets_one_through() {
    let (gate, me) = (Gate::new(), 0);
    assert!(!gate.pass());
    assert!(gate.open().is_none());
    assert!(gate.open().is_none());
    assert!(gate.pass() && !gate.pass(), "two events, one passage");
    assert!(gate.open().is_none());
    assert!(!gate.arm(word(&me), || false), "open refuses");
    assert!(gate.pass());
    assert!(!gate.arm(word(&me), || true), "so does the end");
    assert!(gate.knock().is_none() && !gate.is_waited_at());
    for wake in [Gate::open, Gate::knock] {
        assert!(gate.arm(word(&me), || false));
        assert!(gate.is_waited_at());
        assert_eq!(wake(&gate), Some(word(&me)));
        assert!(!gate.pass(), "the waiter was the one who was told");
    }
}

#[test]
fn slots_are_used_again_under_another_tag() {
    let slots = Slots::new();
    let many: Vec<_> = (0..1000).map(|_| slots.take()).collect();
    let mut tags: Vec<_> = many.iter().map(|s| s.tag()).collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 1000, "each its own");

    let (slot, me) = (many[700], 0);
    let stale = slot.tag();
    slots.happened(stale, READABLE, |_| unreachable!("nobody waits"));
    assert!(slot.gate(Direction::Read).pass());
    assert!(slot.close() && !slot.close());
    slots.give(slot);
    let again = slots.take();
    assert!(std::ptr::eq(slot, again), "the last one given");
    assert!(!again.is_closed());
    assert_ne!(again.tag(), stale);
    assert!(again.gate(Direction::Read).arm(word(&me), || false));
    assert!(slots.any_waiter());
    slots.happened(stale, READABLE, |_| unreachable!("not meant for this owner"));
    let mut woken = Vec::new();
    slots.happened(again.tag(), READABLE, |w| woken.push(w));
    assert_eq!(woken, [word(&me)]);
    assert!(!slots.any_waiter());
}

#[test]
fn an_edge_is_told_once_and_a_wake_up_ends_a_wait() {
    let epoll = Epoll::new().unwrap();
    let (mut a, b) = UnixStream::pair().unwrap();
    let mut events = Events::new();
    epoll.add(b.as_fd(), 7).unwrap();
    let mut look = |wait: bool| {
        if wait { epoll.wait(&mut events, None) } else { epoll.look(&mut events) }.unwrap();
        events.drain().collect::<Vec<_>>()
    };
    let writable = Happened { readable: false, writable: true, ..READABLE };
    assert_eq!(look(false), [(7, writable)]);
    assert_eq!(look(false), []);
    a.write_all(b"x").unwrap();
    let both = Happened { writable: true, ..READABLE };
    assert_eq!(look(true), [(7, both)]);
    assert_eq!(look(false), [], "it is still there, but no news");

    epoll.wake();
    epoll.wake();
    assert_eq!(look(false), [], "who only looks leaves the wake-up to the waiter");
    assert_eq!(look(true), []);
    epoll.wake();
    assert_eq!(look(true), [], "and the next one is one again");

    drop(a);
    let end = Happened { readable: true, writable: true, end: true };
    assert_eq!(look(true), [(7, end)]);
}

#[test]
fn a_buried_descriptor_is_nobodys() {
    let epoll = Epoll::new().unwrap();
    let (mut a, b) = UnixStream::pair().unwrap();
    epoll.add(b.as_fd(), 1).unwrap();
    epoll.remove(b.as_fd());
    epoll.bury(b.as_fd()).unwrap();
    assert_eq!(a.read(&mut [0]).unwrap(), 0, "its file is closed");
    (&b).write(b"x").expect_err("nothing can be written");
    (&b).read(&mut [0]).expect_err("nor read");
    b.peer_addr().expect_err("it is no socket any more");
    epoll.remove(b.as_fd());
}

#[test]
fn a_regular_file_cannot_be_waited_for() {
    let epoll = Epoll::new().unwrap();
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let e = epoll.add(file.as_fd(), 1).unwrap_err();
    assert_eq!(e.kind(), std::io::ErrorKind::PermissionDenied);
}

#[test]
fn a_wait_lasts_as_long_as_it_should() {
    let epoll = Epoll::new().unwrap();
    let mut events = Events::new();
    for ns in [1, 20_000, 1_500_000] {
        let begin = std::time::Instant::now();
        epoll.wait(&mut events, Some(ns)).unwrap();
        assert!(events.is_empty());
        assert!(
            begin.elapsed().as_nanos() as u64 >= ns,
            "a signal ends it early, but none is sent"
        );
    }
}
