//! The room outside the scheduler: what it finds here, and a block's life on a plain thread.

use super::*;
use crate::sys::tls as sys;
use std::ffi::c_void;
use std::sync::atomic::AtomicUsize;

fn scheme() -> &'static Scheme {
    start().expect("glibc on x86-64")
}

/// A block on leaked memory.
fn block() -> usize {
    let words = scheme().room() / 16 + 8;
    let memory = Box::leak(vec![0_u128; words].into_boxed_slice());
    let area = memory.as_mut_ptr().expose_provenance().next_multiple_of(128);
    // SAFETY: leaked zeroes, aligned.
    unsafe { scheme().create(area, area - 4096..area) }.expect("memory")
}

/// Runs `f`, which ends normally, with a block that only this thread uses.
fn on(block: usize, mut f: impl FnMut()) {
    let own = own();
    // SAFETY: this thread alone uses the block.
    unsafe { scheme().hand_over(own, block) };
    // SAFETY: as above; the tests' closures end normally.
    unsafe { crate::switch::base::with(block, &mut f) };
    // SAFETY: as above.
    unsafe { scheme().hand_over(block, own) };
}

#[test]
fn a_scheme_is_found() {
    let layout = scheme().layout();
    assert!(scheme().room() >= layout.below + layout.above && scheme().room().is_multiple_of(128));
    assert!((1..=3).contains(&layout.malloc.len()), "{layout:?}");
    assert!(layout.private.keys.is_some() && layout.words.len() > 10, "{layout:?}");
}

#[test]
fn errno_and_identity_are_the_blocks() {
    let (a, b) = (block(), block());
    let set = |value: i32| {
        move || {
            // SAFETY: errno of whoever runs.
            unsafe { sys::errno_place().write(value) };
            assert_eq!(sys::pthread_self(), own());
        }
    };
    let outside = sys::pthread_self();
    on(a, set(11));
    on(b, set(22));
    let mut seen = [0; 2];
    for (block, seen) in [a, b].into_iter().zip(&mut seen) {
        on(block, || {
            // SAFETY: errno of whoever runs.
            *seen = unsafe { sys::errno_place().read() };
        });
    }
    assert_eq!(seen, [11, 22]);
    assert_eq!(sys::pthread_self(), outside);
}

#[test]
fn memory_is_allocated_by_the_thread_that_runs() {
    let (a, b) = (block(), block());
    let mut kept = Vec::new();
    for round in 0..100_usize {
        let mut text = String::new();
        on(if round.is_multiple_of(2) { a } else { b }, || text = format!("{round:>200}"));
        kept.push(text);
    }
    assert!(kept.iter().enumerate().all(|(i, text)| text.trim() == i.to_string()));
}

static DESTROYED: AtomicUsize = AtomicUsize::new(0);

/// # Safety
/// Asks nothing of its argument.
unsafe extern "C" fn add(value: *mut c_void) {
    DESTROYED.fetch_add(value.addr(), Ordering::Relaxed);
}

#[test]
fn values_under_keys_are_destroyed_with_and_without_the_table_of_keys() {
    // More than fit into the block that lies in the descriptor.
    let keys: Vec<sys::Key> = (0..80).filter_map(|_| sys::Key::new(Some(add))).collect();
    let (block, mut without) = (block(), scheme().layout().clone());
    without.private.keys = None;
    let without = Scheme::new(without).expect("a scheme");
    for scheme in [scheme(), &without] {
        DESTROYED.store(0, Ordering::Relaxed);
        on(block, || {
            assert!(keys.iter().all(|key| key.get() == 0 && key.set(key.index() + 1)));
            leave(scheme);
            assert!(keys.iter().all(|key| key.get() == 0));
        });
        let all: usize = keys.iter().map(|key| key.index() + 1).sum();
        assert_eq!(DESTROYED.load(Ordering::Relaxed), all);
    }
}

#[test]
fn a_used_block_is_as_good_as_new() {
    let block = block();
    let mut cancellation = None;
    for _ in 0..2 {
        on(block, || {
            sys::disturb_cancellation();
            leave(scheme());
        });
        // SAFETY: nobody points at the block.
        unsafe { scheme().renew(block) };
        let word = |&at: &usize| sys::peek(block + at).expect("a descriptor's word");
        let now: Vec<usize> = scheme().layout().cancel.iter().map(word).collect();
        assert_eq!(*cancellation.get_or_insert(now.clone()), now);
    }
}

#[test]
fn an_unknown_c_library_is_rehearsed_where_a_crash_does_no_harm() {
    assert!(selftest::in_child(scheme()));
    assert!(!sys::in_child(|| false), "a rehearsal that fails");
    // An illegal instruction, in place of what a wrong layout brings.
    assert!(!sys::in_child(|| std::process::abort()), "a rehearsal that crashes");
}

#[test]
fn a_layout_that_does_not_fit_is_refused() {
    // Ids where the table of keys is: what the rehearsal asks for does not come out.
    let mut wrong = scheme().layout().clone();
    wrong.tid = wrong.stack;
    let wrong = Scheme::new(wrong).expect("a scheme");
    assert!(!selftest::in_child(&wrong));
}
