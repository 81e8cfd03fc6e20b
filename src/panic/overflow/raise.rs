//! Raising the panic of an overflow, and closing the reserve when it has been caught.
//!
//! The panic is an ordinary one. What is needed beyond that is to know when the unwind arrives: a
//! `catch_unwind` is none of ours, and by the time it has returned the stack may be deep again. So
//! the unwind is watched. It is stopped when it leaves the function that panicked, and goes on as a
//! *forced* one, which asks us at each frame. At the frame that catches, known from the check before
//! the panic was raised, everything below is gone: the reserve is closed from a frame that is put
//! where the callee of the catching one was, and the unwind goes on from there as the ordinary one it
//! was.

use super::message;
use crate::g::GRef;
use crate::sched::cap;
use crate::sched::current::current;
use crate::switch::inject::{self, Exception, Frame};
use std::ffi::c_void;

/// A watched unwind.
struct Watched {
    g: GRef,
    /// The catching frame's stack pointer.
    catch: usize,
}

pub(super) const HANDS: inject::Hands = inject::Hands { raise, unwinding, settled };

fn goroutine() -> GRef {
    current().and_then(|m| m.curg()).expect("a goroutine's stack has ended")
}

/// Called as if by the code whose callee did not fit.
extern "C-unwind" fn raise() -> ! {
    let g = goroutine();
    let message = message(g);
    cap::promote(g);
    std::panic::panic_any(message)
}

/// The unwind has left `raise`.
///
/// # Safety
/// `exception` is the one under way.
unsafe extern "C-unwind" fn unwinding(exception: *mut Exception) -> ! {
    let g = goroutine();
    let catch = g.strain().catch.get();
    let watched = Box::into_raw(Box::new(Watched { g, catch }));
    // SAFETY: called by the injected frame, with the exception that came there.
    unsafe { inject::force(exception, stop, watched.cast()) };
    crate::base::fatal::fatal(format_args!("gort: a checked stack cannot be unwound"))
}

/// Asked at each frame.
///
/// # Safety
/// Called by the unwinder with the `Watched` of `unwinding`.
unsafe extern "C-unwind" fn stop(
    _version: i32,
    _actions: i32,
    _class: u64,
    exception: *mut Exception,
    frame: *mut Frame,
    watched: *mut c_void,
) -> i32 {
    // SAFETY: boxed in `unwinding`, freed in `settled`.
    let arrived = unsafe { (*watched.cast::<Watched>()).catch };
    // SAFETY: the unwinder's own frame.
    if unsafe { inject::stack_pointer(frame) } == arrived {
        // SAFETY: this is the catching frame, so all below it has been unwound.
        unsafe { inject::settle(frame, exception, watched) };
    }
    0
}

/// All frames below the catching one are gone.
///
/// # Safety
/// As `stop`; called once.
unsafe extern "C-unwind" fn settled(exception: *mut Exception, watched: *mut c_void) {
    // SAFETY: boxed in `unwinding`, and nobody looks at it after this.
    let Watched { g, catch } = *unsafe { Box::from_raw(watched.cast::<Watched>()) };
    // SAFETY: the exception under way. It is no longer forced, and its handler is this one: what
    // the unwinder itself wrote there when the panic was raised.
    unsafe {
        (*exception).private_1 = 0;
        (*exception).private_2 = catch;
    }
    g.strain().unwinding.update(|n| n.saturating_sub(1));
    let slot = g.stack();
    if (slot.base..slot.top).contains(&catch) {
        super::policy::close(g, slot, catch);
    }
}
