//! From a closure to a running goroutine: the closure is written below the control block, on the
//! goroutine's own stack, so that spawning onto a dead goroutine allocates nothing.

use super::{GRef, Locals, Start, Stop};
use crate::base::fatal::fatal;
use crate::tls::Scheme;
use std::mem::{align_of, size_of};

/// Closures up to this size are written onto the stack; larger ones go through a `Box`, so that a
/// captured array cannot eat the stack it is meant to run on.
pub(crate) const MAX_INLINE_CLOSURE: usize = 4096;

/// The stack pointer starts aligned to this.
const STACK_ALIGN: usize = 16;

impl GRef {
    /// Makes the dead goroutine ready to run `f` at its first resume. `f` must catch its panics.
    ///
    /// # Safety
    /// The caller holds the goroutine and it is `Dead`; `f` fits ([`MAX_INLINE_CLOSURE`]).
    #[inline]
    pub(crate) unsafe fn prepare<F: FnOnce()>(self, f: F) {
        debug_assert!(size_of::<F>() <= MAX_INLINE_CLOSURE);
        if let Some(scheme) = crate::tls::in_force() {
            self.fit_locals(scheme);
        }
        let align = align_of::<F>().max(STACK_ALIGN);
        let at = (self.as_ptr().as_ptr().addr() - size_of::<F>()) & !(align - 1);
        let closure = self.as_ptr().as_ptr().with_addr(at).cast::<F>();
        // SAFETY: the place is aligned, lies in the slot below the control block, and a dead
        // goroutine has no frames there.
        unsafe { closure.write(f) };
        self.start.set(Some(call::<F>));
        self.closure.set(closure.cast());
        // SAFETY: the caller holds the goroutine, so nobody runs on the context.
        let ctx = unsafe { &mut *self.ctx.get() };
        // SAFETY: `[limit, at)` is the slot's usable memory below the closure.
        unsafe { ctx.prepare(self.slot.limit, at & !(STACK_ALIGN - 1), enter, self.arg()) };
    }

    /// Gives the dead goroutine thread-locals as a new thread has them. Without memory for the few
    /// hundred bytes that are not part of the slot the process ends.
    #[inline(never)]
    fn fit_locals(self, scheme: &Scheme) {
        let mut block = self.block.get();
        if block == 0 {
            let slot = self.slot;
            // SAFETY: the stack room leaves so much above the slot's top to us, aligned as the top is,
            // zero, and for ever.
            let made = unsafe { scheme.create(slot.top, slot.limit..slot.top) };
            block = made.unwrap_or_else(|| {
                fatal(format_args!("out of memory for a goroutine's thread-locals"))
            });
            self.block.set(block);
        } else {
            // SAFETY: the goroutine is dead and the caller's, so nobody points at its block.
            unsafe { scheme.renew(block) };
        }
        self.locals.set(Locals { block, current: scheme.current_in(block) });
        self.left.set(false);
    }

    /// Ends what the goroutine, which runs here, has in its thread-locals: destructors run. Those of
    /// another thread, which a main goroutine uses, are that thread's to end.
    pub(crate) fn leave_locals(self) {
        if let Some(scheme) = crate::tls::in_force()
            && self.locals.get().block == self.block.get()
        {
            crate::tls::leave(scheme);
        }
        self.left.set(true);
    }

    fn arg(self) -> *mut () {
        self.as_ptr().as_ptr().cast()
    }

    /// The address that goroutines of one closure type have in common: where they are started.
    #[inline]
    pub(crate) fn site<F: FnOnce()>() -> usize {
        (call::<F> as *const ()).addr()
    }

    /// The `site` of the closure it runs, or ran last.
    pub(crate) fn start_site(self) -> usize {
        self.start.get().map_or(0, |start| (start as *const ()).addr())
    }
}

/// Calls the closure stored at `closure`.
///
/// # Safety
/// An `F` lies there, and this is the only call for it.
unsafe fn call<F: FnOnce()>(closure: *mut ()) {
    // SAFETY: `prepare::<F>` wrote an F there, and the goroutine starts once per `prepare`.
    let f = unsafe { closure.cast::<F>().read() };
    f();
}

/// First function on a goroutine's stack; its return is the goroutine's end.
///
/// # Safety
/// `g` is the control block that `prepare` passed to the context.
unsafe extern "C" fn enter(g: *mut (), _carrier: usize) -> usize {
    let g = std::ptr::NonNull::new(g.cast::<super::G>()).expect("prepare passed the block");
    // SAFETY: `prepare` passed the address of this goroutine's control block.
    let g = unsafe { GRef::from_ptr(g) };
    // It stays: it tells where the goroutine was started.
    let start: Start = g.start.get().expect("a goroutine is resumed after it was prepared");
    g.fiber.arrive();
    // SAFETY: `start` was made for the closure that `closure` points to.
    unsafe { start(g.closure.get()) };
    g.rest();
    if g.block.get() != 0 && !g.left.get() {
        g.leave_locals();
    }
    g.fiber.leave(true);
    Stop::exited()
}
