//! What a context switch costs: one resume + suspend, for both backends.
//!
//! The rooms of the crate are private, so the two backends are compiled in here once more.
//! `one` resumes the same context again and again, `eight` eight in turn; `deep` has the context
//! suspend two calls below its loop, as a goroutine does that blocks in a library, which is where
//! the return-address predictor starts to matter. With a backend's name as the only argument
//! (`native`, `portable`) and a count, it makes so many pairs and prints nothing: for callgrind.

use std::hint::black_box;
use std::time::Instant;

/// What the room asks of a lower one.
#[cfg(not(target_arch = "x86_64"))]
mod sys {
    pub(crate) mod thread {
        pub(crate) fn has_shadow_stack() -> bool {
            false
        }
    }
}

#[path = "../src/switch"]
mod switch {
    pub(crate) type Entry = unsafe extern "C" fn(arg: *mut (), word: usize) -> usize;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Saved {
        pub(crate) pc: usize,
        pub(crate) sp: usize,
        pub(crate) fp: usize,
    }

    #[allow(dead_code)]
    #[cfg(gort_arch)]
    #[path = "native.rs"]
    pub(crate) mod native;
    #[allow(dead_code)]
    #[path = "portable.rs"]
    pub(crate) mod portable;
    #[allow(dead_code)]
    #[cfg(gort_arch)]
    #[path = "shadow.rs"]
    mod shadow;

    #[cfg(gort_arch)]
    mod arch {
        #![allow(bad_asm_style)]
        core::arch::global_asm!(include_str!(env!("GORT_ARCH_FILE")), options(raw));
    }
}

const STACK: usize = 64 << 10;
const PAIRS: usize = 5_000_000;

/// The timing functions for one backend. A macro and not a trait: the call sites must be as
/// concrete as the runtime's, so that the compiler sees the same inlining.
macro_rules! backend {
    ($name:ident) => {
        mod $name {
            use super::switch::$name::Context;
            use super::*;

            #[inline(never)]
            unsafe fn inner(context: &Context, word: usize) -> usize {
                // SAFETY: called on this context by `deep`.
                black_box(unsafe { context.suspend(word) })
            }

            #[inline(never)]
            unsafe fn outer(context: &Context, word: usize) -> usize {
                // SAFETY: as `inner`.
                black_box(unsafe { inner(context, word) })
            }

            unsafe extern "C" fn flat(arg: *mut (), mut word: usize) -> usize {
                // SAFETY: `contexts` passes the context itself.
                let context = unsafe { &*arg.cast::<Context>() };
                loop {
                    // SAFETY: this runs on the context.
                    word = unsafe { context.suspend(word + 1) };
                }
            }

            unsafe extern "C" fn deep(arg: *mut (), mut word: usize) -> usize {
                // SAFETY: `contexts` passes the context itself.
                let context = unsafe { &*arg.cast::<Context>() };
                loop {
                    // SAFETY: this runs on the context.
                    word = unsafe { outer(context, word + 1) };
                }
            }

            /// Eight contexts that run `entry`; they and their stacks are never freed.
            fn contexts(entry: switch::Entry) -> Vec<*mut Context> {
                let make = |_| {
                    let limit = Box::leak(vec![0u128; STACK / 16].into_boxed_slice());
                    let limit = limit.as_mut_ptr() as usize;
                    let context = Box::into_raw(Box::new(Context::empty()));
                    // SAFETY: leaked memory stays, and the entries need little of it.
                    unsafe { (*context).prepare(limit, limit + STACK, entry, context.cast()) };
                    context
                };
                (0..8).map(make).collect()
            }

            pub(super) fn pairs(contexts: &[*mut Context], pairs: usize) {
                let mut word = 0;
                for _ in 0..pairs / contexts.len() {
                    for context in contexts {
                        // SAFETY: the context is suspended; only this thread uses it.
                        word = unsafe { (**context).resume(word) };
                    }
                }
                black_box(word);
            }

            pub(super) fn count(pairs: usize) {
                self::pairs(&contexts(flat)[..1], pairs);
            }

            pub(super) fn report() {
                for (shape, entry) in [("flat", flat as switch::Entry), ("deep", deep)] {
                    let contexts = contexts(entry);
                    for (name, some) in [("one", &contexts[..1]), ("eight", &contexts[..])] {
                        let best = (0..5)
                            .map(|_| {
                                let start = Instant::now();
                                pairs(some, PAIRS);
                                start.elapsed().as_secs_f64() / PAIRS as f64 * 1e9
                            })
                            .fold(f64::INFINITY, f64::min);
                        println!("{:9} {shape} {name:6} {best:6.2} ns", stringify!($name));
                    }
                }
            }
        }
    };
}

#[cfg(gort_arch)]
backend!(native);
backend!(portable);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let count = arguments.get(2).and_then(|n| n.parse().ok());
    match (arguments.get(1).map(String::as_str), count) {
        #[cfg(gort_arch)]
        (Some("native"), Some(count)) => native::count(count),
        (Some("portable"), Some(count)) => portable::count(count),
        _ => {
            #[cfg(gort_arch)]
            native::report();
            portable::report();
        }
    }
}
