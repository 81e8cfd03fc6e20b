//! Deferring allocates nothing: small records lie in the frame, more of them in a block that the
//! goroutine keeps.

use gort::func;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of `f` in a goroutine that has done it before. The least of several: other threads
/// of the process may allocate meanwhile.
fn allocations(f: impl Fn() + Send + 'static) -> usize {
    let counted = move || {
        f();
        let count = || {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            f();
            ALLOCATIONS.load(Ordering::Relaxed) - before
        };
        (0..100).map(|_| count()).min()
    };
    gort::run(|| gort::spawn(counted).join().expect("nothing panics")).expect("a hundred of them")
}

/// Defers `n` calls, each with a captured word.
fn defers(n: usize) -> usize {
    func(|f| {
        for i in 0..n {
            f.defer(move |d| *d.result() += black_box(i));
        }
        0
    })
}

#[test]
fn few_small_calls_lie_in_the_frame() {
    assert_eq!(allocations(|| assert_eq!(defers(5), 10)), 0);
}

#[test]
fn more_lie_in_the_goroutines_block() {
    assert_eq!(allocations(|| assert_eq!(defers(60), 59 * 30)), 0);
}

#[test]
fn only_what_is_beyond_is_allocated_and_given_back() {
    let blocks = allocations(|| _ = black_box(defers(10_000)));
    // Records of three words in blocks of two KiB.
    assert!((100..200).contains(&blocks), "{blocks}");
}

#[test]
fn nested_functions_and_blocks_allocate_nothing() {
    let nest = || {
        gort::defer! { black_box(()); }
        func::<()>(|f| {
            f.defer(|_| _ = defers(3));
            func::<()>(|g| g.defer(|_| _ = defers(3)));
        });
    };
    assert_eq!(allocations(nest), 0);
}
