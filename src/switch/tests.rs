//! The promises of the seam, kept by every backend: each test runs on all of them, and one random
//! script drives all and compares what they did.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Entry, Saved, portable};

mod registers;
#[cfg(gort_arch)]
mod script;

use registers::callee_saved_registers_survive;

/// The seam as a trait, for tests that name no backend.
trait Backend: Sized + Send + Sync {
    fn empty() -> Self;
    unsafe fn prepare(&mut self, limit: usize, top: usize, entry: Entry, arg: *mut ());
    unsafe fn resume(&self, word: usize) -> usize;
    unsafe fn suspend(&self, word: usize) -> usize;
    fn saved(&self) -> Option<Saved>;
}

macro_rules! backend {
    ($context:path) => {
        impl Backend for $context {
            fn empty() -> Self {
                Self::empty()
            }
            unsafe fn prepare(&mut self, limit: usize, top: usize, entry: Entry, arg: *mut ()) {
                // SAFETY: the caller's promise, handed on.
                unsafe { self.prepare(limit, top, entry, arg) }
            }
            unsafe fn resume(&self, word: usize) -> usize {
                // SAFETY: the caller's promise, handed on.
                unsafe { self.resume(word) }
            }
            unsafe fn suspend(&self, word: usize) -> usize {
                // SAFETY: the caller's promise, handed on.
                unsafe { self.suspend(word) }
            }
            fn saved(&self) -> Option<Saved> {
                self.saved()
            }
        }
    };
}

backend!(portable::Context);
#[cfg(gort_arch)]
backend!(super::native::Context);
#[cfg(gort_arch)]
backend!(super::native::ByCall);

/// Turns `fn name<B: Backend>()` into one test for each backend.
macro_rules! on_all {
    ($($name:ident),* $(,)?) => {
        mod on_portable {
            $(#[test] fn $name() { super::$name::<super::portable::Context>() })*
        }
        #[cfg(gort_arch)]
        mod on_native {
            $(#[test] fn $name() { super::$name::<super::super::native::Context>() })*
        }
        #[cfg(gort_arch)]
        mod on_native_by_call {
            $(#[test] fn $name() { super::$name::<super::super::native::ByCall>() })*
        }
    };
}

#[cfg(all(gort_arch, target_arch = "x86_64"))]
mod frame_pointers {
    #[test]
    fn portable() {
        super::frame_pointers_end_at_the_entry::<super::portable::Context>();
    }
    #[test]
    fn native() {
        super::frame_pointers_end_at_the_entry::<super::super::native::Context>();
    }
}

on_all!(
    words_cross_both_ways,
    a_finished_context_runs_again,
    saved_tells_where_it_stopped,
    a_backtrace_ends_at_the_entry,
    a_panic_is_caught_inside,
    contexts_nest_deeply,
    a_context_changes_thread,
    live_values_survive,
    a_large_argument_arrives,
    callee_saved_registers_survive,
);

/// A stack on the heap: so much larger than what the tests need that it has no guard.
struct Stack(Box<[u128]>);

const STACK: usize = 512 << 10;

impl Stack {
    fn new() -> Self {
        Stack(vec![0; STACK / 16].into_boxed_slice())
    }

    fn range(&mut self) -> std::ops::Range<usize> {
        let limit = self.0.as_mut_ptr() as usize;
        limit..limit + STACK
    }
}

/// What a context under test runs.
type Body<'f, B> = dyn FnMut(&B, usize) -> usize + 'f;

/// A context on a stack of its own that runs a closure `(context, first word) -> last word`.
struct Task<'f, B> {
    context: B,
    stack: Stack,
    body: Box<Body<'f, B>>,
}

impl<'f, B: Backend> Task<'f, B> {
    fn new(body: impl FnMut(&B, usize) -> usize + 'f) -> Box<Self> {
        let (context, stack) = (B::empty(), Stack::new());
        let mut task = Box::new(Task { context, stack, body: Box::new(body) });
        task.prepare();
        task
    }

    fn prepare(&mut self) {
        unsafe extern "C" fn enter<B: Backend>(arg: *mut (), word: usize) -> usize {
            // SAFETY: `prepare` passes the task, which is boxed and outlives its context's run;
            // `resume` does not use these two fields meanwhile.
            let (context, body) = unsafe {
                let task = arg.cast::<Task<'_, B>>();
                (&(*task).context, &mut (*task).body)
            };
            body(context, word)
        }
        let arg = (&raw mut *self).cast();
        let range = self.stack.range();
        // SAFETY: stack and context are the task's own and stay in its box.
        unsafe { self.context.prepare(range.start, range.end, enter::<B>, arg) };
    }

    fn resume(&self, word: usize) -> usize {
        // SAFETY: the tests resume prepared and suspended tasks only, each from one place.
        unsafe { self.context.resume(word) }
    }
}

/// Suspends the context that is running; the tests call it from inside the context's body.
fn suspend<B: Backend>(context: &B, word: usize) -> usize {
    // SAFETY: see above.
    unsafe { context.suspend(word) }
}

fn words_cross_both_ways<B: Backend>() {
    let task = Task::<B>::new(|context, first| {
        let second = suspend(context, first + 1);
        let third = suspend(context, second + 2);
        third + 3
    });
    assert_eq!(
        [task.resume(10), task.resume(20), task.resume(usize::MAX - 3)],
        [11, 22, usize::MAX]
    );
}

fn a_finished_context_runs_again<B: Backend>() {
    let mut task = Task::<B>::new(|context, word| suspend(context, word) * 2);
    for round in 0..1000 {
        assert_eq!(task.resume(round), round);
        assert_eq!(task.resume(round + 7), 2 * (round + 7));
        task.prepare();
    }
    // An abandoned one, too: its frames hold nothing.
    task.resume(1);
    task.prepare();
    assert_eq!(task.resume(5), 5);
}

#[inline(never)]
fn suspending_landmark<B: Backend>(context: &B) -> usize {
    black_box(suspend(context, 0))
}

fn saved_tells_where_it_stopped<B: Backend>() {
    assert_eq!(B::empty().saved(), None);
    let mut task = Task::<B>::new(|context, _| suspending_landmark(context));
    let stack = task.stack.range();
    assert_eq!(task.context.saved(), None, "no frames before the start");
    task.resume(0);
    let saved = task.context.saved();
    task.resume(0);
    assert_eq!(task.context.saved(), None, "no frames after the end");
    if cfg!(not(gort_arch)) && saved.is_none() {
        return; // corosensei, on a CPU where nobody reads the registers
    }
    let saved = saved.expect("suspended");
    assert!(stack.contains(&saved.sp), "{saved:x?} is not on {stack:x?}");
    assert!(saved.fp == 0 || saved.fp >= saved.sp || !stack.contains(&saved.fp));
    let mut name = String::new();
    backtrace::resolve(std::ptr::without_provenance_mut(saved.pc), |symbol| {
        name.extend(symbol.name().map(|n| n.to_string()));
    });
    // The switch is inlined; or called, and then its code may have been merged with that of `resume`.
    let known = ["suspending_landmark", "gort_switch", "Backend>::suspend", "exchange"];
    assert!(known.iter().any(|k| name.contains(k)), "{:#x} is in {name}", saved.pc);
}

/// Names of the frames an unwinder finds from here on, innermost first.
#[inline(never)]
fn frames() -> Vec<String> {
    let mut names = Vec::new();
    backtrace::trace(|frame| {
        // libgcc reports the end as a frame at address zero.
        if frame.ip().is_null() {
            return false;
        }
        let mut name = format!("{:p}", frame.ip());
        backtrace::resolve_frame(frame, |symbol| {
            name = symbol.name().map_or(name.clone(), |n| n.to_string());
        });
        names.push(name);
        names.len() < 200
    });
    names
}

#[inline(never)]
fn innermost_landmark<B: Backend>(names: &RefCell<Vec<String>>) {
    names.replace(frames());
    black_box(names);
}

#[inline(never)]
fn resumer_landmark<B: Backend>(task: &Task<'_, B>) {
    black_box(task.resume(0));
}

fn a_backtrace_ends_at_the_entry<B: Backend>() {
    let names = RefCell::new(Vec::new());
    let task = Task::<B>::new(|context, _| {
        suspend(context, 0);
        innermost_landmark::<B>(&names);
        0
    });
    resumer_landmark(&task);
    resumer_landmark(&task);
    let names = names.take();
    let has = |what: &str| names.iter().any(|name| name.contains(what));
    assert!(has("innermost_landmark") && has("enter"), "{names:#?}");
    if cfg!(gort_arch) {
        assert!(!has("resumer_landmark"), "went on into the resumer: {names:#?}");
        let last = names.last().expect("frames");
        assert!(last == "gort_entry" || last == "gort_outermost", "ends in {last}: {names:#?}");
    }
    // And what a user sees: the report of std.
    let report = RefCell::new(String::new());
    let task = Task::<B>::new(|_, _| {
        report.replace(std::backtrace::Backtrace::force_capture().to_string());
        0
    });
    resumer_landmark(&task);
    let report = report.take();
    assert!(report.contains("enter"), "{report}");
    assert_eq!(report.contains("resumer_landmark"), cfg!(not(gort_arch)), "{report}");
}

/// For profilers and whoever else follows frame pointers.
#[cfg(all(gort_arch, target_arch = "x86_64"))]
fn frame_pointers_end_at_the_entry<B: Backend>() {
    /// An entry that is all prologue: it returns the frame pointer it was called with.
    #[unsafe(naked)]
    unsafe extern "C" fn frame_pointer(_arg: *mut (), _word: usize) -> usize {
        core::arch::naked_asm!("mov rax, rbp", "ret")
    }
    let mut stack = Stack::new();
    let mut context = B::empty();
    let range = stack.range();
    let not_null = (&raw mut stack).cast();
    // SAFETY: context and stack live to the end of this function.
    let chain = unsafe {
        context.prepare(range.start, range.end, frame_pointer, not_null);
        context.resume(1)
    };
    assert_eq!(chain, 0, "the chain of frame pointers ends at the entry");
}

fn a_panic_is_caught_inside<B: Backend>() {
    struct Dropped<'c>(&'c Cell<usize>);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let drops = Cell::new(0);
    let task = Task::<B>::new(|context, mut word| {
        for _ in 0..100 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _guard = Dropped(&drops);
                let got = suspend(context, word);
                resume_unwind(Box::new(got));
            }));
            word = *caught.expect_err("it panics").downcast::<usize>().expect("a word");
        }
        word
    });
    let words: Vec<usize> = (0..=100).map(|word| task.resume(word)).collect();
    assert_eq!(words[1..], (1..=100).collect::<Vec<_>>());
    assert_eq!(drops.get(), 100);
}

fn contexts_nest_deeply<B: Backend>() {
    fn level<B: Backend>(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let task = Task::<B>::new(|context, depth| {
            let inner = level::<B>(depth - 1);
            suspend(context, inner) + inner
        });
        let inner = task.resume(depth);
        task.resume(1) - inner + inner
    }
    assert_eq!(level::<B>(0), 0);
    assert_eq!(level::<B>(64), 64);
}

fn a_context_changes_thread<B: Backend>() {
    struct Moved<'t, 'f, B>(&'t Task<'f, B>);
    // SAFETY: the frames of the test's body hold words only, and one thread at a time resumes.
    unsafe impl<B> Send for Moved<'_, '_, B> {}

    let task = Task::<B>::new(|context, mut word| {
        for round in 0..20 {
            word = suspend(context, word + round);
        }
        word
    });
    for round in 0..20 {
        let moved = Moved(&*task);
        let word = std::thread::scope(|s| {
            let run = move || {
                let moved = moved;
                moved.0.resume(100)
            };
            s.spawn(run).join().expect("no panic")
        });
        assert_eq!(word, 100 + round);
    }
    assert_eq!(task.resume(3), 3);
}

/// Sixteen integers and sixteen floats, live across every switch on both sides: more than there
/// are registers to save.
fn live_values_survive<B: Backend>() {
    #[inline(always)]
    fn churn(mut switch: impl FnMut(usize) -> usize, seed: usize) -> usize {
        let integers: [usize; 16] = std::array::from_fn(|i| black_box(seed.wrapping_mul(i + 3)));
        let floats: [f64; 16] = std::array::from_fn(|i| black_box((seed + i) as f64 + 0.5));
        let mut word = 0;
        for _ in 0..1000 {
            word = switch(word);
            for i in 0..16 {
                assert_eq!(integers[i], seed.wrapping_mul(i + 3));
                assert_eq!(floats[i].to_bits(), ((seed + i) as f64 + 0.5).to_bits());
            }
        }
        word
    }
    let task = Task::<B>::new(|context, _| churn(|word| suspend(context, word + 1), 0x5a5a));
    churn(|word| task.resume(word), 0x1234_5678);
}

fn a_large_argument_arrives<B: Backend>() {
    let large: [u64; 4096] = std::array::from_fn(|i| i as u64 * 0x9e37_79b9);
    let copy = large;
    let task = Task::<B>::new(move |context, _| {
        let here = copy;
        suspend(context, (&raw const here) as usize);
        here.iter().fold(0, |sum: u64, x| sum.wrapping_add(*x)) as usize
    });
    let there = task.resume(0);
    assert_eq!(there % align_of::<[u64; 4096]>(), 0);
    let sum = large.iter().fold(0, |sum: u64, x| sum.wrapping_add(*x)) as usize;
    assert_eq!(task.resume(0), sum);
}

#[test]
fn a_process_with_shadow_stacks_starts_only_where_the_switch_knows_them() {
    use super::shadow::{active, explain};
    assert_eq!(explain(false, false, true), None);
    assert_eq!(explain(false, false, false), None);
    assert_eq!(explain(true, true, true), None);
    assert!(explain(true, false, true).is_some_and(|why| why.contains("gort_native")));
    assert!(explain(true, false, false).is_some_and(|why| why.contains("not supported")));
    assert_eq!(super::obstacle().is_some(), active() && cfg!(gort_switch = "portable"));
}

/// A second stack for the calls of `call_on`.
fn call_on(stack: &mut Stack, mut f: impl FnMut()) {
    unsafe extern "C-unwind" fn thunk<F: FnMut()>(f: *mut ()) {
        // SAFETY: `call_on` passes its closure.
        unsafe { (*f.cast::<F>())() }
    }
    fn thunk_of<F: FnMut()>(_: &F) -> unsafe extern "C-unwind" fn(*mut ()) {
        thunk::<F>
    }
    // SAFETY: the stack is large and outlives the call.
    unsafe { super::call_on(stack.range().end, thunk_of(&f), (&raw mut f).cast()) };
}

#[test]
fn a_call_runs_on_the_other_stack() {
    let mut stack = Stack::new();
    let range = stack.range();
    let mut inside = 0;
    call_on(&mut stack, || {
        let here = black_box(0_u8);
        inside = (&raw const here).addr();
    });
    assert!(range.contains(&inside));
}

#[test]
fn a_panic_and_a_backtrace_come_through_a_call_on_another_stack() {
    let (mut stack, names) = (Stack::new(), RefCell::new(Vec::new()));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        call_on(&mut stack, || {
            innermost_landmark::<portable::Context>(&names);
            resume_unwind(Box::new(42_u32));
        });
    }));
    assert_eq!(caught.expect_err("it panics").downcast_ref(), Some(&42_u32));
    let names = names.take();
    let has = |what: &str| names.iter().any(|name| name.contains(what));
    assert!(has("innermost_landmark") && has("a_panic_and_a_backtrace"), "{names:#?}");
}
