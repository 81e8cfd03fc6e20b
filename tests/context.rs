//! What contexts promise: the behaviours that Go's context tests check.

mod common;

use common::at_procs;
use gort::context::{
    Context, ContextError, after_func, background, cause, todo, with_cancel, with_cancel_cause,
    with_deadline, with_timeout, with_value, without_cancel,
};
use gort::sync::WaitGroup;
use gort::{chan, select};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);

fn is_done(ctx: &Context) -> bool {
    let closed = select! { recv(ctx.done()) => true, default => false };
    assert_eq!(closed, ctx.err().is_some());
    closed
}

#[test]
fn roots_are_never_done() {
    for root in [background(), todo()] {
        assert!(root.done().is_nil() && root.err().is_none() && root.deadline().is_none());
        assert!(cause(&root).is_none() && root.value::<u8>().is_none());
    }
    let ctx = with_value(&with_cancel(&background()).0, 1);
    assert_eq!(
        format!("{ctx:?} {}", todo()),
        "context.Background.WithCancel.WithValue context.TODO"
    );
}

#[test]
fn cancel_goes_down_and_not_up() {
    at_procs(|| {
        let (top, cancel_top) = with_cancel(&background());
        let (middle, cancel_middle) = with_cancel(&with_value(&top, 5u8));
        let (low, _keep) = with_timeout(&middle, LONG);
        let apart = without_cancel(&low);
        let waiting = gort::spawn({
            let done = low.done();
            move || done.recv()
        });
        cancel_middle.cancel();
        cancel_middle.clone().cancel();
        assert!(!is_done(&top) && is_done(&middle) && is_done(&low));
        assert_eq!(waiting.join().unwrap(), None);
        assert_eq!(low.err(), Some(ContextError::Canceled));
        assert!(!is_done(&apart) && apart.deadline().is_none());
        assert_eq!(apart.value::<u8>().as_deref(), Some(&5));
        let (late, _keep) = with_cancel(&low);
        assert!(is_done(&late), "born done");
        cancel_top.cancel();
        assert!(is_done(&top));
    });
}

#[test]
fn deadlines_pass_and_the_earliest_counts() {
    at_procs(|| {
        let (ctx, _keep) = with_timeout(&background(), SHORT);
        let (child, _keep) = with_timeout(&ctx, LONG);
        assert_eq!(child.deadline(), ctx.deadline());
        assert_eq!(child.done().recv(), None);
        assert_eq!(child.err(), Some(ContextError::DeadlineExceeded));
        assert_eq!(cause(&child).unwrap().to_string(), "context deadline exceeded");
        let (past, _keep) = with_deadline(&background(), Instant::now());
        assert_eq!(past.err(), Some(ContextError::DeadlineExceeded));
        let (ctx, cancel) = with_timeout(&background(), LONG);
        cancel.cancel();
        assert_eq!(ctx.err(), Some(ContextError::Canceled));
        let (for_ever, _keep) = with_timeout(&background(), Duration::MAX);
        assert!(!is_done(&for_ever));
    });
}

#[test]
fn done_channel_alone_is_enough() {
    at_procs(|| {
        let done = with_timeout(&background(), SHORT).0.done();
        assert_eq!(done.recv(), None);
        let (top, cancel) = with_cancel(&background());
        let done = with_cancel(&top).0.done();
        cancel.cancel();
        assert_eq!(done.recv(), None);
    });
}

/// Go's TestCause, its kinds of cases.
#[test]
fn first_cause_wins() {
    let (top, cancel_top) = with_cancel_cause(&background());
    let (low, cancel_low) = with_cancel_cause(&top);
    assert!(cause(&low).is_none());
    cancel_low.cancel(std::io::Error::other("low"));
    cancel_low.cancel(std::io::Error::other("again"));
    assert!(cause(&top).is_none() && top.err().is_none());
    cancel_top.cancel(std::io::Error::other("top"));
    assert_eq!(cause(&low).unwrap().to_string(), "low");
    assert_eq!(cause(&with_value(&top, ())).unwrap().to_string(), "top");
    assert!(cause(&without_cancel(&top)).is_none());
    let (plain, cancel) = with_cancel(&background());
    cancel.cancel();
    assert_eq!(cause(&plain).unwrap().to_string(), "context canceled");
    let (below, _keep) = with_cancel_cause(&top);
    assert_eq!(cause(&below).unwrap().to_string(), "top");
    assert_eq!(below.err(), Some(ContextError::Canceled));
}

#[test]
fn after_func_runs_unless_stopped() {
    at_procs(|| {
        let (ctx, cancel) = with_cancel(&background());
        let c = chan(2);
        let send = |n| {
            let c = c.clone();
            move || c.send(n)
        };
        let first = after_func(&ctx, send(1));
        let second = after_func(&ctx, send(2));
        assert!(second.stop());
        assert!(!second.stop());
        cancel.cancel();
        assert_eq!(c.recv(), Some(1));
        assert!(!first.stop());
        after_func(&ctx, send(3));
        assert_eq!(c.recv(), Some(3));
        assert!(after_func(&background(), send(4)).stop());
        assert!(c.try_recv().is_err());
    });
}

#[test]
fn ten_thousand_children_end_with_their_parent_or_before() {
    at_procs(|| {
        let (top, cancel) = with_cancel(&background());
        let alive = Arc::new(());
        let mut chain = top.clone();
        let mut all = Vec::new();
        for i in 0..10_000 {
            let (ctx, _) = with_cancel(if i % 2 == 0 { &top } else { &chain });
            let ctx = with_value(&ctx, alive.clone());
            chain = ctx.clone();
            all.push(ctx);
        }
        drop(all.split_off(5_000));
        cancel.cancel();
        assert!(all.iter().all(is_done) && is_done(&chain));
        drop((all, chain));
        assert_eq!(Arc::strong_count(&alive), 1, "nothing is left of them");
    });
}

/// Go's TestLayersCancel and TestLayersTimeout: random layers of values, cancellations and deadlines;
/// every value is found, and when one layer is cancelled all above it are done, and none below.
#[test]
fn layers_are_done_from_one_upwards() {
    struct Layer(usize);
    at_procs(|| {
        for seed in 1..40u64 {
            let mut rng = seed;
            let mut next = |n: u64| {
                rng = rng
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (rng >> 33) % n
            };
            let (mut layers, mut cancels) = (vec![background()], Vec::new());
            let mut last_value = None;
            for _ in 0..10 + next(20) {
                let top = layers.last().unwrap();
                let layer = match next(4) {
                    0 => {
                        last_value = Some(layers.len());
                        with_value(top, Layer(layers.len()))
                    }
                    1 => {
                        let (ctx, cancel) = with_cancel(top);
                        cancels.push((layers.len(), cancel));
                        ctx
                    }
                    2 => with_deadline(top, Instant::now() + LONG).0,
                    _ => with_timeout(top, LONG * 2).0,
                };
                layers.push(layer);
            }
            let top = layers.last().unwrap();
            assert_eq!(top.value::<Layer>().map(|layer| layer.0), last_value);
            assert!(!layers.iter().any(is_done));
            let waiter = gort::spawn({
                let (top, sure) = (top.clone(), !cancels.is_empty());
                move || sure.then(|| top.done().recv())
            });
            if !cancels.is_empty() {
                let (at, cancel) = &cancels[next(cancels.len() as u64) as usize];
                cancel.cancel();
                for (i, layer) in layers.iter().enumerate() {
                    assert_eq!(is_done(layer), i >= *at, "layer {i} of {}", layers.len());
                }
            }
            waiter.join().unwrap();
        }
    });
}

/// Go's TestContextErrDoneRace, TestSimultaneousCancels.
#[test]
fn racing_cancels_agree() {
    at_procs(|| {
        for _ in 0..50 {
            let (top, cancel) = with_cancel(&background());
            let wg = WaitGroup::new();
            for i in 0..8u64 {
                let top = top.clone();
                let cancel = cancel.clone();
                wg.go(move || {
                    let (ctx, own) = with_timeout(&top, Duration::from_micros(i * 20));
                    if i == 3 {
                        cancel.cancel();
                    }
                    if i == 5 {
                        own.cancel();
                    }
                    while ctx.err().is_none() {
                        gort::runtime::gosched();
                    }
                    assert!(is_done(&ctx) && cause(&ctx).is_some());
                });
            }
            wg.wait();
        }
    });
}
