//! `gort::stack`: calls on further segments, from goroutines and from plain threads.

use crate::alone::alone;
use crate::support::on_procs;
use gort::stack::{ensure, grow, in_use, limit, remaining, segments};
use gort::{Builder, Config};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sums `n..=1` with a frame of at least half a kilobyte for each, `room` ensured at every level;
/// returns the most segments seen as well.
fn sum(n: u64, room: usize) -> (u64, usize) {
    ensure(room, || {
        let frame = black_box([n; 64]);
        if n == 0 {
            return (0, segments());
        }
        let (below, most) = sum(n - 1, room);
        (frame[black_box(63)] + below, most.max(segments()))
    })
}

/// Passes through `levels` segments, then calls `f`.
fn through<T>(levels: usize, f: &mut dyn FnMut() -> T) -> T {
    if levels == 0 { f() } else { grow(|| through(levels - 1, f)) }
}

/// Counts drops.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default()
}

#[test]
fn a_goroutine_on_a_dense_rung_reaches_its_cap_by_growing() {
    alone("segments::a_goroutine_on_a_dense_rung_reaches_its_cap_by_growing", || {
        let config = Config::new().stack_ladder(&[(usize::MAX, 256 << 10)]);
        let (total, most) = config.run(|| sum(100_000, 16 << 10)).unwrap();
        assert_eq!(total, 100_000 * 100_001 / 2);
        assert!(most > 4, "{most} segments");
    });
}

#[test]
fn figures_add_up() {
    gort::run(|| {
        assert_eq!((limit(), segments()), (1 << 30, 1));
        let (before, left) = (in_use(), remaining());
        assert!(before > 0 && before < 64 << 10 && left > 1 << 29);
        grow(|| {
            assert_eq!((limit(), segments()), (1 << 30, 2));
            assert!(in_use() >= before && in_use() < before + (64 << 10));
            assert!(remaining() > 1 << 28);
            grow(|| assert_eq!(segments(), 3));
            assert_eq!(segments(), 2);
        });
        assert_eq!(segments(), 1);
        ensure(1 << 20, || assert_eq!(segments(), 1, "there was enough"));
    });
}

#[test]
fn what_is_ensured_is_there() {
    for bytes in [0, 1, 4096, 100_000, 1 << 20, (1 << 20) + 1, 5 << 20] {
        for stack in [64 << 10, 1 << 20, 1 << 30] {
            let h = Builder::new().stack_size(stack).spawn(move || {
                // What lies above and below a stack leaves it a little larger than its limit.
                match catch_unwind(|| ensure(bytes, || remaining() >= bytes)) {
                    Ok(enough) => enough && bytes < stack + (32 << 10),
                    Err(_) => bytes > stack - (16 << 10),
                }
            });
            assert!(h.unwrap().join().unwrap(), "{bytes} on {stack}");
        }
    }
}

#[test]
fn the_cap_ends_growth_with_a_panic_that_can_be_caught() {
    for cap in [64 << 10, 1 << 20, 16 << 20] {
        let h = Builder::new().stack_size(cap).spawn(move || {
            let mut deepest = 0;
            let dropped = AtomicUsize::new(0);
            fn dive(deepest: &mut usize, dropped: &AtomicUsize) {
                let _counted = Counted(dropped);
                *deepest = (*deepest).max(in_use());
                grow(|| dive(deepest, dropped));
            }
            let end = catch_unwind(AssertUnwindSafe(|| dive(&mut deepest, &dropped)));
            let payload = end.unwrap_err();
            assert!(message(&*payload).contains("stack overflow"), "{}", message(&*payload));
            assert!(message(&*payload).contains(&format!("{cap}-byte limit")));
            assert!(deepest <= cap && segments() == 1);
            assert!(dropped.load(Ordering::Relaxed) > 0);
            // And on it goes.
            grow(|| 7)
        });
        let end = h.unwrap().join();
        // The smallest stack has no room for a further segment at all.
        assert!(matches!(end, Ok(7)) || cap == 64 << 10 && end.is_err(), "{cap}");
    }
}

#[test]
fn a_panic_passes_segments_and_runs_destructors() {
    gort::run(|| {
        for levels in 1..6 {
            let dropped = AtomicUsize::new(0);
            let end = catch_unwind(AssertUnwindSafe(|| {
                fn dive(levels: usize, dropped: &AtomicUsize) {
                    let _counted = Counted(dropped);
                    match levels {
                        0 => panic!("at the bottom, {} segments", segments()),
                        _ => grow(|| dive(levels - 1, dropped)),
                    }
                }
                dive(levels, &dropped);
            }));
            let payload = end.unwrap_err();
            assert_eq!(message(&*payload), format!("at the bottom, {} segments", levels + 1));
            assert_eq!((dropped.load(Ordering::Relaxed), segments()), (levels + 1, 1));
        }
    });
}

#[test]
fn a_panic_caught_on_a_segment_stays_there() {
    gort::run(|| {
        let after = grow(|| {
            let caught = catch_unwind(|| grow(|| panic!("inside"))).is_err();
            (caught, segments())
        });
        assert_eq!(after, (true, 2));
    });
}

#[test]
fn goroutines_park_and_migrate_on_segments() {
    on_procs(|| {
        let (there, back) = (gort::chan::<usize>(0), gort::chan::<usize>(0));
        let wg = gort::sync::WaitGroup::new();
        for id in 0..40 {
            let (there, back) = (there.clone(), back.clone());
            wg.go(move || {
                through(id % 5, &mut || {
                    for i in 0..20 {
                        gort::runtime::gosched();
                        back.send(there.recv().unwrap() + i);
                        assert_eq!(segments(), id % 5 + 1);
                    }
                });
            });
        }
        let feeder = {
            let there = there.clone();
            gort::spawn(move || (0..800).for_each(|i| there.send(i)))
        };
        let total: usize = (0..800).map(|_| back.recv().unwrap()).sum();
        assert_eq!(total, (0..800).sum::<usize>() + 40 * (0..20).sum::<usize>());
        feeder.join().unwrap();
        wg.wait();
    });
}

#[test]
fn goexit_passes_segments() {
    let dropped = AtomicUsize::new(0);
    gort::run(|| {
        gort::scope(|s| {
            s.spawn(|| {
                through(3, &mut || {
                    let _counted = Counted(&dropped);
                    gort::runtime::goexit()
                })
            });
        });
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn results_and_closures_of_any_size_cross() {
    gort::run(|| {
        let large = black_box([3_u8; 20_000]);
        let back = grow(move || large);
        assert!(back.iter().all(|b| *b == 3));
        assert_eq!(grow(|| ()), ());
        let text = String::from("moved");
        assert_eq!(grow(move || text + " twice"), "moved twice");
    });
}

#[test]
fn a_boundary_crossed_again_and_again_uses_one_segment() {
    gort::run(|| {
        let place = || grow(|| (black_box(&0_u8) as *const u8).addr() >> 20);
        let first = place();
        assert!((0..1000).all(|_| place() == first));
    });
}

#[test]
fn plain_threads_grow_too() {
    let thread = std::thread::Builder::new().stack_size(128 << 10);
    let (total, most) = thread.spawn(|| sum(20_000, 32 << 10)).unwrap().join().unwrap();
    assert_eq!(total, 20_000 * 20_001 / 2);
    assert!(most > 4, "{most} segments");
    let end = std::thread::spawn(|| catch_unwind(|| grow(|| panic!("out"))).is_err()).join();
    assert!(end.unwrap());
    assert!(
        std::thread::spawn(|| limit() == 1 << 30 && remaining() > 0 && in_use() > 0)
            .join()
            .unwrap()
    );
}

#[test]
fn a_backtrace_goes_on_across_segments() {
    #[inline(never)]
    fn outermost_landmark() -> String {
        black_box(through(3, &mut || std::backtrace::Backtrace::force_capture().to_string()))
    }
    let text = gort::run(outermost_landmark);
    assert!(text.contains("outermost_landmark"), "{text}");
}

#[test]
fn the_dump_of_a_goroutine_parked_on_a_segment_shows_who_called() {
    #[inline(never)]
    fn parked_landmark(gate: &gort::Chan<()>) {
        black_box(through(3, &mut || gate.recv()));
    }
    gort::run(|| {
        let gate = gort::chan(0);
        let inside = gate.clone();
        let h = gort::spawn(move || parked_landmark(&inside));
        let mut dump = gort::runtime::stack_dump();
        while !dump.contains("[chan receive]") {
            gort::runtime::gosched();
            dump = gort::runtime::stack_dump();
        }
        assert!(dump.contains("parked_landmark"), "{dump}");
        gate.close();
        h.join().unwrap();
    });
}
