//! `func`: a function with deferred calls, as in Go.
//!
//! A frame keeps its deferred calls as records, one after the other, first in a small room of its
//! own and then in blocks; each record is a closure and the way to call it. A goroutine keeps a block
//! for its next frame that needs one, so that deferring allocates nothing once warm.
//!
//! `func` catches what leaves its body and runs the records, last in first out, outside any unwind:
//! so a deferred call may block, move to another thread, or panic itself. What `func` does when all
//! have run follows from its [`Call`]: go on with the panic, else with the goexit, else return.
//!
//! Invariants: only the body adds records (no deferred call can reach the frame, which does not live
//! as long as what it keeps), and only `func` takes them, afterwards. A record is taken before it is
//! called, so it is called once even if it panics.

use super::held::Held;
use super::known::{Earlier, Known, Payload, discard};
use super::value::Panic;
use super::{block, hook};
use crate::sched::{goexit as exiting, grow};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Words of records a frame holds without a block.
const ROOM: usize = 16;

/// A running function's list of deferred calls; from [`func`].
pub struct Frame<'f, R> {
    /// The record added last; null at the end.
    last: Cell<*mut Head<R>>,
    /// Free memory for records.
    free: Cell<*mut u8>,
    end: Cell<*mut u8>,
    /// The blocks in use, the last one first.
    blocks: Cell<block::List>,
    /// Invariant in `'f`: else a frame could be asked to keep something shorter-lived.
    _calls: PhantomData<Cell<&'f ()>>,
}

/// Memory for a frame's first records. Not part of the frame, whose fields can then be kept in
/// registers although the deferred calls are shown where their records lie.
type Room = MaybeUninit<[usize; ROOM]>;

struct Head<R> {
    before: *mut Head<R>,
    call: unsafe fn(*mut Head<R>, &mut Deferred<'_, R>),
}

#[repr(C)]
struct Record<R, F> {
    head: Head<R>,
    f: F,
}

/// How a function stands whose deferred calls run.
struct Call<R> {
    /// What the body returned, or a deferred call has set.
    result: Option<R>,
    /// There once something other than a return has left the body or a deferred call.
    trouble: Option<Box<Trouble<R>>>,
}

struct Trouble<R> {
    /// The result of a function that has not returned one.
    default: fn() -> R,
    held: Held,
    goexit: bool,
}

/// What a deferred call sees of its function: the panic under way, and the result.
pub struct Deferred<'d, R> {
    call: &'d mut Call<R>,
}

/// Runs `body` as Go runs a function: what it defers runs when it ends, last in first out, whether
/// it returns, panics or goexits. Returns the body's result, or what a deferred call made of it;
/// after a recovered panic [`Deferred::result`], which is `R::default()` unless set.
///
/// Works in goroutines and on plain threads. In a main goroutine or plain thread a panic that
/// nobody recovers is printed when it leaves the outermost `func`, in the standard library's words.
///
/// A body that never returns needs its result type written out: `func::<()>(|f| …)`.
///
/// ```
/// // The result can be changed after the return.
/// fn triple(x: u32) -> u32 {
///     gort::func(|f| {
///         f.defer(move |d| *d.result() += x);
///         x + x
///     })
/// }
/// assert_eq!(triple(5), 15);
///
/// // A recovered function returns normally.
/// let caught = gort::func(|f| {
///     f.defer(|d| {
///         let p = d.recover().expect("the body panics");
///         *d.result() = p.message().len();
///     });
///     panic!("eight...")
/// });
/// assert_eq!(caught, 8);
/// ```
///
/// What a deferred call borrows must outlive the whole `func`:
/// ```compile_fail
/// gort::func(|f| {
///     let local = String::from("gone");
///     f.defer(|_| println!("{local}"));
/// });
/// ```
#[inline(never)]
#[cfg_attr(target_os = "linux", unsafe(link_section = "gort_func_text"))] // for `region`
pub fn func<'f, R: Default>(body: impl FnOnce(&Frame<'f, R>) -> R) -> R {
    hook::ensure_installed();
    let mut room = Room::uninit();
    let frame = Frame::new(&mut room);
    let mut call = ManuallyDrop::new(Call { result: None, trouble: None });
    let end = guarded(|| {
        call.result = Some(body(&frame));
        exiting::point();
        frame.run_all(&mut call);
    });
    if let Err(payload) = end {
        settle(&frame, &mut call, R::default, payload);
    }
    frame.close();
    // `settle` leaves no trouble behind, and there was none without it.
    let Call { result, trouble } = ManuallyDrop::into_inner(call);
    std::mem::forget(trouble);
    result.unwrap_or_else(R::default)
}

/// Calls `f`; returns the payload of what leaves it.
#[inline(always)]
fn guarded(f: impl FnOnce()) -> Result<(), Payload> {
    // Nothing is left broken: the panic is raised again, or recovered by the program, which knows its
    // own data.
    catch_unwind(AssertUnwindSafe(f))
}

/// The body, or a deferred call, has panicked or gone: runs the remaining deferred calls and does
/// what is then due. Returns if the function returns.
#[cold]
fn settle<R>(frame: &Frame<'_, R>, call: &mut Call<R>, default: fn() -> R, payload: Payload) {
    super::overflow::recover();
    let trouble = Trouble { default, held: Held::default(), goexit: false };
    let trouble = call.trouble.insert(Box::new(trouble));
    trouble.held.enter();
    trouble.raised(payload);
    while let Err(payload) = guarded(|| frame.run_all_unwinding(call)) {
        call.trouble.as_mut().expect("set above").raised(payload);
    }
    let Trouble { held, goexit, .. } = *call.trouble.take().expect("set above");
    let panic = held.leave();
    if panic.is_some() || goexit {
        frame.close();
        drop(call.result.take());
    }
    if let Some((payload, mut known)) = panic {
        if goexit {
            known.goexit = true;
            exiting::unwinding();
        }
        hook::leaving(&*payload, &mut known);
        known.leave();
        std::panic::resume_unwind(payload);
    }
    if goexit {
        exiting::raise();
    }
}

impl<R> Trouble<R> {
    /// A panic or goexit has left the body or a deferred call.
    fn raised(&mut self, mut payload: Payload) {
        let mut known = Known::take(&mut payload);
        let recovered = self.held.recovered.take();
        let older = self.held.panic.take();
        if exiting::is_exiting(&*payload) {
            // A panic is abandoned by the goexit of its deferred call.
            older.into_iter().for_each(|(older, _)| discard(older));
            self.goexit = true;
            exiting::handling();
            return;
        }
        if known.goexit {
            self.goexit = true;
            exiting::handling();
        }
        known.supersede(recovered, older);
        self.held.panic = Some((payload, known));
    }
}

impl<'f, R> Frame<'f, R> {
    /// A frame without deferred calls. `room` is its own as long as it is used.
    #[inline(always)]
    fn new(room: &mut Room) -> Self {
        let room = room.as_mut_ptr();
        Self {
            last: Cell::new(ptr::null_mut()),
            free: Cell::new(room.cast()),
            end: Cell::new(room.wrapping_add(1).cast()),
            blocks: Cell::new(block::List::EMPTY),
            _calls: PhantomData,
        }
    }

    /// Defers `f`: it is called when the function ends, before what was deferred earlier. What it
    /// captures is evaluated now (Go).
    ///
    /// ```
    /// let order = std::cell::RefCell::new(Vec::new());
    /// gort::func(|f| {
    ///     for i in 0..3 {
    ///         let order = &order;
    ///         f.defer(move |_| order.borrow_mut().push(i));
    ///     }
    /// });
    /// assert_eq!(order.into_inner(), [2, 1, 0]);
    /// ```
    #[inline]
    pub fn defer<F: FnOnce(&mut Deferred<'_, R>) + 'f>(&self, f: F) {
        /// # Safety
        /// `head` is the head of a `Record<R, F>`, and this is its only call.
        unsafe fn call<R, F: FnOnce(&mut Deferred<'_, R>)>(
            head: *mut Head<R>,
            deferred: &mut Deferred<'_, R>,
        ) {
            // SAFETY: the caller's promise. The closure is moved to this stack first.
            let f = unsafe { (&raw const (*head.cast::<Record<R, F>>()).f).read() };
            f(deferred);
        }
        let place = self.reserve(size_of::<Record<R, F>>(), align_of::<Record<R, F>>());
        let record = place.cast::<Record<R, F>>();
        let head = Head { before: self.last.get(), call: call::<R, F> };
        // SAFETY: `reserve` gave memory of this size and alignment that nobody else uses.
        unsafe { record.write(Record { head, f }) };
        self.last.set(record.cast());
    }

    /// Memory for a record.
    #[inline]
    fn reserve(&self, size: usize, align: usize) -> *mut u8 {
        let place = self.free.get().map_addr(|a| a.wrapping_add(align - 1) & !(align - 1));
        let left = self.end.get().addr().checked_sub(place.addr());
        if left.is_some_and(|left| size <= left) {
            self.free.set(place.wrapping_add(size));
            return place;
        }
        self.reserve_slow(size, align)
    }

    #[cold]
    #[inline(never)]
    fn reserve_slow(&self, size: usize, align: usize) -> *mut u8 {
        let mut blocks = self.blocks.take();
        let (free, end) = blocks.add(size + align);
        self.blocks.set(blocks);
        self.free.set(free);
        self.end.set(end);
        self.reserve(size, align)
    }

    /// Takes the record added last.
    #[inline]
    fn pop(&self) -> Option<*mut Head<R>> {
        let last = self.last.get();
        if last.is_null() {
            return None;
        }
        // SAFETY: a record in the list was written by `defer` and lies in the room or in a block
        // of this frame, both of which stay until `close`.
        self.last.set(unsafe { (*last).before });
        Some(last)
    }

    /// Calls what is deferred while nothing unwinds.
    #[inline]
    fn run_all(&self, call: &mut Call<R>) {
        while let Some(head) = self.pop() {
            // SAFETY: as in `pop`; taken from the list, it is called only here.
            unsafe { ((*head).call)(head, &mut Deferred { call: &mut *call }) };
        }
    }

    /// Calls what is deferred after a panic or goexit.
    fn run_all_unwinding(&self, call: &mut Call<R>) {
        while let Some(head) = self.pop() {
            grow::beyond(super::guard::ROOM, || {
                // SAFETY: as in `pop`; taken from the list, it is called only here.
                unsafe { ((*head).call)(head, &mut Deferred { call: &mut *call }) };
            });
            exiting::point();
            // The deferred call has returned: the panic it recovered is over.
            if let Some(trouble) = &mut call.trouble {
                trouble.held.recovered = None;
            }
        }
    }

    /// Gives the blocks back. No record is left.
    #[inline]
    fn close(&self) {
        debug_assert!(self.last.get().is_null());
        let blocks = self.blocks.take();
        if !blocks.is_empty() {
            blocks.give_back();
        }
    }
}

impl<R> Deferred<'_, R> {
    /// Stops the function's panic, if there is one that nobody has recovered yet: the function will
    /// return its [`result`](Self::result) once all its deferred calls have run. `None` if the
    /// function returned, or goexits. Only the panic of this very function can be recovered (Go).
    pub fn recover(&mut self) -> Option<Panic> {
        let trouble = self.call.trouble.as_mut()?;
        let (payload, mut known) = trouble.held.panic.take()?;
        known.pending = None;
        let earlier = known.earlier.take();
        trouble.held.recovered = Some(Box::new(Earlier {
            text: super::value::words_anyway(&*payload),
            recovered: true,
            repanicked: known.repanicked,
            serial: known.serial,
            earlier,
        }));
        known.repanicked = false;
        known.goexit = false;
        Some(Panic::new(payload, known))
    }

    /// The function's result, as Go's named results: what the body returned, if it has; else
    /// `R::default()`. What is written here is what the function returns.
    pub fn result(&mut self) -> &mut R {
        self.call.result.get_or_insert_with(|| match &self.call.trouble {
            Some(trouble) => (trouble.default)(),
            None => unreachable!("without trouble the body has returned"),
        })
    }
}

impl<R> std::fmt::Debug for Frame<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").finish_non_exhaustive()
    }
}

impl<R> std::fmt::Debug for Deferred<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deferred")
            .field("returned", &self.call.trouble.is_none())
            .finish_non_exhaustive()
    }
}
