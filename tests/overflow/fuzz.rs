//! Random call trees on random stacks against the same computation on a large plain thread: the same
//! result unless the stack ended, and every destructor run in either case.

use crate::tally::Tally;
use gort::{Builder, Chan, Config, chan, go};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::any::Any;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What happens at a level.
#[derive(Clone, Copy, Debug)]
enum Level {
    /// A frame of so many bytes: an index of [`FRAMES`].
    Frame(usize),
    Closure,
    Object,
    Boxed,
    Text,
    Sort,
    /// Catches what comes from below.
    Catch,
    Yield,
    Channel,
    /// Goes on on a further segment.
    Grow,
}

/// A call tree: the levels again and again down to some depth, where it panics or returns.
#[derive(Clone, Debug)]
struct Tree {
    levels: Vec<Level>,
    depth: usize,
    panics: bool,
    /// Two branches every so many levels.
    forks: usize,
}

/// A run of a tree.
struct Run<'a> {
    tree: &'a Tree,
    t: &'static Tally,
    echo: Option<Chan<u64>>,
    overflowed: AtomicBool,
}

type Down = fn(&Run<'_>, usize) -> u64;

const FRAMES: [Down; 8] = [
    frame::<16>,
    frame::<72>,
    frame::<200>,
    frame::<1016>,
    frame::<4096>,
    frame::<9000>,
    frame::<40_000>,
    frame::<300_000>,
];

#[inline(never)]
fn frame<const N: usize>(run: &Run<'_>, n: usize) -> u64 {
    let _guard = run.t.guard();
    let mut room = std::mem::MaybeUninit::<[u8; N]>::uninit();
    let first = black_box(room.as_mut_ptr()).cast::<u8>();
    // SAFETY: the room's first byte, written before it is read.
    unsafe { first.write(n as u8) };
    let below = down(run, n + 1);
    // SAFETY: as above.
    below.wrapping_mul(31).wrapping_add(unsafe { first.read() }.into())
}

/// A panic of the tree's own.
#[derive(Debug)]
struct Bottom(u64);

fn down(run: &Run<'_>, n: usize) -> u64 {
    let tree = run.tree;
    if n >= tree.depth {
        if tree.panics {
            let bottom = Bottom(n as u64);
            match run.echo {
                Some(_) => panic_any(bottom),
                // A plain thread's hook would print thousands of frames.
                None => resume_unwind(Box::new(bottom)),
            }
        }
        return n as u64;
    }
    let fork = tree.forks > 0 && n % tree.forks == tree.forks - 1 && n > tree.depth / 2;
    let extra = if fork { level(run, tree.depth.saturating_sub(3).max(n + 1)) } else { 0 };
    level(run, n) ^ extra
}

fn level(run: &Run<'_>, n: usize) -> u64 {
    struct Object([u64; 6]);
    trait Next {
        fn next(&self, run: &Run<'_>, n: usize) -> u64;
    }
    impl Next for Object {
        fn next(&self, run: &Run<'_>, n: usize) -> u64 {
            let _guard = run.t.guard();
            down(run, n + 1).rotate_left(3) ^ self.0[n % 6]
        }
    }
    match run.tree.levels[n % run.tree.levels.len()] {
        Level::Frame(i) => FRAMES[i](run, n),
        Level::Closure => {
            let guard = run.t.guard();
            let f = || {
                let _held = &guard;
                down(run, n + 1) ^ 5
            };
            black_box(&f as &dyn Fn() -> u64)()
        }
        Level::Object => black_box(&Object([n as u64; 6]) as &dyn Next).next(run, n),
        Level::Boxed => {
            let boxed = Box::new((run.t.guard(), [n; 9]));
            down(run, n + 1) ^ boxed.1[3] as u64
        }
        Level::Text => {
            let (text, _guard) = (format!("{n:?} of {}", run.tree.depth), run.t.guard());
            down(run, n + 1) ^ text.len() as u64
        }
        Level::Sort => {
            let (mut all, _guard) = ([n as u64, 1, 3], run.t.guard());
            all.sort_by_key(|x| x ^ (n as u64));
            down(run, n + 1) ^ all[0]
        }
        Level::Catch => {
            let _guard = run.t.guard();
            let end = catch_unwind(AssertUnwindSafe(|| down(run, n + 1)));
            end.unwrap_or_else(|payload| caught(run, payload))
        }
        Level::Yield => {
            let _guard = run.t.guard();
            gort::runtime::gosched();
            down(run, n + 1) ^ 1
        }
        Level::Channel => {
            let _guard = run.t.guard();
            let echoed = run.echo.as_ref().map_or(n as u64, |echo| {
                echo.send(n as u64);
                echo.recv().expect("open")
            });
            down(run, n + 1) ^ echoed
        }
        Level::Grow if n.is_multiple_of(64) => gort::stack::grow(|| down(run, n + 1)),
        Level::Grow => down(run, n + 1) ^ 2,
    }
}

fn caught(run: &Run<'_>, payload: Box<dyn Any + Send>) -> u64 {
    if let Some(Bottom(n)) = payload.downcast_ref() {
        return *n;
    }
    assert!(is_overflow(&*payload), "no other panic");
    run.overflowed.store(true, Relaxed);
    resume_unwind(payload)
}

fn is_overflow(payload: &(dyn Any + Send)) -> bool {
    payload.downcast_ref::<String>().is_some_and(|text| text.contains("stack overflow"))
}

/// The result, unless the stack ended.
fn execute(tree: &Tree, echo: Option<Chan<u64>>) -> Option<u64> {
    let t = Tally::new();
    let run = Run { tree, t, echo, overflowed: AtomicBool::new(false) };
    let end = catch_unwind(AssertUnwindSafe(|| down(&run, 0)));
    assert_eq!(t.made(), t.dropped(), "destructors");
    assert!(!std::thread::panicking());
    match end {
        Ok(n) => (!run.overflowed.load(Relaxed)).then_some(n),
        Err(payload) => match payload.downcast_ref() {
            Some(Bottom(n)) => Some(*n),
            None => {
                assert!(is_overflow(&*payload), "no other panic");
                None
            }
        },
    }
}

/// The same computation where there is always room.
fn reference(tree: &Tree) -> Option<u64> {
    let tree = tree.clone();
    let big = std::thread::Builder::new().stack_size(1 << 30);
    big.spawn(move || execute(&tree, None)).expect("a thread").join().expect("it ends")
}

/// On what stacks goroutines run.
#[derive(Clone, Copy, Debug)]
enum Stack {
    /// Of so many bytes each.
    Own(usize),
    /// Those the ladder has.
    Ladder,
}

/// Several goroutines at once, twice each.
fn on_goroutines(tree: &Tree, stack: Stack) -> Vec<Option<u64>> {
    gort::run(|| {
        let start = |_| {
            let (tree, echo) = (tree.clone(), chan(0));
            let back = echo.clone();
            go(move || {
                while let Some(n) = back.recv() {
                    back.send(n);
                }
            });
            let body = move || {
                let results =
                    [execute(&tree, Some(echo.clone())), execute(&tree, Some(echo.clone()))];
                echo.close();
                results
            };
            match stack {
                Stack::Own(cap) => Builder::new().stack_size(cap).spawn(body).expect("a stack"),
                Stack::Ladder => gort::spawn(body),
            }
        };
        let all: Vec<_> = (0..3).map(start).collect();
        all.into_iter().flat_map(|h| h.join().expect("all is caught")).collect()
    })
}

fn levels() -> impl Strategy<Value = Vec<Level>> {
    let one = prop_oneof![
        6 => (0..8_usize).prop_map(Level::Frame),
        1 => Just(Level::Closure),
        1 => Just(Level::Object),
        1 => Just(Level::Boxed),
        1 => Just(Level::Text),
        1 => Just(Level::Sort),
        1 => Just(Level::Catch),
        1 => Just(Level::Yield),
        1 => Just(Level::Channel),
        1 => Just(Level::Grow),
    ];
    prop::collection::vec(one, 1..12)
}

fn trees() -> impl Strategy<Value = Tree> {
    (levels(), 1..3000_usize, any::<bool>(), 0..40_usize)
        .prop_map(|(levels, depth, panics, forks)| Tree { levels, depth, panics, forks })
}

fn check(tree: &Tree, stack: Stack, procs: usize) -> Result<(), TestCaseError> {
    let wanted = reference(tree);
    gort::runtime::gomaxprocs(procs);
    for got in on_goroutines(tree, stack) {
        prop_assert!(got.is_none() || got == wanted, "{got:?} instead of {wanted:?}");
    }
    Ok(())
}

/// So many trees, or as many as the environment says.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("GORT_FUZZ_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(cases),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn call_trees_on_any_stack(
        tree in trees(),
        cap in prop_oneof![4 => 1_usize..2 << 20, 1 => (2_usize << 20)..64 << 20],
        procs in prop::sample::select(vec![1_usize, 2, 4]),
    ) {
        check(&tree, Stack::Own(cap), procs)?;
    }
}

/// Names the only rung of a child process's ladder, in bytes.
const RUNG: &str = "GORT_TEST_RUNG";

/// Rungs on which goroutines stand shoulder to shoulder, with a smaller guard: each in a process
/// whose ladder has no other, since who overflows one rung of several gets the largest.
#[test]
fn call_trees_on_dense_rungs() {
    if let Some(rung) = std::env::var(RUNG).ok().and_then(|n| n.parse().ok()) {
        let ladder = Config::new().stack_ladder(&[(usize::MAX, rung)]);
        ladder.run(|| ()).expect("a ladder");
        let mut runner = TestRunner::new(config(12));
        let cases = (trees(), prop::sample::select(vec![1_usize, 2, 4]));
        let end = runner.run(&cases, |(tree, procs)| check(&tree, Stack::Ladder, procs));
        return end.expect("the same everywhere");
    }
    for rung in [128 << 10, 256 << 10, 512 << 10_u32] {
        let out = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "fuzz::call_trees_on_dense_rungs", "--nocapture"])
            .env(RUNG, rung.to_string())
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "rung {rung}: {}\n{text}", out.status);
    }
}
