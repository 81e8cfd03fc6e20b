//! The arms of a select with the types of their values: what `select!` expands to.

use super::core::Core;
use super::select::{Case, Outcome, Port, Wait, choose};
use crate::g::WaitReason;
use crate::sched::park_forever;
use std::fmt;
use std::mem::MaybeUninit;

pub(super) mod sealed {
    //! Keeps [`Source`](super::Source) and [`Sink`](super::Sink) to this crate's channels.

    /// The channel behind an end; `None` is nil.
    #[allow(unnameable_types)]
    pub trait End {
        /// Type of its values.
        type Item;
        /// The core.
        #[allow(private_interfaces)]
        fn core(&self) -> Option<&super::Core<Self::Item>>;
    }

    impl<E: End + ?Sized> End for &E {
        type Item = E::Item;
        #[allow(private_interfaces)]
        fn core(&self) -> Option<&super::Core<E::Item>> {
            (**self).core()
        }
    }
}

use sealed::End;

/// What a select can receive from: a [`Chan`](crate::Chan), a [`Receiver`](crate::Receiver), or a
/// reference to one. No type outside this crate implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing to receive from",
    label = "not a `Chan` or `Receiver`",
    note = "`recv(c)` in a select takes a `Chan` or a `Receiver`, by value or by reference"
)]
pub trait Source: End {
    /// What a receive returns: as the channel's own `recv`.
    type Output;
    #[doc(hidden)]
    fn received(value: Option<Self::Item>) -> Self::Output;
}

/// What a select can send to: a [`Chan`](crate::Chan), a [`Sender`](crate::Sender), or a reference to
/// one. No type outside this crate implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing to send to",
    label = "not a `Chan` or `Sender`",
    note = "`send(c, v)` in a select takes a `Chan` or a `Sender`, by value or by reference"
)]
pub trait Sink: End {
    /// What a send returns: as the channel's own `send`.
    type Output;
    /// Whether a send on a closed channel panics.
    #[doc(hidden)]
    const PANICS: bool;
    #[doc(hidden)]
    fn sent(unsent: Option<Self::Item>) -> Self::Output;
}

impl<S: Source + ?Sized> Source for &S {
    type Output = S::Output;
    fn received(value: Option<Self::Item>) -> Self::Output {
        S::received(value)
    }
}

impl<S: Sink + ?Sized> Sink for &S {
    type Output = S::Output;
    const PANICS: bool = S::PANICS;
    fn sent(unsent: Option<Self::Item>) -> Self::Output {
        S::sent(unsent)
    }
}

/// The channel behind an end, without its type.
pub(super) fn port<E: End + ?Sized>(end: &E) -> Option<&dyn Port> {
    end.core().map(|core| core as &dyn Port)
}

/// The panic of a send on a channel that is closed or not for sending.
#[cold]
pub(super) fn refuse_send(receive_only: bool) -> ! {
    if receive_only {
        panic!("send on receive-only channel");
    }
    panic!("send on closed channel");
}

/// A receive arm.
pub struct RecvArm<'a, S: Source + ?Sized> {
    source: &'a S,
    /// `Served`: there is a value.
    outcome: Outcome,
    value: MaybeUninit<S::Item>,
}

/// A send arm.
pub struct SendArm<'a, S: Sink + ?Sized> {
    sink: &'a S,
    /// Not `Served`: the value is still there.
    outcome: Outcome,
    value: MaybeUninit<S::Item>,
}

impl<S: Source + ?Sized> fmt::Debug for RecvArm<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecvArm")
    }
}

impl<S: Sink + ?Sized> fmt::Debug for SendArm<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendArm")
    }
}

/// A receive arm on `source`.
#[inline]
pub fn recv<S: Source + ?Sized>(source: &S) -> RecvArm<'_, S> {
    RecvArm { source, outcome: Outcome::Open, value: MaybeUninit::uninit() }
}

/// A send arm on `sink`.
#[inline]
pub fn send<S: Sink + ?Sized>(sink: &S, value: S::Item) -> SendArm<'_, S> {
    SendArm { sink, outcome: Outcome::Open, value: MaybeUninit::new(value) }
}

impl<S: Source + ?Sized> RecvArm<'_, S> {
    /// For one [`run`].
    #[inline]
    pub fn offer(&mut self) -> Case<'_> {
        let slot = self.value.as_mut_ptr().cast();
        // SAFETY: the slot is for a value of this channel, and borrowed as long as the case.
        unsafe { Case::new(port(self.source), false, slot, &mut self.outcome) }
    }

    /// What was received, if the arm was chosen.
    #[inline]
    pub fn finish(mut self) -> Option<S::Output> {
        // The arm is empty from here on.
        let value = match std::mem::take(&mut self.outcome) {
            Outcome::Open => return None,
            Outcome::Closed => None,
            // SAFETY: `Served` says that the value was written, and nobody has taken it.
            Outcome::Served => Some(unsafe { self.value.assume_init_read() }),
        };
        Some(S::received(value))
    }
}

impl<S: Source + ?Sized> Drop for RecvArm<'_, S> {
    #[inline]
    fn drop(&mut self) {
        if self.outcome == Outcome::Served {
            // SAFETY: it was written, and not taken by `finish`.
            unsafe { self.value.assume_init_drop() };
        }
    }
}

impl<S: Sink + ?Sized> SendArm<'_, S> {
    /// For one [`run`].
    #[inline]
    pub fn offer(&mut self) -> Case<'_> {
        debug_assert!(self.outcome == Outcome::Open, "a send arm is offered once");
        let slot = self.value.as_mut_ptr().cast();
        // SAFETY: the slot holds a value for this channel, and is borrowed as long as the case.
        unsafe { Case::new(port(self.sink), true, slot, &mut self.outcome) }
    }

    /// What the send came to, if the arm was chosen.
    #[inline]
    pub fn finish(mut self) -> Option<S::Output> {
        match self.outcome {
            Outcome::Open => None,
            Outcome::Served => Some(S::sent(None)),
            Outcome::Closed if S::PANICS => {
                refuse_send(self.sink.core().is_some_and(Core::is_receive_only))
            }
            Outcome::Closed => {
                self.outcome = Outcome::Served;
                // SAFETY: nobody took the value; the mark keeps `drop` from it.
                Some(S::sent(Some(unsafe { self.value.assume_init_read() })))
            }
        }
    }
}

impl<S: Sink + ?Sized> Drop for SendArm<'_, S> {
    #[inline]
    fn drop(&mut self) {
        if self.outcome != Outcome::Served {
            // SAFETY: nobody took the value.
            unsafe { self.value.assume_init_drop() };
        }
    }
}

/// Chooses one of the arms and marks it, or none if time runs out.
#[inline]
pub fn run<const N: usize>(mut offers: [Case<'_>; N], wait: Wait) {
    choose(&mut offers, wait);
}

/// What [`crate::select!`]'s chosen arm gives its body.
pub fn take<T>(out: Option<T>) -> T {
    out.expect("the chosen arm")
}

/// No arm was chosen, and there is no default.
pub fn none() -> ! {
    unreachable!("a select without default chooses an arm")
}

/// `select! {}`.
pub fn never() -> ! {
    park_forever(WaitReason::SelectNoCases)
}
