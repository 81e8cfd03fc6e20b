//! What happens around an overflow: who catches it, what comes after it, what it is not.

use crate::tally::Tally;
use gort::{Builder, chan, func, go, spawn};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

const KIB: usize = 1 << 10;

#[expect(unconditional_recursion, reason = "it is to overflow")]
#[inline(never)]
pub(crate) fn forever(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    let mut room = [n; 9];
    black_box(&mut room);
    forever(t, n + 1) + room[2]
}

/// Runs `f` in a goroutine with a small stack.
fn on_a_small_stack<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let start = || Builder::new().stack_size(256 * KIB).spawn(f).expect("a stack").join();
    gort::run(start).expect("it ends well")
}

#[test]
fn a_deferred_call_recovers_it() {
    on_a_small_stack(|| {
        let t = Tally::new();
        for _ in 0..50 {
            let text = func(|f| {
                f.defer(|d| {
                    let p = d.recover().expect("it overflows");
                    *d.result() = p.message().to_owned();
                });
                forever(t, 0).to_string()
            });
            assert!(text.contains("stack overflow: goroutine stack exceeds 262144-byte limit"));
        }
        assert_eq!(t.made(), t.dropped());
    });
}

#[test]
fn the_goroutine_goes_on_living() {
    on_a_small_stack(|| {
        let c = chan(0);
        for round in 0..20 {
            let t = Tally::new();
            assert!(catch_unwind(|| forever(t, 0)).is_err());
            assert!(!std::thread::panicking());
            let d = c.clone();
            go(move || d.send(round));
            assert_eq!(c.recv(), Some(round));
            gort::runtime::gosched();
        }
    });
}

/// Hundreds of times with nothing but the standard library in between: the guard is armed again.
#[test]
fn the_guard_is_armed_again() {
    on_a_small_stack(|| {
        let t = Tally::new();
        let mut deepest = Vec::new();
        for _ in 0..300 {
            let before = t.made();
            assert!(catch_unwind(|| forever(t, 0)).is_err());
            assert_eq!(t.made(), t.dropped());
            deepest.push(t.made() - before);
        }
        let (least, most) = (deepest.iter().min().unwrap(), deepest.iter().max().unwrap());
        assert!(most - least < most / 10, "the stack ended at {least} to {most} levels");
    });
}

#[test]
fn many_goroutines_overflow_at_once() {
    gort::run(|| {
        let start = |_| {
            let body = || {
                (0..3).for_each(|_| {
                    let t = Tally::new();
                    assert!(catch_unwind(|| forever(t, 0)).is_err());
                    assert_eq!(t.made(), t.dropped());
                    gort::runtime::gosched();
                });
            };
            Builder::new().stack_size(256 * KIB).spawn(body).expect("a stack")
        };
        let all: Vec<_> = (0..12).map(start).collect();
        all.into_iter().for_each(|h| h.join().expect("all caught"));
    });
}

/// A destructor that overflows while another panic unwinds, and keeps that to itself.
#[test]
fn in_a_destructor_during_a_panic() {
    struct Deep(&'static Tally);
    impl Drop for Deep {
        fn drop(&mut self) {
            let t = self.0;
            assert!(catch_unwind(|| forever(t, 0)).is_err());
        }
    }
    on_a_small_stack(|| {
        let t = Tally::new();
        for _ in 0..10 {
            let end = catch_unwind(|| {
                let _deep = Deep(t);
                panic!("on the way");
            });
            let payload: Box<dyn std::any::Any + Send> = end.expect_err("it panics");
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"on the way"));
            assert!(!std::thread::panicking());
        }
        assert_eq!(t.made(), t.dropped());
    });
}

/// Destructors of an overflow's unwind that overflow in their turn, near the stack's end.
#[test]
fn in_a_destructor_during_an_overflow() {
    struct Deep(&'static Tally, bool);
    impl Drop for Deep {
        fn drop(&mut self) {
            let t = self.0;
            if self.1 {
                assert!(catch_unwind(|| forever(t, 0)).is_err());
            }
        }
    }
    #[expect(unconditional_recursion, reason = "it is to overflow")]
    fn level(t: &'static Tally, n: usize) -> usize {
        let _guard = t.guard();
        // Far enough from the end, and again further up.
        let _deep = Deep(t, n % 200 == 100 && n < 600);
        level(t, n + 1) + black_box(n)
    }
    on_a_small_stack(|| {
        let t = Tally::new();
        assert!(catch_unwind(|| level(t, 0)).is_err());
        assert_eq!(t.made(), t.dropped());
    });
}

#[test]
fn a_main_goroutine_gets_it_out_of_run() {
    let t = Tally::new();
    let end = catch_unwind(|| gort::run(|| gort::stack::grow(|| forever_on(t))));
    let payload = end.expect_err("it overflows");
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(text.contains("stack overflow"), "{text}");
    assert_eq!(t.made(), t.dropped());
}

/// Overflows in large frames, so that the largest stack does not take long.
#[expect(unconditional_recursion, reason = "it is to overflow")]
#[inline(never)]
fn forever_on(t: &'static Tally) -> usize {
    let _guard = t.guard();
    let mut room = std::mem::MaybeUninit::<[u8; 60_000]>::uninit();
    black_box(room.as_mut_ptr());
    let r = forever_on(t);
    black_box(room.as_mut_ptr());
    r + 1
}

/// On a further segment: it is left on the way.
#[test]
fn on_a_further_segment() {
    gort::run(|| {
        let body = || {
            for _ in 0..10 {
                let t = Tally::new();
                let end = catch_unwind(|| gort::stack::grow(|| forever(t, 0)));
                assert!(end.is_err());
                assert_eq!(t.made(), t.dropped());
                assert_eq!(gort::stack::segments(), 1);
                let end = catch_unwind(|| {
                    let _guard = t.guard();
                    gort::stack::grow(|| gort::stack::ensure(100 * KIB, || forever(t, 0)))
                });
                assert!(end.is_err());
                assert_eq!(t.made(), t.dropped());
            }
        };
        Builder::new().stack_size(1 << 20).spawn(body).expect("a stack").join().expect("caught");
    });
}

#[test]
fn it_is_what_join_returns() {
    gort::run(|| {
        let t = Tally::new();
        let h = Builder::new().stack_size(100 * KIB).spawn(|| forever(t, 0)).expect("a stack");
        let text = h.join().expect_err("it overflows").downcast::<String>().expect("a text");
        assert!(text.starts_with("stack overflow: goroutine stack exceeds 131072-byte"), "{text}");
        assert_eq!(t.made(), t.dropped());
        assert_eq!(spawn(|| 7).join().expect("others go on"), 7);
    });
}

/// A panic that is none of ours, at the very end of the stack.
#[test]
fn other_panics_near_the_end() {
    fn down(t: &'static Tally, left: usize) -> usize {
        let _guard = t.guard();
        let mut room = [left; 5];
        black_box(&mut room);
        if gort::stack::remaining() < left {
            std::panic::resume_unwind(Box::new(left));
        }
        down(t, left) + room[1]
    }
    on_a_small_stack(|| {
        for left in (64..6000).step_by(48) {
            let t = Tally::new();
            let end = catch_unwind(AssertUnwindSafe(|| down(t, left)));
            assert!(end.is_err());
            assert!(!std::thread::panicking(), "with {left} bytes left");
            assert_eq!(t.made(), t.dropped());
        }
    });
}
