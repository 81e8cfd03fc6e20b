//! A [`Hold`]: its holder, and the run of the goroutine that may begin at any time.
//!
//! The thread that makes the goroutine runnable is the one that the holder's barrier reaches; it runs
//! the goroutine itself, or hands it to another thread.

use crate::base::atomic::{AtomicU32, Ordering, compiler_fence};
use crate::base::check::{Arc, Plain, check, thread};
use crate::base::hold::Hold;

const MARKED: u32 = 1;
const RUNNABLE: u32 = 2;

struct World {
    state: AtomicU32,
    hold: Hold,
    /// Written by the run and by the holder.
    stack: Plain,
}

impl World {
    /// It is parked, and marked.
    fn new() -> Arc<Self> {
        let state = AtomicU32::new(MARKED);
        Arc::new(Self { state, hold: Hold::none(), stack: Plain::new(0) })
    }

    /// True: it was held.
    fn hold(&self) -> bool {
        self.hold.want();
        #[cfg(loom)]
        crate::base::ipi::barrier();
        let unchanged = self.state.load(Ordering::Acquire) == MARKED;
        let taken = self.hold.take(unchanged);
        if taken {
            self.stack.bump();
            self.hold.is_recalled();
            self.hold.release();
        }
        taken
    }

    fn make_runnable(&self) {
        compiler_fence(Ordering::SeqCst); // the interrupt may land here, and before the look
        self.state.store(RUNNABLE, Ordering::Release);
    }

    fn run(&self) {
        if !self.hold.is_clear() {
            self.hold.pass();
        }
        self.stack.bump();
    }
}

/// Plays `runner` against the holder.
fn race(runner: impl Fn(Arc<World>) + Copy + Send + Sync + 'static) {
    check(move || {
        let world = World::new();
        let holder = thread::spawn({
            let world = world.clone();
            move || world.hold()
        });
        #[cfg(loom)]
        crate::base::ipi::become_target();
        runner(world.clone());
        #[cfg(loom)]
        crate::base::ipi::leave_cpu();
        let held = holder.join().unwrap();
        assert_eq!(world.stack.get(), 1 + usize::from(held));
        assert!(world.hold.is_clear(), "nothing is left behind");
    });
}

#[test]
fn model_hold_against_a_run_on_the_same_thread() {
    race(|world| {
        world.make_runnable();
        world.run();
    });
}

#[test]
fn model_hold_against_a_run_on_another_thread() {
    race(|world| {
        world.make_runnable();
        let runner = thread::spawn(move || world.run());
        #[cfg(loom)]
        crate::base::ipi::leave_cpu();
        runner.join().unwrap();
    });
}
