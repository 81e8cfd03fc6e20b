//! The promises of the seam, kept by both backends: every test runs on each of them, and one
//! random script drives both and compares what they did.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Entry, Saved, portable};

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

/// Turns `fn name<B: Backend>()` into one test for each backend.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_portable {
            $(#[test] fn $name() { super::$name::<super::portable::Context>() })*
        }
        #[cfg(gort_arch)]
        mod on_native {
            $(#[test] fn $name() { super::$name::<super::super::native::Context>() })*
        }
    };
}

on_both!(
    words_cross_both_ways,
    a_finished_context_runs_again,
    saved_tells_where_it_stopped,
    a_backtrace_ends_at_the_entry,
    the_saved_registers_lead_to_the_entry,
    a_panic_is_caught_inside,
    contexts_nest_deeply,
    a_context_changes_thread,
    live_values_survive,
    a_large_argument_arrives,
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

fn saved_tells_where_it_stopped<B: Backend>() {
    assert_eq!(B::empty().saved(), None);
    let mut task = Task::<B>::new(|context, _| suspend(context, 0));
    let stack = task.stack.range();
    assert_eq!(task.context.saved(), None, "no frames before the start");
    task.resume(0);
    let saved = task.context.saved().expect("suspended");
    assert!(stack.contains(&saved.sp), "{saved:x?} is not on {stack:x?}");
    assert!(saved.fp == 0 || saved.fp >= saved.sp || !stack.contains(&saved.fp));
    task.resume(0);
    assert_eq!(task.context.saved(), None, "no frames after the end");
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
    let task = Task::<B>::new(|_, _| {
        let report = std::backtrace::Backtrace::force_capture().to_string();
        usize::from(report.contains("enter") && !report.contains("resumer_landmark"))
    });
    assert_eq!(task.resume(0) == 1, cfg!(gort_arch));
}

/// Follows frame pointers, which the entry must have ended; needs no table, so it works from the
/// saved registers of a context that is suspended.
fn the_saved_registers_lead_to_the_entry<B: Backend>() {
    #[cfg(target_arch = "x86_64")]
    {
        /// An entry that is all prologue: it returns the frame pointer it was called with.
        #[unsafe(naked)]
        unsafe extern "C" fn frame_pointer(_arg: *mut (), _word: usize) -> usize {
            core::arch::naked_asm!("mov rax, rbp", "ret")
        }
        let mut stack = Stack::new();
        let mut context = B::empty();
        let range = stack.range();
        // SAFETY: context and stack live to the end of this function.
        let chain = unsafe {
            context.prepare(range.start, range.end, frame_pointer, std::ptr::null_mut());
            context.resume(1)
        };
        assert_eq!(chain, 0, "the chain of frame pointers ends at the entry");
    }
    let task = Task::<B>::new(|context, _| suspend(context, 0));
    task.resume(0);
    let first = task.context.saved();
    task.resume(0);
    assert_eq!(first.is_some(), cfg!(any(gort_arch, target_arch = "x86_64")));
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

/// What a context of the random script does, in order, before it ends.
#[derive(Clone, Debug)]
enum Act {
    Suspend(u8),
    /// Suspends so many calls deep, in frames that have destructors.
    SuspendDeep(u8),
    PanicCaught(u8),
    /// Resumes another context from inside, if it can run.
    Resume(u8),
}

/// What the script does from outside.
#[derive(Clone, Debug)]
enum Step {
    Prepare(u8, Vec<Act>),
    Resume(u8),
    /// Drops context and stack, in whatever state they are, and makes new ones.
    Drop(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => any::<u8>().prop_map(Act::Suspend),
        2 => (0..30u8).prop_map(Act::SuspendDeep),
        1 => any::<u8>().prop_map(Act::PanicCaught),
        2 => (0..4u8).prop_map(Act::Resume),
    ];
    vec(act, 0..8)
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..4u8, acts()).prop_map(|(who, acts)| Step::Prepare(who, acts)),
        6 => (0..4u8).prop_map(Step::Resume),
        1 => (0..4u8).prop_map(Step::Drop),
    ];
    vec(step, 1..60)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Ready,
    Running,
}

/// One line of a trace: who, what, with which word.
type Event = (u8, &'static str, usize);

struct World<B> {
    seats: Vec<Seat<B>>,
    trace: RefCell<Vec<Event>>,
}

struct Seat<B> {
    state: Cell<State>,
    task: RefCell<Option<Box<Task<'static, B>>>>,
}

impl<B: Backend + 'static> World<B> {
    fn run(script: &[Step]) -> Vec<Event> {
        let seat = |_| Seat::<B> { state: Cell::new(State::Idle), task: RefCell::new(None) };
        let world = World { seats: (0..4).map(seat).collect(), trace: RefCell::default() };
        for step in script {
            match step {
                Step::Prepare(who, acts) => world.prepare(*who, acts.clone()),
                Step::Resume(who) => world.resume(*who),
                Step::Drop(who) => world.drop_task(*who),
            }
        }
        world.trace.take()
    }

    fn log(&self, who: u8, what: &'static str, word: usize) {
        self.trace.borrow_mut().push((who, what, word));
    }

    fn prepare(&self, who: u8, acts: Vec<Act>) {
        let seat = &self.seats[usize::from(who)];
        let world = &raw const *self;
        // SAFETY: the world outlives its tasks, which it owns.
        let body = move |context: &B, word| unsafe { &*world }.act(who, &acts, context, word);
        let mut task = seat.task.borrow_mut();
        match &mut *task {
            // The same context and stack again, as the runtime does with a dead goroutine's.
            Some(task) => {
                task.body = Box::new(body);
                task.prepare();
            }
            None => *task = Some(Task::new(body)),
        }
        seat.state.set(State::Ready);
        self.log(who, "prepared", 0);
    }

    fn resume(&self, who: u8) {
        let seat = &self.seats[usize::from(who)];
        if seat.state.get() != State::Ready {
            return self.log(who, "cannot run", 0);
        }
        seat.state.set(State::Running);
        // Not borrowed across the switch: the script inside looks at the other seats only.
        let task: *const Task<'static, B> =
            &raw const **seat.task.borrow().as_ref().expect("ready");
        let word = self.trace.borrow().len();
        // SAFETY: nobody prepares or drops a running task: the script is not inside one.
        let word = unsafe { &*task }.resume(word);
        self.log(who, "gave", word);
        if seat.state.get() == State::Running {
            seat.state.set(State::Ready);
        }
    }

    fn drop_task(&self, who: u8) {
        let seat = &self.seats[usize::from(who)];
        seat.task.replace(None);
        seat.state.set(State::Idle);
        self.log(who, "dropped", 0);
    }

    fn act(&self, who: u8, acts: &[Act], context: &B, mut word: usize) -> usize {
        self.log(who, "started", word);
        for act in acts {
            match act {
                Act::Suspend(n) => word = suspend(context, word ^ usize::from(*n)),
                Act::SuspendDeep(n) => word = self.deep(who, *n, context, word),
                Act::PanicCaught(n) => {
                    let caught = catch_unwind(|| resume_unwind(Box::new(*n)));
                    self.log(
                        who,
                        "caught",
                        usize::from(*caught.expect_err("panics").downcast::<u8>().expect("a byte")),
                    );
                }
                Act::Resume(other) => self.resume(*other),
            }
            self.log(who, "goes on", word);
        }
        self.seats[usize::from(who)].state.set(State::Idle);
        word.wrapping_mul(31)
    }

    #[inline(never)]
    fn deep(&self, who: u8, depth: u8, context: &B, word: usize) -> usize {
        struct Leave<'w, B: Backend + 'static>(&'w World<B>, u8, u8);
        impl<B: Backend> Drop for Leave<'_, B> {
            fn drop(&mut self) {
                self.0.log(self.1, "left", usize::from(self.2));
            }
        }
        let _leave = Leave(self, who, depth);
        match depth {
            0 => suspend(context, word),
            _ => self.deep(who, depth - 1, context, word + 1),
        }
    }
}

#[cfg(gort_arch)]
proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn both_backends_do_the_same(script in script()) {
        let portable = World::<portable::Context>::run(&script);
        let native = World::<super::native::Context>::run(&script);
        prop_assert_eq!(portable, native);
    }
}
