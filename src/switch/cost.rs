//! What a switch costs without a scheduler, for `benches/switch_cost`: the rooms are private, so
//! this is the door through which it reaches both backends. Nothing in the runtime calls it.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One resume and one suspend of a backend, as often as asked. A macro and not a trait: the calls
/// must be as concrete as the runtime's, so that the compiler inlines the same things.
macro_rules! pairs {
    ($backend:ident) => {{
        use crate::switch::$backend::Context;

        /// # Safety
        /// `arg` is the context it runs on.
        unsafe extern "C" fn bounce(arg: *mut (), mut word: usize) -> usize {
            // SAFETY: `prepare` below was given a pointer to the context, which outlives its run.
            let context = unsafe { &*arg.cast::<Context>() };
            loop {
                // SAFETY: this function runs on the context.
                word = unsafe { context.suspend(word + 1) };
            }
        }

        |n: u64| {
            const STACK: usize = 64 << 10;
            // On the heap and never moved, because the context's stack refers to both.
            let mut stack = vec![0_u128; STACK / size_of::<u128>()];
            let mut context = Box::new(Context::empty());
            let limit = stack.as_mut_ptr().addr();
            let itself: *mut Context = &raw mut *context;
            // SAFETY: the memory is ours alone and aligned for u128; `bounce` needs a few words
            // of it, so no guard is needed; both boxes outlive the last resume.
            unsafe { context.prepare(limit, limit + STACK, bounce, itself.cast()) };
            let begin = Instant::now();
            let mut word = 0;
            for _ in 0..n {
                // SAFETY: prepared above, suspended since the last resume, and of this thread only.
                word = unsafe { context.resume(word) };
            }
            let elapsed = begin.elapsed();
            black_box(word);
            elapsed
        }
    }};
}

/// Time for `n` times one resume and one suspend with corosensei.
#[must_use]
pub fn raw_switch_corosensei(n: u64) -> Duration {
    pairs!(portable)(n)
}

/// Time for `n` times one resume and one suspend with `arch/`; `None` where it has no file for the
/// target.
#[must_use]
pub fn raw_switch_native(n: u64) -> Option<Duration> {
    #[cfg(gort_arch)]
    let elapsed = Some(pairs!(native)(n));
    #[cfg(not(gort_arch))]
    let elapsed = Some(n).and(None);
    elapsed
}
