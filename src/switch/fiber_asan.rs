//! The switch as AddressSanitizer sees it: each side says before it leaves where the other stack lies,
//! and when it is back that it is. The runtime's functions keep a *fake stack* for each side (locals
//! that are watched after their function's return); a side that does not come again gives its up.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr;

unsafe extern "C" {
    fn __sanitizer_start_switch_fiber(save: *mut *mut c_void, bottom: *const c_void, size: usize);
    fn __sanitizer_finish_switch_fiber(
        saved: *mut c_void,
        bottom: *mut *const c_void,
        size: *mut usize,
    );
    fn __asan_handle_no_return();
}

/// What is known of the other side of a switch.
#[derive(Debug)]
pub(crate) struct Fiber {
    /// The fake stack of this fiber while it is away; null before its start.
    own: Cell<*mut c_void>,
    /// The stack it was resumed from.
    from: Cell<(*const c_void, usize)>,
}

/// The fake stack of the resuming side while it is away.
#[derive(Debug)]
pub(crate) struct Host(*mut c_void);

impl Fiber {
    pub(crate) const fn new() -> Self {
        Self { own: Cell::new(ptr::null_mut()), from: Cell::new((ptr::null(), 0)) }
    }

    /// On the resuming side, before it goes to the stack `[limit, top)`.
    #[inline(always)]
    pub(crate) fn go(&self, limit: usize, top: usize) -> Host {
        let mut host = Host(ptr::null_mut());
        let bottom = ptr::without_provenance(limit);
        // SAFETY: the caller switches to that stack next.
        unsafe { __sanitizer_start_switch_fiber(&raw mut host.0, bottom, top - limit) };
        host
    }

    /// On the resuming side, when it is back.
    #[inline(always)]
    pub(crate) fn back(&self, host: Host) {
        // SAFETY: the switch that `go` announced is over, and so is the one back.
        unsafe { __sanitizer_finish_switch_fiber(host.0, ptr::null_mut(), ptr::null_mut()) };
    }

    /// On the resuming side, after [`back`](Self::back), from a call that may have been left by an
    /// unwind: what begins one has marked the frames of its own stack as gone, not those here.
    #[inline(always)]
    pub(crate) fn unwinds() {
        if std::thread::panicking() {
            // SAFETY: marks the frames of this stack, from here outwards, as memory like any other.
            unsafe { __asan_handle_no_return() };
        }
    }

    /// On the other side, when it gets there.
    #[inline(always)]
    pub(crate) fn arrive(&self) {
        let (mut bottom, mut size) = (ptr::null(), 0);
        let own = self.own.replace(ptr::null_mut());
        // SAFETY: the switch that `go` announced has just happened.
        unsafe { __sanitizer_finish_switch_fiber(own, &raw mut bottom, &raw mut size) };
        self.from.set((bottom, size));
    }

    /// On the other side, before it leaves; `for_good`: it does not come again.
    #[inline(always)]
    pub(crate) fn leave(&self, for_good: bool) {
        let (bottom, size) = self.from.get();
        let save = if for_good { ptr::null_mut() } else { self.own.as_ptr() };
        // SAFETY: the caller switches back to where it was resumed from next.
        unsafe { __sanitizer_start_switch_fiber(save, bottom, size) };
    }
}
