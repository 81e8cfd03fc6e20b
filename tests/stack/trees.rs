//! Random programs of calls, segments, parks and panics, on a goroutine's stack against a large plain
//! thread's, where nothing is grown and nobody parks.

use gort::Builder;
use gort::stack::{ensure, grow, segments};
use proptest::prelude::*;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A computation.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(u64),
    /// A call with a frame of one of [`FRAMES`] and a destructor, then these.
    Call(usize, Vec<Tree>),
    /// The same a number of times, one inside the other.
    Deep(u16, usize, Box<Tree>),
    /// On a further segment.
    Grow(Box<Tree>),
    /// With so many KiB.
    Ensure(usize, Box<Tree>),
    /// Lets others run, here and after.
    Park(Box<Tree>),
    /// The value, or that of the panic inside.
    Catch(Box<Tree>),
    Panic(u64),
}

/// Sizes of frames, in bytes.
const FRAMES: usize = 5;

/// What a computation runs with.
struct World<'a> {
    /// A goroutine: segments and parks are real.
    real: bool,
    drops: &'a AtomicUsize,
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl World<'_> {
    fn eval(&self, tree: &Tree) -> u64 {
        match tree {
            Tree::Leaf(n) => *n,
            Tree::Call(size, inner) => self.call(*size, &|| {
                inner.iter().fold(1, |sum: u64, t| sum.wrapping_mul(31).wrapping_add(self.eval(t)))
            }),
            Tree::Deep(depth, size, inner) => self.deep(*depth, *size, inner),
            Tree::Grow(inner) if self.real => {
                let before = segments();
                grow(|| {
                    assert_eq!(segments(), before + 1);
                    self.eval(inner)
                })
            }
            Tree::Ensure(kib, inner) if self.real => ensure(kib << 10, || self.eval(inner)),
            Tree::Park(inner) => {
                self.park();
                let value = self.eval(inner);
                self.park();
                value
            }
            Tree::Grow(inner) | Tree::Ensure(_, inner) => self.eval(inner),
            Tree::Catch(inner) => catch_unwind(AssertUnwindSafe(|| self.eval(inner)))
                .unwrap_or_else(|payload| *payload.downcast::<u64>().expect("ours")),
            Tree::Panic(n) => resume_unwind(Box::new(*n)),
        }
    }

    fn park(&self) {
        if self.real {
            gort::runtime::gosched();
        }
    }

    fn deep(&self, depth: u16, size: usize, inner: &Tree) -> u64 {
        match depth {
            0 => self.eval(inner),
            _ => self.call(size, &|| self.deep(depth - 1, size, inner).rotate_left(1)),
        }
    }

    fn call(&self, size: usize, f: &dyn Fn() -> u64) -> u64 {
        match size {
            0 => self.frame::<2>(f),
            1 => self.frame::<40>(f),
            2 => self.frame::<511>(f),
            3 => self.frame::<5_000>(f),
            _ => self.frame::<37_000>(f),
        }
    }

    #[inline(never)]
    fn frame<const WORDS: usize>(&self, f: &dyn Fn() -> u64) -> u64 {
        let _counted = Counted(self.drops);
        let frame = black_box([WORDS as u64; WORDS]);
        let value = f();
        value.wrapping_add(frame[black_box(WORDS - 1)]).wrapping_add(frame[black_box(0)])
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![4 => any::<u64>().prop_map(Tree::Leaf), 1 => any::<u64>().prop_map(Tree::Panic)];
    leaf.prop_recursive(7, 60, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            3 => (0..FRAMES, prop::collection::vec(inner, 0..4)).prop_map(|(s, t)| Tree::Call(s, t)),
            1 => (1..300_u16, 0..3_usize, boxed.clone()).prop_map(|(d, s, t)| Tree::Deep(d, s, t)),
            2 => boxed.clone().prop_map(Tree::Grow),
            2 => (prop_oneof![0..64_usize, 64..4096_usize], boxed.clone())
                .prop_map(|(kib, t)| Tree::Ensure(kib, t)),
            2 => boxed.clone().prop_map(Tree::Park),
            2 => boxed.prop_map(Tree::Catch),
        ]
    })
}

/// What a tree comes to, and how many destructors ran.
fn outcome(real: bool, tree: &Tree) -> (Result<u64, u64>, usize) {
    let drops = AtomicUsize::new(0);
    let world = World { real, drops: &drops };
    let end = catch_unwind(AssertUnwindSafe(|| world.eval(tree)));
    let end = end.map_err(|payload| *payload.downcast::<u64>().expect("ours"));
    assert!(!real || segments() == 1, "left on a segment");
    (end, drops.load(Ordering::Relaxed))
}

fn on_large_thread(trees: Vec<Tree>) -> Vec<(Result<u64, u64>, usize)> {
    let thread = std::thread::Builder::new().stack_size(1 << 30);
    let run = move || trees.iter().map(|t| outcome(false, t)).collect();
    thread.spawn(run).expect("a thread").join().expect("panics are caught")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(debug_assertions) { 60 } else { 400 },
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn trees_come_to_the_same_on_segments(
        trees in prop::collection::vec(tree(), 1..6),
        stack in prop::sample::select(vec![64_usize << 20, 256 << 20, 1 << 30]),
        procs in prop::sample::select(vec![1_usize, 2, 4]),
    ) {
        let expected = on_large_thread(trees.clone());
        let _exclusive = crate::support::exclusive();
        let before = gort::runtime::gomaxprocs(procs);
        let handles: Vec<_> = trees
            .into_iter()
            .map(|tree| {
                let body = move || outcome(true, &tree);
                Builder::new().stack_size(stack).spawn(body).expect("a stack")
            })
            .collect();
        let got: Vec<_> = handles.into_iter().map(|h| h.join().expect("caught")).collect();
        gort::runtime::gomaxprocs(before);
        prop_assert_eq!(got, expected);
    }
}
