//! [`Wide`](super::width::Wide) in both widths: no torn numbers, no lost steps, and the two orders
//! that others build on: what was written before is there, and a store-load pair with fences.
//!
//! It is the reader who is spawned: loom runs the spawner first and then looks for the accesses it
//! has to reorder at the *last* access to each word, so reads that come first can be overlooked.

use super::atomic::{AtomicU32, Ordering, fence};
use super::check::{Arc, Plain, check, thread};
use super::wide::Pair;

/// The least number whose successor changes both halves.
const BRINK: u64 = 0xffff_ffff;

macro_rules! models {
    ($width:ident, $wide:ty) => {
        mod $width {
            use super::*;

            #[test]
            fn model_steps_add_up_across_the_carry() {
                check(|| {
                    let wide = Arc::new(<$wide>::new(BRINK - 1));
                    let other = thread::spawn({
                        let wide = wide.clone();
                        move || wide.fetch_add(2, Ordering::Relaxed)
                    });
                    let mine = wide.fetch_add(1, Ordering::Relaxed);
                    let others = other.join().unwrap();
                    assert_eq!(wide.load(Ordering::Relaxed), BRINK + 2);
                    assert!([(BRINK - 1, BRINK), (BRINK + 1, BRINK - 1)].contains(&(mine, others)));
                });
            }

            #[test]
            fn model_a_reader_sees_a_number_that_was_there() {
                check(|| {
                    let wide = Arc::new(<$wide>::new(BRINK));
                    let reader = thread::spawn({
                        let wide = wide.clone();
                        move || [wide.load(Ordering::Relaxed), wide.load(Ordering::Relaxed)]
                    });
                    wide.fetch_add(1, Ordering::Relaxed);
                    wide.store(7, Ordering::Relaxed);
                    let seen = reader.join().unwrap();
                    let place = |n| [BRINK, BRINK + 1, 7].iter().position(|k| *k == n);
                    let places = seen.map(|n| place(n).expect("torn"));
                    assert!(places[0] <= places[1], "back in time: {seen:x?}");
                });
            }

            #[test]
            fn model_what_was_written_before_is_there() {
                check(|| {
                    let shared = Arc::new((<$wide>::new(0), Plain::new(0)));
                    let reader = thread::spawn({
                        let shared = shared.clone();
                        move || shared.0.load(Ordering::Acquire) == 0 || shared.1.get() == 1
                    });
                    shared.1.bump();
                    shared.0.store(BRINK + 1, Ordering::Release);
                    assert!(reader.join().unwrap());
                });
            }

            /// The clock's keeper and who adds a timer (`sched/clock.rs`): one sees the other.
            #[test]
            fn model_of_two_that_store_and_look_one_sees_the_other() {
                check(|| {
                    let shared = Arc::new((<$wide>::new(0), AtomicU32::new(0)));
                    let keeper = thread::spawn({
                        let shared = shared.clone();
                        move || {
                            shared.0.store(BRINK + 1, Ordering::Relaxed);
                            fence(Ordering::SeqCst);
                            shared.1.load(Ordering::Relaxed)
                        }
                    });
                    shared.1.store(1, Ordering::Relaxed);
                    fence(Ordering::SeqCst);
                    let until = shared.0.load(Ordering::Relaxed);
                    let added = keeper.join().unwrap();
                    assert!(until != 0 || added != 0, "each has overlooked the other");
                });
            }
        }
    };
}

#[cfg(target_pointer_width = "64")]
models!(word, super::super::wide::Word);
models!(pair, Pair);
