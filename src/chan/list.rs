//! `Select`: a select whose operations are listed at run time.

use super::arm::{Sink, Source, port, refuse_send};
use super::error::{SelectTimeoutError, TrySelectError};
use super::select::{Case, Outcome, Port, Wait, choose_among};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::time::Duration;

/// Arms that need no allocation.
const INLINE: usize = 8;
/// Words of a value that an arm holds in place.
const WORDS: usize = 4;

/// A select over a list of operations made at run time; [`select!`](crate::select!) is the form for
/// those known when the program is written, and has the rules of choice.
///
/// Operations are numbered as they are added. A receive may be chosen again and again; a send is done
/// when it is chosen, and its arm is spent. Values that were not sent are dropped with the `Select`.
///
/// ```
/// use gort::{Select, chan};
/// gort::run(|| {
///     let inputs = [chan(1), chan(1), chan(1)];
///     inputs[2].send("third");
///     let mut select = Select::new();
///     for c in &inputs {
///         select.recv(c);
///     }
///     let op = select.select();
///     let c = &inputs[op.index()];
///     assert_eq!((op.index(), op.recv(c)), (2, Some("third")));
///     assert!(select.try_select().is_err());
/// });
/// ```
#[derive(Default)]
pub struct Select<'a> {
    first: [Option<Arm<'a>>; INLINE],
    more: Vec<Arm<'a>>,
    len: usize,
}

/// One operation.
struct Arm<'a> {
    port: Option<&'a dyn Port>,
    send: bool,
    /// A send that has been chosen.
    spent: bool,
    /// A send on the closed channel panics.
    panics: bool,
    room: Room,
}

/// Room for a value of a type that only its drop function knows.
struct Room {
    words: [MaybeUninit<usize>; WORDS],
    /// Where the value is if it does not fit.
    heap: Option<NonNull<()>>,
    full: bool,
    drop_value: unsafe fn(*mut ()),
    free: unsafe fn(*mut ()),
}

impl Room {
    fn new<T>() -> Self {
        let fits =
            size_of::<T>() <= size_of::<[usize; WORDS]>() && align_of::<T>() <= align_of::<usize>();
        let heap = || NonNull::from(Box::leak(Box::new(MaybeUninit::<T>::uninit()))).cast();
        Self {
            words: [MaybeUninit::uninit(); WORDS],
            heap: (!fits).then(heap),
            full: false,
            // SAFETY: called while `full`, with the place of a T.
            drop_value: |at| unsafe { ptr::drop_in_place(at.cast::<T>()) },
            // SAFETY: called once, with the box made above.
            free: |at| drop(unsafe { Box::from_raw(at.cast::<MaybeUninit<T>>()) }),
        }
    }

    fn at(&mut self) -> *mut () {
        self.heap.map_or(self.words.as_mut_ptr().cast(), NonNull::as_ptr)
    }

    /// Takes the value.
    ///
    /// # Safety
    /// The room was made for `T`.
    unsafe fn take<T>(&mut self) -> Option<T> {
        let at = self.at();
        // SAFETY: it holds a T, which is taken once.
        std::mem::take(&mut self.full).then(|| unsafe { at.cast::<T>().read() })
    }

    fn clear(&mut self) {
        let at = self.at();
        if std::mem::take(&mut self.full) {
            // SAFETY: it holds a value of the room's type.
            unsafe { (self.drop_value)(at) };
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.clear();
        if let Some(heap) = self.heap {
            // SAFETY: the box of `new`, now empty.
            unsafe { (self.free)(heap.as_ptr()) };
        }
    }
}

impl<'a> Select<'a> {
    /// A select without operations, which would wait for ever.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a receive from `source`; returns its number.
    pub fn recv<S: Source + ?Sized>(&mut self, source: &'a S) -> usize
    where
        S::Item: Send,
    {
        let room = Room::new::<S::Item>();
        self.add(Arm { port: port(source), send: false, spent: false, panics: false, room })
    }

    /// Adds a send of `value` to `sink`; returns its number.
    pub fn send<S: Sink + ?Sized>(&mut self, sink: &'a S, value: S::Item) -> usize
    where
        S::Item: Send + 'a,
    {
        let mut room = Room::new::<S::Item>();
        // SAFETY: the room is for this type, and empty.
        unsafe { room.at().cast::<S::Item>().write(value) };
        room.full = true;
        self.add(Arm { port: port(sink), send: true, spent: false, panics: S::PANICS, room })
    }

    fn add(&mut self, arm: Arm<'a>) -> usize {
        match self.first.get_mut(self.len) {
            Some(place) => *place = Some(arm),
            None => self.more.push(arm),
        }
        self.len += 1;
        self.len - 1
    }

    /// Number of operations added, spent ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no operation was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Waits until one of the operations can go on, and performs it.
    ///
    /// # Panics
    /// With `send on closed channel`, if a send on a closed [`Chan`](crate::Chan) is chosen.
    pub fn select(&mut self) -> SelectedOperation<'_, 'a> {
        self.run(Wait::FOREVER).expect("it waits until one is chosen")
    }

    /// Performs one of the operations if one is ready.
    ///
    /// # Errors
    /// If none is.
    ///
    /// # Panics
    /// As [`select`](Self::select).
    pub fn try_select(&mut self) -> Result<SelectedOperation<'_, 'a>, TrySelectError> {
        self.run(Wait::NOW).ok_or(TrySelectError)
    }

    /// Waits for `d` at most until one of the operations can go on, and performs it.
    ///
    /// # Errors
    /// If none could in time.
    ///
    /// # Panics
    /// As [`select`](Self::select).
    pub fn select_timeout(
        &mut self,
        d: Duration,
    ) -> Result<SelectedOperation<'_, 'a>, SelectTimeoutError> {
        self.run(Wait::at_most(d)).ok_or(SelectTimeoutError)
    }

    fn run(&mut self, wait: Wait) -> Option<SelectedOperation<'_, 'a>> {
        let index = if self.len <= INLINE { self.run_inline(wait) } else { self.run_many(wait) }?;
        let arm = match self.first.get_mut(index) {
            Some(arm) => arm.as_mut().expect("the chosen arm"),
            None => &mut self.more[index - INLINE],
        };
        if arm.send {
            arm.spent = true;
            // The value is still there: the channel is closed.
            if arm.room.full && arm.panics {
                refuse_send(arm.port.is_some_and(Port::is_receive_only));
            }
        }
        Some(SelectedOperation { arm, index })
    }

    fn run_inline(&mut self, wait: Wait) -> Option<usize> {
        let mut outcomes = [Outcome::Open; INLINE];
        let mut room = outcomes.iter_mut();
        let arms = self.first.iter_mut().map(Option::as_mut);
        let mut arms = arms.zip(&mut room);
        let mut cases = std::array::from_fn::<_, INLINE, _>(|_| match arms.next() {
            Some((Some(arm), outcome)) => arm.case(outcome),
            Some((None, outcome)) => Case::never(outcome),
            None => unreachable!("as many outcomes as arms"),
        });
        let chosen = choose_among(&mut cases[..self.len], wait)?;
        self.first[chosen].as_mut().expect("the chosen arm").settle(outcomes[chosen]);
        Some(chosen)
    }

    fn run_many(&mut self, wait: Wait) -> Option<usize> {
        let mut outcomes = vec![Outcome::Open; self.len];
        let arms = self.first.iter_mut().flatten().chain(&mut self.more);
        let mut cases: Vec<_> = arms.zip(&mut outcomes).map(|(arm, o)| arm.case(o)).collect();
        let chosen = choose_among(&mut cases, wait)?;
        drop(cases);
        let mut arms = self.first.iter_mut().flatten().chain(&mut self.more);
        arms.nth(chosen).expect("the chosen arm").settle(outcomes[chosen]);
        Some(chosen)
    }
}

impl<'a> Arm<'a> {
    fn case<'s>(&'s mut self, outcome: &'s mut Outcome) -> Case<'s>
    where
        'a: 's,
    {
        debug_assert!(self.spent || self.send == self.room.full);
        let port = if self.spent { None } else { self.port };
        // SAFETY: the room is for the channel's type (`recv`, `send`) and borrowed with the arm; an
        // unspent send holds its value.
        unsafe { Case::new(port, self.send, self.room.at(), outcome) }
    }

    /// Books whether a value passed.
    fn settle(&mut self, outcome: Outcome) {
        if outcome == Outcome::Served {
            self.room.full = !self.send;
        }
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The operation that a [`Select`] chose and performed. A received value that is not taken with
/// [`recv`](Self::recv) is dropped with this.
#[must_use = "it holds what was received"]
pub struct SelectedOperation<'s, 'a> {
    arm: &'s mut Arm<'a>,
    index: usize,
}

impl SelectedOperation<'_, '_> {
    /// The number of the operation.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    fn check(&self, port: Option<&dyn Port>, send: bool) {
        let lock = |port: Option<&dyn Port>| port.map(|port| ptr::from_ref(port.lock()));
        let same = lock(port).is_some() && lock(port) == lock(self.arm.port);
        assert!(same, "the selected operation is on another channel");
        assert!(self.arm.send == send, "the selected operation goes the other way");
    }

    /// What was received from `source`, as its own `recv` returns it.
    ///
    /// # Panics
    /// If the operation was not a receive from `source`.
    pub fn recv<S: Source + ?Sized>(self, source: &S) -> S::Output {
        self.check(port(source), false);
        // SAFETY: the same channel, therefore the same type.
        S::received(unsafe { self.arm.room.take::<S::Item>() })
    }

    /// What the send to `sink` came to, as its own `send` returns it.
    ///
    /// # Panics
    /// If the operation was not a send to `sink`.
    pub fn send<S: Sink + ?Sized>(self, sink: &S) -> S::Output {
        self.check(port(sink), true);
        // SAFETY: the same channel, therefore the same type.
        S::sent(unsafe { self.arm.room.take::<S::Item>() })
    }
}

impl Drop for SelectedOperation<'_, '_> {
    fn drop(&mut self) {
        self.arm.room.clear();
    }
}

impl fmt::Debug for SelectedOperation<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("index", &self.index).finish_non_exhaustive()
    }
}
