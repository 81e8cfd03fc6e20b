//! The channel, its operations and select under every schedule: the code itself, on the stand-ins of
//! `base/stage.rs`. A value is a piece of memory that its sender writes and its receiver reads, so the
//! checker sees whether passing it orders the two.

use super::core::Core;
use super::error::{RecvTimeoutError, TryRecvError};
use super::ops;
use super::select::{Case, Outcome, Wait, choose};
use crate::base::check::{Arc, Plain, check, thread};
use core::mem::MaybeUninit;

/// A value: whose it is, and memory that its sender has written.
struct Parcel {
    from: usize,
    content: Plain,
}

type Channel = Arc<Core<Box<Parcel>>>;

fn channel(cap: usize) -> Channel {
    Arc::new(Core::new(cap))
}

fn parcel(from: usize) -> Box<Parcel> {
    let parcel = Box::new(Parcel { from, content: Plain::new(0) });
    parcel.content.bump();
    parcel
}

/// Who sent it; its content is there.
fn open(parcel: Box<Parcel>) -> usize {
    assert_eq!(parcel.content.bump(), 1, "written once, received once");
    parcel.from
}

fn sender(c: &Channel, from: usize) -> thread::JoinHandle<bool> {
    let c = c.clone();
    thread::spawn(move || ops::send(&c, parcel(from)).is_ok())
}

/// A select that receives from the channels; who sent what it got, `None` if it chose none or found
/// the chosen one closed.
fn select_recv<const N: usize>(
    channels: [&Channel; N],
    wait: Wait,
) -> (Option<usize>, Option<usize>) {
    let mut outcomes = [Outcome::Open; N];
    let mut slots = [const { MaybeUninit::<Box<Parcel>>::uninit() }; N];
    let chosen = {
        let mut rest = outcomes.iter_mut().zip(&mut slots);
        let mut cases = channels.map(|c| {
            let (outcome, slot) = rest.next().unwrap();
            // SAFETY: the slot is for a value of this channel, and outlives the case.
            unsafe { Case::new(Some(&**c), false, slot.as_mut_ptr().cast(), outcome) }
        });
        choose(&mut cases, wait)
    };
    let served = chosen.filter(|i| outcomes[*i] == Outcome::Served);
    // SAFETY: it was served.
    (chosen, served.map(|i| open(unsafe { slots[i].assume_init_read() })))
}

#[test]
fn model_rendezvous_passes_one_value_to_one_receiver() {
    check(|| {
        let c = channel(0);
        let senders = [sender(&c, 1), sender(&c, 2)];
        let got = [(); 2].map(|()| open(ops::recv(&c).unwrap()));
        assert!(got == [1, 2] || got == [2, 1]);
        assert!(senders.map(|s| s.join().unwrap()).iter().all(|sent| *sent));
    });
}

#[test]
fn model_full_buffer_keeps_each_senders_order() {
    check(|| {
        let c = channel(1);
        let first = thread::spawn({
            let c = c.clone();
            move || (0..3).for_each(|i| assert!(ops::send(&c, parcel(i)).is_ok()))
        });
        (0..3).for_each(|i| assert_eq!(open(ops::recv(&c).unwrap()), i));
        first.join().unwrap();
        assert!(matches!(ops::try_recv(&c), Err(TryRecvError::Empty)));
    });
}

/// A value sent is received, or its sender gets it back; whoever waits is told.
#[test]
fn model_close_settles_everyone() {
    check(|| {
        let c = channel(0);
        let sender = sender(&c, 1);
        let receiver = thread::spawn({
            let c = c.clone();
            move || ops::recv(&c).map(open)
        });
        assert!(ops::close(&c));
        let (sent, received) = (sender.join().unwrap(), receiver.join().unwrap());
        assert_eq!(sent, received == Some(1), "a value that is nowhere, or in two places");
        assert!(!ops::close(&c));
    });
}

/// The channel is never empty: it holds a value, and then it is closed.
#[test]
fn model_try_recv_is_linearizable_with_close() {
    check(|| {
        let c = channel(1);
        assert!(ops::send(&c, parcel(1)).is_ok());
        let other = thread::spawn({
            let c = c.clone();
            move || match ops::try_recv(&c) {
                Ok(parcel) => Some(open(parcel)),
                Err(TryRecvError::Closed) => None,
                Err(TryRecvError::Empty) => panic!("never empty"),
            }
        });
        ops::close(&c);
        let own = ops::recv(&c).map(open);
        assert_ne!(own, other.join().unwrap(), "received by both, or by neither");
    });
}

/// One of the two channels always holds a value; who looks at `d` first and then at `c` may find
/// neither, and must look again.
#[test]
fn model_select_with_default_sees_one_instant() {
    check(|| {
        let (c, d) = (channel(1), channel(1));
        assert!(ops::send(&c, parcel(1)).is_ok());
        let other = thread::spawn({
            let (c, d) = (c.clone(), d.clone());
            move || select_recv([&d, &c], Wait::NOW).1
        });
        assert!(ops::send(&d, parcel(2)).is_ok());
        let own = ops::try_recv(&c).map(open).ok();
        let other = other.join().unwrap().expect("one of the two was ready at each instant");
        let rest = ops::try_recv(&d).map(open).ok();
        assert_eq!((own, rest), if other == 1 { (None, Some(2)) } else { (Some(1), None) });
    });
}

/// Two senders find a select in both queues: one is received, the other one waits on.
#[test]
fn model_select_takes_one_and_leaves_the_other() {
    check(|| {
        let (c, d) = (channel(0), channel(0));
        let senders = [sender(&c, 1), sender(&d, 2)];
        let (chosen, got) = select_recv([&c, &d], Wait::FOREVER);
        assert_eq!(got, chosen.map(|i| i + 1));
        let rest = if chosen == Some(0) { &d } else { &c };
        assert_eq!(ops::recv(rest).map(open), Some(3 - got.unwrap()));
        assert!(senders.map(|s| s.join().unwrap()).iter().all(|sent| *sent));
        assert!(c.receivers().looks_empty() && d.receivers().looks_empty());
    });
}

#[test]
fn model_selects_on_both_sides_meet() {
    check(|| {
        let (c, d) = (channel(0), channel(0));
        let other = thread::spawn({
            let (c, d) = (c.clone(), d.clone());
            move || {
                let (mut outcomes, mut first, mut second) =
                    ([Outcome::Open; 2], MaybeUninit::new(parcel(1)), MaybeUninit::new(parcel(2)));
                let [o, p] = &mut outcomes;
                // SAFETY: the slots hold values for these channels, and outlive the cases.
                let mut cases = unsafe {
                    [
                        Case::new(Some(&*d), true, second.as_mut_ptr().cast(), o),
                        Case::new(Some(&*c), true, first.as_mut_ptr().cast(), p),
                    ]
                };
                let chosen = choose(&mut cases, Wait::FOREVER).unwrap();
                assert_eq!(outcomes[chosen], Outcome::Served);
                // SAFETY: (both) the one that was not chosen is still there.
                drop(unsafe {
                    if chosen == 0 { first.assume_init() } else { second.assume_init() }
                });
                2 - chosen
            }
        });
        let (_, got) = select_recv([&c, &d], Wait::FOREVER);
        assert_eq!(got, Some(other.join().unwrap()));
    });
}

/// A value goes to the receiver, or time is up and its sender still has it.
#[test]
fn model_time_limit_loses_no_value() {
    check(|| {
        let c = channel(0);
        let receiver = thread::spawn({
            let c = c.clone();
            move || match ops::recv_until(&c, 1) {
                Ok(parcel) => Some(open(parcel)),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Closed) => panic!("nobody closes"),
            }
        });
        let sent = ops::try_send(&c, parcel(1)).is_ok();
        assert_eq!(receiver.join().unwrap().is_some(), sent);
        assert!(c.receivers().looks_empty(), "a record that nobody takes out");
    });
}
