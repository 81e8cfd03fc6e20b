//! Targets where the thread register or the C library's layout cannot be had: there is no scheme, and
//! goroutines are pinned to their threads.

use std::ops::Range;

/// There is none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scheme {}

/// A thread whose block the kernel does not write to: there is none.
#[derive(Debug)]
pub(crate) enum Detached {}

impl Detached {
    pub(crate) fn attach(self) {
        match self {}
    }
}

/// Says why not.
///
/// # Errors
/// Always.
pub(crate) fn start() -> Result<&'static Scheme, &'static str> {
    Err("goroutines cannot have thread-locals of their own on this platform")
}

/// The block that the thread register points at, where that can be asked.
pub(crate) fn own() -> usize {
    0
}

/// # Safety
/// Never called: there is no block to point at.
pub(crate) unsafe fn point_at(_block: usize) {}

/// Nobody has said where they are.
#[cfg(debug_assertions)]
pub(crate) fn statics() -> Option<Range<usize>> {
    None
}

/// # Safety
/// Never called: there is no block to point at.
pub(crate) unsafe fn with(_block: usize, f: &mut dyn FnMut()) {
    f();
}

pub(crate) fn leave(scheme: &Scheme) {
    match *scheme {}
}

impl Scheme {
    pub(crate) fn room(&self) -> usize {
        match *self {}
    }

    /// # Safety
    /// There is no scheme to call it on.
    pub(crate) unsafe fn create(&self, _area: usize, _stack: Range<usize>) -> Option<usize> {
        match *self {}
    }

    /// # Safety
    /// There is no scheme to call it on.
    pub(crate) unsafe fn renew(&self, _tp: usize) {
        match *self {}
    }

    /// # Safety
    /// There is no scheme to call it on.
    pub(crate) unsafe fn hand_over(&self, _from: usize, _to: usize) {
        match *self {}
    }

    pub(crate) fn current_is_at(&self, _addr: usize) {
        match *self {}
    }

    pub(crate) fn current_in(&self, _block: usize) -> usize {
        match *self {}
    }

    pub(crate) fn detach_kernel(&self) -> Option<Detached> {
        match *self {}
    }
}
