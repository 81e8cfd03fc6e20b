//! Deep stacks: demand paging is the growth, stacks are used again, work goes on at every depth.

use crate::support::{on_procs, scaled};
use gort::runtime::gosched;
use gort::sync::WaitGroup;
use gort::{chan, go, spawn};
use std::hint::black_box;
use std::time::Duration;

/// One level uses at least a KiB; every level's memory is checked on the way back.
fn recurse(depth: usize, at: &mut dyn FnMut(usize)) -> usize {
    let mut frame = [depth; 128];
    black_box(&mut frame);
    at(depth);
    let below = if depth == 0 { 0 } else { recurse(depth - 1, at) };
    assert!(black_box(&frame).iter().all(|&x| x == depth));
    below + 1
}

/// TestStackGrowth: in goroutines, 16 MiB deep, without a word to anyone.
#[test]
fn a_goroutine_may_use_its_stack_without_asking() {
    on_procs(|| {
        let levels = 16 << 10;
        let handles: Vec<_> = (0..3).map(|_| spawn(move || recurse(levels, &mut |_| ()))).collect();
        assert!(handles.into_iter().all(|h| h.join().unwrap() == levels + 1));
        assert_eq!(recurse(levels, &mut |_| ()), levels + 1, "the main goroutine too");
    });
}

/// TestStackMem, TestStackCache: batches of goroutines use the same stacks again.
#[test]
fn stacks_are_used_again() {
    on_procs(|| {
        for _ in 0..scaled(8, 64) {
            let wg = WaitGroup::new();
            for _ in 0..32 {
                wg.go(|| assert_eq!(recurse(128, &mut |_| ()), 129));
            }
            wg.wait();
        }
    });
}

/// test/stack.go: at every depth a goroutine is started, a channel used, a yield and a sleep made.
#[test]
fn everything_works_at_every_depth() {
    on_procs(|| {
        let c = chan(0);
        let depth = scaled(300, 2000);
        let h = spawn(move || {
            recurse(depth, &mut |d| {
                let (to, from) = (c.clone(), c.clone());
                match d % 5 {
                    0 => {
                        go(move || to.send(d));
                        assert_eq!(from.recv(), Some(d));
                    }
                    1 => assert_eq!(spawn(move || d).join().unwrap(), d),
                    2 => gosched(),
                    3 => gort::time::sleep(Duration::from_nanos(1)),
                    _ => {
                        let end = std::panic::catch_unwind(|| {
                            gosched();
                            panic!("at a depth")
                        });
                        assert!(end.is_err());
                    }
                }
            })
        });
        assert_eq!(h.join().unwrap(), depth + 1);
    });
}

/// Goroutines parked deep down are woken on other threads; their frames are as they were.
#[test]
fn deep_stacks_change_threads() {
    on_procs(|| {
        let turn = chan(0);
        let handles: Vec<_> = (0..8)
            .map(|_| {
                let turn = turn.clone();
                spawn(move || {
                    recurse(200, &mut |d| {
                        if d % 50 == 0 {
                            _ = turn.recv();
                            gosched();
                        }
                    })
                })
            })
            .collect();
        (0..8 * 5).for_each(|i| turn.send(i));
        assert!(handles.into_iter().all(|h| h.join().unwrap() == 201));
    });
}
