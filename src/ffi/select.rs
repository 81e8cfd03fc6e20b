//! Select over an array of cases.

use super::chan::{Element, Ends, finish, gort_chan, with_ends};
use super::{Handle, Until};
use crate::switch::Caught;
use crate::sys::errno::{EINVAL, EPIPE};
use crate::{Receiver, Select, SelectedOperation, Sender};
use std::ffi::{c_int, c_void};

/// The operation of a case: receive to `value`.
pub const GORT_RECV: c_int = 0;
/// The operation of a case: send what lies at `value`.
pub const GORT_SEND: c_int = 1;

/// One of the operations among which `gort_select` chooses.
#[repr(C)]
#[derive(Debug)]
pub struct gort_case {
    /// The channel; null is never ready.
    pub chan: *const gort_chan,
    /// GORT_RECV or GORT_SEND.
    pub op: c_int,
    /// The element, or room for one.
    pub value: *mut c_void,
    /// Set by `gort_select` in the case that was chosen: as `gort_chan_send` or `gort_chan_recv`
    /// returns, 0 or -EPIPE.
    pub result: c_int,
}

/// Waits until one of the operations can go on, and performs it: of those that are ready each with the
/// same chance.
///
/// The index of the case; -EAGAIN or -ETIMEDOUT if none was ready by the deadline; -EINVAL. Without
/// cases it waits for the deadline.
#[unsafe(no_mangle)]
pub extern "C" fn gort_select(cases: *mut gort_case, count: usize, deadline: i64) -> c_int {
    let cases = match (cases.is_null(), count) {
        (_, 0) => &mut [],
        (true, _) => return -EINVAL,
        // SAFETY: the header's contract: so many cases, used by nobody else.
        (false, _) => unsafe { std::slice::from_raw_parts_mut(cases, count) },
    };
    select(cases, Until::of(deadline)).unwrap_or_else(|error| -error)
}

fn select(cases: &mut [gort_case], until: Until) -> Result<c_int, c_int> {
    let mut select = Select::new();
    // A case without a channel has no operation.
    let mut indices = Vec::new();
    let all_live = cases.iter().all(|case| !case.chan.is_null());
    for (i, case) in cases.iter().enumerate() {
        if case.chan.is_null() {
            continue;
        }
        // SAFETY: the header's contract.
        let chan = unsafe { gort_chan::borrow(case.chan) }?;
        let known = case.op == GORT_RECV || case.op == GORT_SEND;
        if !known || (case.value.is_null() && chan.size > 0) {
            return Err(EINVAL);
        }
        // SAFETY: the header's contract: an element, or room for one, lies at `value`.
        with_ends!(chan, |tx, rx| unsafe { add(&mut select, case, chan.size, tx, rx) });
        if !all_live {
            indices.push(i);
        }
    }
    let caught = Caught::take();
    let chosen = match until {
        Until::Never => Ok(select.select()),
        Until::Now => select.try_select().map_err(drop),
        Until::At(_) => select.select_timeout(until.left().unwrap_or_default()).map_err(drop),
    };
    drop(caught);
    let op = chosen.map_err(|()| until.error())?;
    let index = if all_live { op.index() } else { indices[op.index()] };
    let case = &mut cases[index];
    // SAFETY: the header's contract, as above.
    let chan = unsafe { gort_chan::borrow(case.chan) }?;
    // SAFETY: as above.
    case.result = with_ends!(chan, |tx, rx| unsafe { settle(op, case, chan.size, tx, rx) });
    c_int::try_from(index).map_err(|_| EINVAL)
}

/// # Safety
/// As [`Element::read`], for a send.
unsafe fn add<'a, T: Element + 'a>(
    select: &mut Select<'a>,
    case: &gort_case,
    size: usize,
    tx: &'a Sender<T>,
    rx: &'a Receiver<T>,
) {
    if case.op == GORT_SEND {
        // SAFETY: passed on.
        select.send(tx, unsafe { T::read(case.value, size) });
    } else {
        select.recv(rx);
    }
}

/// # Safety
/// As [`Element::write`], for a receive.
unsafe fn settle<T: Element>(
    op: SelectedOperation<'_, '_>,
    case: &gort_case,
    size: usize,
    tx: &Sender<T>,
    rx: &Receiver<T>,
) -> c_int {
    if case.op == GORT_SEND {
        return op.send(tx).map_or(-EPIPE, |()| 0);
    }
    // SAFETY: passed on.
    unsafe { finish(op.recv(rx).map_err(|_| EPIPE), case.value, size) }
}
