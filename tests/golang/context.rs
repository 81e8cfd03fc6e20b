//! What `context/x_test.go` and `afterfunc_test.go` ask beside what `tests/context.rs` has.

use crate::support::{on_procs, scaled};
use gort::context::{
    self, Context, ContextError, after_func, background, cause, with_cancel, with_cancel_cause,
    with_timeout, with_value, without_cancel,
};
use gort::sync::WaitGroup;
use gort::{chan, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, PartialEq)]
struct Key(u32);

/// TestInterlockedCancels: a child that is cancelled because of its parent may cancel itself meanwhile.
#[test]
fn cancels_do_not_lock_each_other_out() {
    on_procs(|| {
        for _ in 0..scaled(50, 500) {
            let (parent, cancel_parent) = with_cancel(&background());
            let (child, cancel_child) = with_cancel(&parent);
            go({
                let parent = parent.clone();
                move || {
                    assert_eq!(parent.done().recv(), None);
                    cancel_child.cancel();
                }
            });
            cancel_parent.cancel();
            assert_eq!(child.done().recv(), None);
        }
    });
}

/// TestParentFinishesChild, TestWithCancelCanceledParent, TestInvalidDerivedFail: whatever the child is, it ends
/// with its parent, also one that is made afterwards; and it keeps the values.
#[test]
fn a_parent_ends_what_is_derived_from_it() {
    on_procs(|| {
        let (parent, cancel) = with_cancel(&background());
        let kinds: [fn(&Context) -> Context; 4] = [
            |ctx| with_cancel(ctx).0,
            |ctx| with_timeout(ctx, LONG).0,
            |ctx| with_value(ctx, Key(7)),
            |ctx| with_cancel_cause(&with_value(ctx, Key(8))).0,
        ];
        let before = kinds.map(|derive| derive(&parent));
        assert!(before.iter().all(|ctx| ctx.err().is_none()));
        cancel.cancel();
        let after = kinds.map(|derive| derive(&parent));
        for ctx in before.iter().chain(&after) {
            assert_eq!(ctx.done().recv(), None);
            assert_eq!(ctx.err(), Some(ContextError::Canceled));
        }
        assert_eq!(after[3].value::<Key>().as_deref(), Some(&Key(8)));
    });
}

/// TestWithoutCancel: values come through, ends and deadlines do not.
#[test]
fn without_cancel_keeps_the_values_only() {
    let (parent, cancel) = with_timeout(&with_value(&background(), Key(1)), LONG);
    let free = without_cancel(&parent);
    cancel.cancel();
    assert!(free.err().is_none() && free.deadline().is_none() && cause(&free).is_none());
    assert!(free.done().is_nil());
    assert_eq!(free.value::<Key>().as_deref(), Some(&Key(1)));
}

/// TestCauseRace: who sees the end sees its cause.
#[test]
fn an_end_is_never_seen_without_its_cause() {
    on_procs(|| {
        for _ in 0..scaled(50, 500) {
            let (ctx, cancel) = with_cancel_cause(&background());
            go(move || cancel.cancel(std::io::Error::other("because")));
            while ctx.err().is_none() {
                assert!(cause(&ctx).is_none_or(|cause| cause.to_string() == "because"));
                gort::runtime::gosched();
            }
            assert_eq!(cause(&ctx).expect("it has ended").to_string(), "because");
        }
    });
}

/// TestAfterFuncCalledAsynchronously and ...CalledImmediately: it runs in a goroutine of its own, also if the
/// context has ended already; who calls after_func is not held up by it.
#[test]
fn after_func_holds_up_nobody() {
    on_procs(|| {
        let (ctx, cancel) = with_cancel(&background());
        let (early, late) = (chan(0), chan(0));
        after_func(&ctx, {
            let early = early.clone();
            move || early.send(1)
        });
        cancel.cancel(); // returns although nobody receives yet
        after_func(&ctx, {
            let late = late.clone();
            move || late.send(2)
        });
        assert_eq!((late.recv(), early.recv()), (Some(2), Some(1)));
    });
}

/// TestAfterFuncCalledAfterTimeout and ...NotCalledAfterStop, raced: exactly one of the stop and the call happens.
#[test]
fn after_func_is_stopped_or_called() {
    on_procs(|| {
        let (called, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (wg, all) = (WaitGroup::new(), scaled(100, 1000));
        for i in 0..all {
            let (called, stopped, calls) = (called.clone(), stopped.clone(), wg.clone());
            wg.go(move || {
                let (ctx, _keep) =
                    with_timeout(&background(), Duration::from_micros(i as u64 % 50));
                calls.add(1);
                let call = after_func(&ctx, {
                    let calls = calls.clone();
                    move || {
                        called.fetch_add(1, Ordering::Relaxed);
                        calls.done();
                    }
                });
                gort::time::sleep(Duration::from_micros(25));
                if call.stop() {
                    stopped.fetch_add(1, Ordering::Relaxed);
                    calls.done();
                }
                assert!(!call.stop(), "at most once");
            });
        }
        wg.wait();
        assert_eq!(called.load(Ordering::Relaxed) + stopped.load(Ordering::Relaxed), all);
    });
}

/// TestBackground, TestTODO.
#[test]
fn roots_have_nothing() {
    for root in [background(), context::todo()] {
        assert!(root.err().is_none() && root.deadline().is_none() && root.done().is_nil());
        assert!(root.value::<Key>().is_none());
    }
}
