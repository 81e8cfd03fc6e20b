//! Channels of elements whose size C says at run time.
//!
//! A channel of the crate has a type. Small elements travel in arrays of words, of which there are a
//! few sizes; larger ones in a box of bytes.

use super::{Handle, Until, status};
use crate::switch::Caught;
use crate::sys::errno::{EAGAIN, EINVAL, ENOMEM, EPIPE, ETIMEDOUT};
use crate::{
    Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, TrySendError, channel,
};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;

/// A channel.
pub struct gort_chan {
    /// Bytes of an element.
    pub(super) size: usize,
    pub(super) ends: Ends,
}

impl Handle for gort_chan {
    const MARK: usize = 0x6368_616e;
}

/// What an element travels in.
pub(super) trait Element: Send + Sized {
    /// # Safety
    /// `size` bytes lie at `from`, or it is zero; the type holds so many.
    unsafe fn read(from: *const c_void, size: usize) -> Self;

    /// # Safety
    /// There is room for `size` bytes at `to`, or it is zero; they are what was read.
    unsafe fn write(self, to: *mut c_void, size: usize);
}

/// Copies `size` bytes; without a call for the sizes of C's numbers and pointers.
///
/// # Safety
/// As `memcpy`.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
    // The size is in view of the compiler.
    match size {
        // SAFETY: passed on.
        8 => unsafe { ptr::copy_nonoverlapping(from, to, 8) },
        // SAFETY: passed on.
        4 => unsafe { ptr::copy_nonoverlapping(from, to, 4) },
        // SAFETY: passed on.
        16 => unsafe { ptr::copy_nonoverlapping(from, to, 16) },
        // SAFETY: passed on.
        _ => unsafe { ptr::copy_nonoverlapping(from, to, size) },
    }
}

/// So many words.
pub(super) struct Words<const N: usize>([MaybeUninit<u64>; N]);

impl<const N: usize> Element for Words<N> {
    #[inline]
    unsafe fn read(from: *const c_void, size: usize) -> Self {
        let mut words = [MaybeUninit::uninit(); N];
        // SAFETY: the caller's promise.
        unsafe { copy(from.cast(), words.as_mut_ptr().cast(), size) };
        Self(words)
    }

    #[inline]
    unsafe fn write(self, to: *mut c_void, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy(self.0.as_ptr().cast(), to.cast(), size) };
    }
}

/// Any number of bytes.
pub(super) struct Bytes(Box<[MaybeUninit<u8>]>);

impl Element for Bytes {
    unsafe fn read(from: *const c_void, size: usize) -> Self {
        let mut bytes = Box::new_uninit_slice(size);
        // SAFETY: the caller's promise.
        unsafe { ptr::copy_nonoverlapping(from.cast(), bytes.as_mut_ptr(), size) };
        Self(bytes)
    }

    unsafe fn write(self, to: *mut c_void, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { ptr::copy_nonoverlapping(self.0.as_ptr(), to.cast(), size) };
    }
}

/// Both ends, for each kind of element.
pub(super) enum Ends {
    Unit(Sender<Words<0>>, Receiver<Words<0>>),
    Word(Sender<Words<1>>, Receiver<Words<1>>),
    Pair(Sender<Words<2>>, Receiver<Words<2>>),
    Eight(Sender<Words<8>>, Receiver<Words<8>>),
    Large(Sender<Bytes>, Receiver<Bytes>),
}

impl Ends {
    fn new(size: usize, capacity: usize) -> Self {
        fn pair<T: Element>(make: fn(Sender<T>, Receiver<T>) -> Ends, capacity: usize) -> Ends {
            let (tx, rx) = channel(capacity);
            make(tx, rx)
        }
        match size {
            0 => pair(Self::Unit, capacity),
            1..=8 => pair(Self::Word, capacity),
            9..=16 => pair(Self::Pair, capacity),
            17..=64 => pair(Self::Eight, capacity),
            _ => pair(Self::Large, capacity),
        }
    }
}

/// `$do` with the ends, whatever their type.
macro_rules! with_ends {
    ($chan:expr, |$tx:pat_param, $rx:pat_param| $do:expr) => {
        match &$chan.ends {
            Ends::Unit($tx, $rx) => $do,
            Ends::Word($tx, $rx) => $do,
            Ends::Pair($tx, $rx) => $do,
            Ends::Eight($tx, $rx) => $do,
            Ends::Large($tx, $rx) => $do,
        }
    };
}
pub(super) use with_ends;

/// Makes a channel of elements of `size` bytes each (0: signals), which buffers `capacity` of them; with 0 a
/// send waits for its receive. Null, and errno, if it would not fit into memory.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_new(size: usize, capacity: usize) -> *mut gort_chan {
    let fits = |bytes: usize| bytes <= isize::MAX as usize;
    let bytes = size.max(64).checked_mul(capacity.max(1));
    if !bytes.is_some_and(fits) {
        crate::sys::errno::set(ENOMEM);
        return ptr::null_mut();
    }
    gort_chan { size, ends: Ends::new(size, capacity) }.hand_out()
}

/// Sends the element at `value`; waits until a receiver takes it or the buffer has room.
///
/// 0; -EPIPE if the channel is closed, or comes to that meanwhile; -EAGAIN or -ETIMEDOUT when the
/// deadline has come; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_send(
    chan: *const gort_chan,
    value: *const c_void,
    deadline: i64,
) -> c_int {
    // SAFETY: the header's contract.
    let chan = match unsafe { gort_chan::borrow(chan) } {
        Ok(chan) if chan.size == 0 || !value.is_null() => chan,
        _ => return -EINVAL,
    };
    // SAFETY: the header's contract: an element lies at `value`.
    with_ends!(chan, |tx, _| unsafe { send(tx, value, chan.size, deadline) })
}

/// # Safety
/// As [`Element::read`].
#[inline]
unsafe fn send<T: Element>(
    tx: &Sender<T>,
    value: *const c_void,
    size: usize,
    deadline: i64,
) -> c_int {
    // SAFETY: passed on.
    let element = unsafe { T::read(value, size) };
    let _caught = Caught::take();
    let until = Until::of(deadline);
    let sent = match until {
        Until::Never => tx.send(element).map_err(|_| EPIPE),
        Until::Now => tx.try_send(element).map_err(|e| match e {
            TrySendError::Full(_) => EAGAIN,
            TrySendError::Closed(_) => EPIPE,
        }),
        Until::At(_) => {
            tx.send_timeout(element, until.left().unwrap_or_default()).map_err(|e| match e {
                SendTimeoutError::Timeout(_) => ETIMEDOUT,
                SendTimeoutError::Closed(_) => EPIPE,
            })
        }
    };
    status(sent)
}

/// Receives an element to `value`; waits until there is one.
///
/// 0; -EPIPE once the channel is closed and drained, and `value` is zeroes then; -EAGAIN or -ETIMEDOUT
/// when the deadline has come; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_recv(
    chan: *const gort_chan,
    value: *mut c_void,
    deadline: i64,
) -> c_int {
    // SAFETY: the header's contract.
    let chan = match unsafe { gort_chan::borrow(chan) } {
        Ok(chan) if chan.size == 0 || !value.is_null() => chan,
        _ => return -EINVAL,
    };
    // SAFETY: the header's contract: there is room for an element at `value`.
    with_ends!(chan, |_, rx| unsafe { recv(rx, value, chan.size, deadline) })
}

/// # Safety
/// As [`Element::write`].
#[inline]
unsafe fn recv<T: Element>(
    rx: &Receiver<T>,
    value: *mut c_void,
    size: usize,
    deadline: i64,
) -> c_int {
    let _caught = Caught::take();
    let until = Until::of(deadline);
    let received = match until {
        Until::Never => rx.recv().map_err(|_| EPIPE),
        Until::Now => rx.try_recv().map_err(|e| match e {
            TryRecvError::Empty => EAGAIN,
            TryRecvError::Closed => EPIPE,
        }),
        Until::At(_) => rx.recv_timeout(until.left().unwrap_or_default()).map_err(|e| match e {
            RecvTimeoutError::Timeout => ETIMEDOUT,
            RecvTimeoutError::Closed => EPIPE,
        }),
    };
    // SAFETY: passed on.
    unsafe { finish(received, value, size) }
}

/// Writes what was received, or zeroes for a closed channel.
///
/// # Safety
/// As [`Element::write`].
#[inline]
pub(super) unsafe fn finish<T: Element>(
    received: Result<T, c_int>,
    value: *mut c_void,
    size: usize,
) -> c_int {
    match received {
        Ok(element) => {
            // SAFETY: passed on.
            unsafe { element.write(value, size) };
            0
        }
        Err(EPIPE) if size > 0 => {
            // SAFETY: passed on.
            unsafe { ptr::write_bytes(value.cast::<u8>(), 0, size) };
            -EPIPE
        }
        Err(error) => -error,
    }
}

/// Sends if that needs no waiting: `gort_chan_send` with the deadline 0.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_try_send(chan: *const gort_chan, value: *const c_void) -> c_int {
    gort_chan_send(chan, value, 0)
}

/// Receives if that needs no waiting: `gort_chan_recv` with the deadline 0.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_try_recv(chan: *const gort_chan, value: *mut c_void) -> c_int {
    gort_chan_recv(chan, value, 0)
}

/// Closes the channel: what is buffered can still be received, everyone who waits to send gets -EPIPE.
///
/// 0; -EPIPE if it was closed; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_close(chan: *const gort_chan) -> c_int {
    // SAFETY: the header's contract.
    let close = |chan: &gort_chan| with_ends!(chan, |tx, _| tx.close());
    // SAFETY: the header's contract.
    let closed = unsafe { gort_chan::borrow(chan) }.map(close);
    status(closed.and_then(|now| if now { Ok(()) } else { Err(EPIPE) }))
}

/// Elements in the buffer; 0 for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_len(chan: *const gort_chan) -> usize {
    let len = |chan: &gort_chan| with_ends!(chan, |tx, _| tx.len());
    // SAFETY: the header's contract.
    unsafe { gort_chan::borrow(chan) }.map_or(0, len)
}

/// How many elements the buffer can hold; 0 for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_cap(chan: *const gort_chan) -> usize {
    let cap = |chan: &gort_chan| with_ends!(chan, |tx, _| tx.cap());
    // SAFETY: the header's contract.
    unsafe { gort_chan::borrow(chan) }.map_or(0, cap)
}

/// Frees a channel that nobody uses any more, with what is in its buffer. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_chan_free(chan: *mut gort_chan) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_chan::free(chan) }
}
