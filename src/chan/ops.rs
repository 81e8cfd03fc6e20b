//! What a sender or receiver does with what the core decides: goes on, makes a waiter ready, or
//! parks. Both faces of a channel (`chan.rs`, `ends.rs`) stand on this.

use super::core::{Core, Received, Sent};
use super::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crate::base::claim::{Claim, Ended};
use crate::g::WaitReason;
use crate::sched::{Me, Task, Waiter, goexit, park, park_until, ready};
use std::mem::MaybeUninit;

/// Sends; `Err` gives the value back if the channel is closed.
#[inline]
pub(super) fn send<T>(core: &Core<T>, v: T) -> Result<(), T> {
    goexit::point();
    core.lock.lock();
    // SAFETY: the lock is held.
    match unsafe { core.send(v) } {
        Sent::Done => core.lock.unlock(),
        Sent::Handed(receiver) => unlock_and_ready(core, receiver),
        Sent::Full(v) => return wait_to_send(core, v),
        Sent::Closed(v) => {
            core.lock.unlock();
            return Err(v);
        }
    }
    Ok(())
}

/// Receives; `None` once the channel is closed and drained.
#[inline]
pub(super) fn recv<T>(core: &Core<T>) -> Option<T> {
    goexit::point();
    core.lock.lock();
    // SAFETY: the lock is held.
    match unsafe { core.recv() } {
        Received::Value(v, None) => {
            core.lock.unlock();
            Some(v)
        }
        Received::Value(v, Some(sender)) => {
            unlock_and_ready(core, sender);
            Some(v)
        }
        Received::Closed => {
            core.lock.unlock();
            None
        }
        Received::Empty => wait_to_recv(core),
    }
}

/// Sends if that needs no waiting.
#[inline]
pub(super) fn try_send<T>(core: &Core<T>, v: T) -> Result<(), TrySendError<T>> {
    goexit::point();
    if core.surely_full() {
        return Err(TrySendError::Full(v));
    }
    core.lock.lock();
    // SAFETY: the lock is held.
    let sent = unsafe { core.send(v) };
    if let Sent::Handed(receiver) = sent {
        unlock_and_ready(core, receiver);
        return Ok(());
    }
    core.lock.unlock();
    match sent {
        Sent::Full(v) => Err(TrySendError::Full(v)),
        Sent::Closed(v) => Err(TrySendError::Closed(v)),
        Sent::Done | Sent::Handed(_) => Ok(()),
    }
}

/// Receives if a value is there.
#[inline]
pub(super) fn try_recv<T>(core: &Core<T>) -> Result<T, TryRecvError> {
    goexit::point();
    if core.surely_empty() {
        return Err(TryRecvError::Empty);
    }
    core.lock.lock();
    // SAFETY: the lock is held.
    let received = unsafe { core.recv() };
    if let Received::Value(v, Some(sender)) = received {
        unlock_and_ready(core, sender);
        return Ok(v);
    }
    core.lock.unlock();
    match received {
        Received::Value(v, _) => Ok(v),
        Received::Empty => Err(TryRecvError::Empty),
        Received::Closed => Err(TryRecvError::Closed),
    }
}

/// Sends, or gives up at `when`.
pub(super) fn send_until<T>(core: &Core<T>, v: T, when: u64) -> Result<(), SendTimeoutError<T>> {
    goexit::point();
    core.lock.lock();
    // SAFETY: the lock is held.
    match unsafe { core.send(v) } {
        Sent::Done => core.lock.unlock(),
        Sent::Handed(receiver) => unlock_and_ready(core, receiver),
        Sent::Full(v) => return wait_to_send_until(core, v, when),
        Sent::Closed(v) => {
            core.lock.unlock();
            return Err(SendTimeoutError::Closed(v));
        }
    }
    Ok(())
}

/// Receives, or gives up at `when`.
pub(super) fn recv_until<T>(core: &Core<T>, when: u64) -> Result<T, RecvTimeoutError> {
    goexit::point();
    core.lock.lock();
    // SAFETY: the lock is held.
    let received = unsafe { core.recv() };
    match received {
        Received::Value(v, Some(sender)) => {
            unlock_and_ready(core, sender);
            return Ok(v);
        }
        Received::Empty => return wait_to_recv_until(core, when),
        _ => core.lock.unlock(),
    }
    match received {
        Received::Value(v, _) => Ok(v),
        _ => Err(RecvTimeoutError::Closed),
    }
}

/// Closes, and lets everyone go on who waits. False: it was closed.
pub(super) fn close<T>(core: &Core<T>) -> bool {
    goexit::point();
    core.lock.lock();
    // SAFETY: the lock is held, and everyone is made ready below.
    let closed = unsafe { core.close() };
    core.lock.unlock();
    let Some(waiters) = closed else { return false };
    for queue in waiters {
        // SAFETY: the queue is ours now.
        unsafe { queue.ready_all() };
    }
    true
}

#[inline]
fn unlock_and_ready<T>(core: &Core<T>, task: Task) {
    core.lock.unlock();
    // SAFETY: the core took it from its queue.
    unsafe { ready(task) };
}

/// Parks as a sender; the lock is held and goes with the park.
fn wait_to_send<T>(core: &Core<T>, v: T) -> Result<(), T> {
    let me = Me::new();
    let mut value = MaybeUninit::new(v);
    let waiter = Waiter::new(&me, value.as_mut_ptr().cast());
    // SAFETY: the lock is held; this frame stays until the wait has ended.
    unsafe { core.wait_to_send(&waiter) };
    park(&me, WaitReason::ChanSend, || {
        core.lock.unlock();
        true
    });
    // SAFETY: unless it was served nobody took the value: it is still ours.
    if waiter.served.get() { Ok(()) } else { Err(unsafe { value.assume_init() }) }
}

/// Parks as a receiver; the lock is held and goes with the park.
fn wait_to_recv<T>(core: &Core<T>) -> Option<T> {
    let me = Me::new();
    let mut value = MaybeUninit::<T>::uninit();
    let waiter = Waiter::new(&me, value.as_mut_ptr().cast());
    // SAFETY: the lock is held; this frame stays until the wait has ended.
    unsafe { core.wait_to_recv(&waiter) };
    park(&me, WaitReason::ChanReceive, || {
        core.lock.unlock();
        true
    });
    // SAFETY: `served` says that a sender wrote the value.
    waiter.served.get().then(|| unsafe { value.assume_init() })
}

fn wait_to_send_until<T>(core: &Core<T>, v: T, when: u64) -> Result<(), SendTimeoutError<T>> {
    let me = Me::new();
    let claim = Claim::new();
    let mut value = MaybeUninit::new(v);
    let waiter = Waiter::racing(&me, value.as_mut_ptr().cast(), &claim);
    // SAFETY: the lock is held; this frame stays until the wait has ended and the record is out.
    unsafe { core.wait_to_send(&waiter) };
    park_until(&me, WaitReason::ChanSend, (&claim, when), || {
        core.lock.unlock();
        true
    });
    let expired = claim.ended() == Some(Ended::Expired);
    if expired {
        core.lock.lock();
        // SAFETY: the lock is held; it was queued above.
        unsafe { core.leave_senders(&waiter) };
        core.lock.unlock();
    }
    if waiter.served.get() {
        return Ok(());
    }
    // SAFETY: nobody took the value: it is still ours.
    let v = unsafe { value.assume_init() };
    Err(if expired { SendTimeoutError::Timeout(v) } else { SendTimeoutError::Closed(v) })
}

fn wait_to_recv_until<T>(core: &Core<T>, when: u64) -> Result<T, RecvTimeoutError> {
    let me = Me::new();
    let claim = Claim::new();
    let mut value = MaybeUninit::<T>::uninit();
    let waiter = Waiter::racing(&me, value.as_mut_ptr().cast(), &claim);
    // SAFETY: the lock is held; this frame stays until the wait has ended and the record is out.
    unsafe { core.wait_to_recv(&waiter) };
    park_until(&me, WaitReason::ChanReceive, (&claim, when), || {
        core.lock.unlock();
        true
    });
    if claim.ended() == Some(Ended::Expired) {
        core.lock.lock();
        // SAFETY: the lock is held; it was queued above.
        unsafe { core.leave_receivers(&waiter) };
        core.lock.unlock();
        return Err(RecvTimeoutError::Timeout);
    }
    // SAFETY: `served` says that a sender wrote the value.
    let value = waiter.served.get().then(|| unsafe { value.assume_init() });
    value.ok_or(RecvTimeoutError::Closed)
}

/// Takes what is buffered; nobody receives any more.
pub(super) fn drain<T>(core: &Core<T>) -> std::collections::VecDeque<T> {
    core.lock.lock();
    // SAFETY: the lock is held.
    let rest = unsafe { core.drain() };
    core.lock.unlock();
    rest
}
