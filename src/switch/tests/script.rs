//! One random script of prepare, resume, suspend, panic and drop drives every backend, and what they
//! did is compared.

use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, resume_unwind};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{native, portable};
use super::{Backend, Task, suspend};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn all_backends_do_the_same(script in script()) {
        let portable = World::<portable::Context>::run(&script);
        let native = World::<native::Context>::run(&script);
        let by_call = World::<native::ByCall>::run(&script);
        prop_assert_eq!(&portable, &native);
        prop_assert_eq!(&portable, &by_call);
    }
}
