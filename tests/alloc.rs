//! `gort::Alloc`: an allocator that keeps something for each thread sees threads, not goroutines.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the copies of its thread-local that have been used.
struct Caches;

static CACHES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SEEN: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Caches {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !SEEN.replace(true) {
            CACHES.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static GLOBAL: gort::Alloc<Caches> = gort::Alloc::new(Caches);

#[test]
fn a_thousand_goroutines_are_a_handful_of_caches() {
    gort::run(|| {
        let gate = gort::chan::<()>(0);
        let handles: Vec<_> = (0..1000)
            .map(|i| {
                let gate = gate.clone();
                gort::spawn(move || {
                    let text = format!("{i}");
                    let _ = gate.recv();
                    text.len()
                })
            })
            .collect();
        while gort::runtime::num_goroutine() < 1001 {
            gort::runtime::gosched();
        }
        gate.close();
        let all: usize = handles.into_iter().map(|h| h.join().unwrap()).sum();
        assert_eq!(all, 10 + 90 * 2 + 900 * 3);
    });
    let caches = CACHES.load(Ordering::Relaxed);
    assert!(caches < 100, "{caches} caches");
}
