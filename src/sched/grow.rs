//! Explicit growth: calls on further segments, for goroutines and plain threads, and what a stack has
//! left. The segments themselves are `stack/segment.rs`; here is whose they are and what the cap says.
//!
//! The cap counts what is in use: the used part of every stack that was left, and all of the segment
//! in use. A stack that was left cannot be used while somebody is on the next one, so its unused rest
//! counts for nothing.
//!
//! A goroutine may park on a segment and go on on another thread: nothing here is kept by thread but
//! what belongs to a plain thread. Unwinding passes through [`call_on`], and [`Left`] then leaves the
//! segment on its way.

use super::cap;
use super::current::{current, on_thread_stack};
use crate::g::GRef;
use crate::stack::{DEFAULT_MAX_STACK, Exhausted, MIN_STACK, Segment, Segments, size_within};
use crate::switch::tools::{self, Fiber, Host};
use crate::switch::{call_on, sp};
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};

/// What the frames between a call here and the closure take.
const MARGIN: usize = 1024;
/// What `call_on` needs of the stack that is left.
const BELOW: usize = 1024;
/// A segment is at least so many times as large as the stack it goes on from.
const FACTOR: usize = 2;

/// Why there is no further segment.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It would pass the cap of so many bytes.
    Cap(usize),
    /// The system has none.
    System(Exhausted),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cap(bytes) => write!(f, "goroutine stack exceeds {bytes}-byte limit"),
            Self::System(e) => f.write_str(&e.describe()),
        }
    }
}

/// Whose stack the caller runs on.
#[derive(Clone, Copy)]
enum Owner {
    Goroutine(GRef),
    Thread,
}

impl Owner {
    #[inline]
    fn now() -> Self {
        current().and_then(|m| m.curg()).map_or(Self::Thread, Self::Goroutine)
    }

    #[inline]
    fn with<R>(self, f: impl FnOnce(&Segments) -> R) -> R {
        match self {
            Self::Goroutine(g) => f(&g.segments),
            Self::Thread => on_thread_stack(|thread| f(&thread.segments)),
        }
    }

    /// The stack it runs on: lowest and one past the highest address.
    #[inline]
    fn bounds(self) -> (usize, usize) {
        match self {
            Self::Goroutine(g) => {
                let slot = g.stack();
                (slot.limit, slot.top)
            }
            Self::Thread => on_thread_stack(|thread| {
                thread.segments.slot().map_or(thread.bounds(), |slot| (slot.limit, slot.top))
            }),
        }
    }

    fn cap(self) -> usize {
        match self {
            Self::Goroutine(g) => cap::of(g),
            Self::Thread if super::boot::is_started() => cap::rounded(cap::max_stack()),
            Self::Thread => cap::rounded(DEFAULT_MAX_STACK),
        }
    }
}

/// Where the caller stands.
#[derive(Clone, Copy)]
struct Here {
    owner: Owner,
    limit: usize,
    top: usize,
    sp: usize,
}

impl Here {
    #[inline(always)]
    fn now() -> Self {
        let owner = Owner::now();
        let (limit, top) = owner.bounds();
        Self { owner, limit, top, sp: sp() }
    }

    /// Bytes left below the caller; 0 on memory that is not this stack (a C library's, a signal's).
    #[inline]
    fn remaining(&self) -> usize {
        if self.sp > self.top { 0 } else { self.sp.saturating_sub(self.limit) }
    }

    /// Bytes in use on all segments.
    fn in_use(&self) -> usize {
        let own = if self.sp < self.limit { 0 } else { self.top.saturating_sub(self.sp) };
        self.owner.with(Segments::outside) + own
    }

    /// A further segment with room for `bytes`.
    fn segment(&self, bytes: usize, cap: usize) -> Result<Segment, Refused> {
        let room = cap.saturating_sub(self.in_use());
        let least = bytes.max(MIN_STACK);
        if bytes > room || room < MIN_STACK {
            return Err(Refused::Cap(cap));
        }
        let doubled = (self.top - self.limit).saturating_mul(FACTOR);
        let wanted = doubled.min(size_within(room));
        self.owner.with(|s| s.take(least, wanted)).map_err(Refused::System)
    }
}

/// Bytes left on the segment the caller runs on.
#[inline]
pub(crate) fn remaining() -> usize {
    Here::now().remaining()
}

/// Bytes in use on all segments.
pub(crate) fn in_use() -> usize {
    Here::now().in_use()
}

/// The cap of the caller's stack.
pub(crate) fn limit() -> usize {
    Owner::now().cap()
}

/// Pieces the caller's stack consists of.
pub(crate) fn segments() -> usize {
    Owner::now().with(Segments::count) + 1
}

/// Runs `f` with at least `bytes` of stack, on a further segment if need be.
///
/// # Errors
/// When there is no such segment; `f` has not run and is dropped.
#[inline]
pub(crate) fn ensure<T>(bytes: usize, f: impl FnOnce() -> T) -> Result<T, Refused> {
    let here = Here::now();
    if here.remaining() >= bytes.saturating_add(MARGIN) {
        return Ok(f());
    }
    further(here, bytes, here.owner.cap(), f)
}

/// As [`ensure`], but the cap is no obstacle: for what the runtime itself has to do when a stack is
/// used up. Runs `f` where the caller is if there is no segment at all.
pub(crate) fn beyond<T>(bytes: usize, f: impl FnOnce() -> T) -> T {
    let here = Here::now();
    if here.remaining() >= bytes.saturating_add(MARGIN) {
        return f();
    }
    match here.owner.with(|s| s.take(bytes, bytes)) {
        Ok(segment) => on(here, segment, f),
        Err(_) => f(),
    }
}

/// Runs `f` on a further segment, twice as large as the present one where the cap allows it.
///
/// # Errors
/// As for [`ensure`].
pub(crate) fn grow<T>(f: impl FnOnce() -> T) -> Result<T, Refused> {
    let here = Here::now();
    further(here, 0, here.owner.cap(), f)
}

#[cold]
#[inline(never)]
fn further<T>(here: Here, bytes: usize, cap: usize, f: impl FnOnce() -> T) -> Result<T, Refused> {
    let segment = here.segment(bytes, cap)?;
    Ok(on(here, segment, f))
}

/// A call on another stack: what goes in, and what comes out.
struct Call<F, T> {
    f: ManuallyDrop<F>,
    value: MaybeUninit<T>,
    fiber: Fiber,
}

/// Tells the observers, also when the call unwinds, that it is over.
struct Leaving<'a>(&'a Fiber);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave(true);
    }
}

/// Leaves the segment, also when the call unwinds.
struct Left {
    owner: Owner,
    host: Option<Host>,
}

impl Drop for Left {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            Fiber::new().back(host);
            Fiber::unwinds();
        }
        if let Owner::Goroutine(g) = self.owner {
            let slot = g.stack();
            g.close_reserve(slot, slot.limit);
        }
        self.owner.with(Segments::leave);
    }
}

/// Runs `f` on `segment`.
fn on<F: FnOnce() -> T, T>(here: Here, segment: Segment, f: F) -> T {
    /// # Safety
    /// `call` is a `Call<F, T>` whose closure has not been taken.
    unsafe extern "C-unwind" fn run<F: FnOnce() -> T, T>(call: *mut ()) {
        // SAFETY: the caller's promise; nobody else looks at it meanwhile.
        let call = unsafe { &mut *call.cast::<Call<F, T>>() };
        // SAFETY: taken once, here.
        let f = unsafe { ManuallyDrop::take(&mut call.f) };
        call.fiber.arrive();
        let _leaving = Leaving(&call.fiber);
        call.value.write(f());
    }
    let (f, value) = (ManuallyDrop::new(f), MaybeUninit::<T>::uninit());
    let mut call = Call { f, value, fiber: Fiber::new() };
    let slot = segment.slot();
    if segment.is_first_use() {
        tools::register_stack(slot.limit, slot.top);
    }
    let outside = here.in_use();
    let left = sp() - BELOW;
    here.owner.with(|s| s.enter(segment, outside, left));
    let host = Some(call.fiber.go(slot.limit, slot.top));
    let left = Left { owner: here.owner, host };
    // SAFETY: the segment is ours, guarded and empty below its record, which is aligned to 64.
    unsafe { call_on(segment.stack_top(), run::<F, T>, (&raw mut call).cast()) };
    drop(left);
    // SAFETY: `run` has returned, so it has written the value.
    unsafe { call.value.assume_init() }
}
