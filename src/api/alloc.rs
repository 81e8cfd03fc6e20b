//! `Alloc`: a global allocator that keeps its caches by thread, not by goroutine.

use std::alloc::{GlobalAlloc, Layout};

/// Wraps a global allocator that keeps something for each thread in thread-locals (mimalloc, jemalloc,
/// tcmalloc): the wrapped one is called with the OS thread's thread-locals, so that a hundred thousand
/// goroutines do not make it a hundred thousand caches.
///
/// Needed only where goroutines have thread-locals of their own
/// ([`ThreadLocals::PerGoroutine`](crate::ThreadLocals)); a call then costs two more moves of the thread
/// register, about 25 ns. The C library's allocator ([`std::alloc::System`], the default) needs no
/// wrapper: the runtime carries its state from goroutine to goroutine.
///
/// ```
/// use std::alloc::System;
///
/// #[global_allocator]
/// static GLOBAL: gort::Alloc<System> = gort::Alloc::new(System);
///
/// let lengths = gort::run(|| gort::spawn(|| vec![0_u8; 1000].len()).join().unwrap());
/// assert_eq!(lengths, 1000);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Alloc<A>(A);

impl<A> Alloc<A> {
    /// Wraps `allocator`.
    pub const fn new(allocator: A) -> Self {
        Self(allocator)
    }
}

/// Runs `f`, which allocates or frees, with the OS thread's thread-locals.
#[inline]
fn on_the_thread(f: impl FnOnce() -> *mut u8) -> *mut u8 {
    let mut f = Some(f);
    let mut result = std::ptr::null_mut();
    crate::sched::with_the_threads(&mut || {
        if let Some(f) = f.take() {
            result = f();
        }
    });
    result
}

// SAFETY: every call is passed on as it came, to an allocator that keeps the contract.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Alloc<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        on_the_thread(|| unsafe { self.0.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        on_the_thread(|| unsafe { self.0.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        on_the_thread(|| unsafe { self.0.realloc(at, layout, bytes) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        on_the_thread(|| {
            // SAFETY: the caller's promise.
            unsafe { self.0.dealloc(at, layout) };
            at
        });
    }
}
