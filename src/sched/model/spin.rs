//! Submit against sleep: when everything has come to rest, no work waits while a P is idle.
//!
//! An M is a thread of the model, or the tail of the thread that woke it. An M that finds work runs it
//! for ever, its first few goroutines excepted if the model says so: its P stays busy, so that it
//! cannot make up for a wakeup that was lost.

use crate::base::check::{Arc, Mutex, check, thread};
use crate::runq::global::Global;
use crate::runq::ring::Ring;
use crate::sched::spin::Spin;
use core::ptr::NonNull;

/// The scheduler around the two words, as small as it can be.
struct World {
    spin: Spin,
    /// The scheduler's lock, and the idle list.
    idle: Mutex<Vec<usize>>,
    /// One per P.
    rings: Vec<Ring<()>>,
    global: Global<()>,
}

/// An M with a P.
struct M {
    p: usize,
    spinning: bool,
    /// So many goroutines end at once.
    short: u32,
}

const WORK: NonNull<()> = NonNull::dangling();

impl World {
    fn new(procs: usize) -> Self {
        Self {
            spin: Spin::new(),
            idle: Mutex::new(Vec::new()),
            rings: (0..procs).map(|_| Ring::new()).collect(),
            global: Global::new(),
        }
    }

    /// An M at work.
    fn busy(p: usize) -> M {
        M { p, spinning: false, short: 0 }
    }

    /// An M that has just begun to spin.
    fn spinner(&self, p: usize) -> M {
        self.spin.start_spinning();
        M { p, spinning: true, short: 0 }
    }

    fn put_idle(&self, p: usize) {
        let mut idle = self.idle.lock().unwrap();
        idle.push(p);
        self.spin.p_idle();
    }

    /// The goroutine on `m` makes another one ready on its own P.
    fn submit(&self, m: &M) {
        // SAFETY: the caller runs on this P, and no model fills a ring.
        unsafe { self.rings[m.p].push(WORK, |_| unreachable!("room for all")) };
        self.wake();
    }

    /// A thread without a P makes a goroutine ready.
    fn submit_global(&self) {
        self.global.push(WORK);
        self.wake();
    }

    /// S2 to S6; the woken M runs in the caller's tail.
    fn wake(&self) {
        if !self.spin.should_wake() {
            return;
        }
        let mut idle = self.idle.lock().unwrap();
        let Some(p) = idle.pop() else {
            self.spin.wake_failed();
            return;
        };
        self.spin.p_busy();
        drop(idle);
        self.run(M { p, spinning: true, short: 0 });
    }

    /// The life of an M, until it runs for ever or sleeps.
    fn run(&self, mut m: M) {
        loop {
            if self.find(&m) {
                if m.spinning && self.spin.found_work() {
                    self.wake();
                }
                if m.short == 0 {
                    return;
                }
                m = M { p: m.p, spinning: false, short: m.short - 1 };
                continue;
            }
            if !m.spinning && self.spin.may_spin(self.rings.len() as u32) {
                m.spinning = true;
                continue;
            }
            self.put_idle(m.p);
            match m.spinning {
                true => self.spin.stop_spinning(),
                false => self.spin.look_again(),
            }
            if self.is_drained() {
                return;
            }
            let mut idle = self.idle.lock().unwrap();
            let Some(p) = idle.pop() else { return };
            self.spin.p_busy();
            self.spin.start_spinning();
            m = M { p, spinning: true, ..m };
        }
    }

    /// The own ring and the global queue for anybody, other Ps' rings for spinners.
    fn find(&self, m: &M) -> bool {
        // SAFETY: the caller runs on P `m.p`.
        let own = unsafe { self.rings[m.p].pop() };
        let steal = |from: usize| {
            // SAFETY: the caller runs on P `m.p`, and does not steal from itself.
            from != m.p && unsafe { self.rings[from].steal_into(&self.rings[m.p]) }.is_some()
        };
        own.is_some() || self.global_batch(m) || m.spinning && (0..self.rings.len()).any(steal)
    }

    /// One to run and one to keep. For whoever is not spinning that is a submission.
    fn global_batch(&self, m: &M) -> bool {
        let first = self.global.pop();
        if let Some(second) = self.global.pop() {
            // SAFETY: the caller runs on P `m.p`, and no model fills a ring.
            unsafe { self.rings[m.p].push(second, |_| unreachable!("room for all")) };
            if !m.spinning {
                self.wake();
            }
        }
        first.is_some()
    }

    fn is_drained(&self) -> bool {
        self.global.is_empty() && self.rings.iter().all(Ring::is_empty)
    }

    /// Everything has come to rest.
    fn verify(&self) {
        let idle = self.idle.lock().unwrap().len();
        assert_eq!(self.spin.idle() as usize, idle);
        assert_eq!(self.spin.spinning(), 0, "nobody searches any more");
        assert!(idle == 0 || self.is_drained(), "work waits while a P is idle");
    }
}

/// Runs each of `ms` on its own thread, the last one on the model's.
fn race(world: World, ms: Vec<Box<dyn FnOnce(&World) + Send>>) {
    let world = Arc::new(world);
    let mut ms = ms.into_iter();
    let last = ms.next_back().unwrap();
    let others: Vec<_> = ms
        .map(|m| {
            let world = world.clone();
            thread::spawn(move || m(&world))
        })
        .collect();
    last(&world);
    others.into_iter().for_each(|t| t.join().unwrap());
    world.verify();
}

#[test]
fn model_submit_against_last_spinner() {
    check(|| {
        let world = World::new(2);
        let spinner = world.spinner(1);
        race(
            world,
            vec![
                Box::new(|world| world.run(spinner)),
                Box::new(|world| world.submit(&World::busy(0))),
            ],
        );
    });
}

#[test]
fn model_global_submit_against_last_spinner() {
    check(|| {
        let world = World::new(1);
        let spinner = world.spinner(0);
        race(
            world,
            vec![Box::new(|world| world.run(spinner)), Box::new(|world| world.submit_global())],
        );
    });
}

/// The spinner that kept the submitter from waking anybody finds other work.
#[test]
fn model_submit_against_spinner_that_finds_other_work() {
    check(|| {
        let world = World::new(3);
        let spinner = world.spinner(1);
        world.put_idle(2);
        world.global.push(WORK);
        race(
            world,
            vec![
                Box::new(|world| world.run(spinner)),
                Box::new(|world| world.submit(&World::busy(0))),
            ],
        );
    });
}

/// An M that was not allowed to spin goes to sleep, while the spinner that was the reason finds work,
/// and a thread without a P submits more.
#[test]
fn model_submit_against_sleeper_that_never_spun() {
    check(|| {
        let world = World::new(2);
        let spinner = world.spinner(0);
        race(
            world,
            vec![
                Box::new(|world| world.run(World::busy(1))),
                Box::new(|world| world.submit_global()),
                Box::new(move |world| {
                    let _busy_for_ever = &spinner;
                    if world.spin.found_work() {
                        world.wake();
                    }
                }),
            ],
        );
    });
}

/// Two submitters, one sleeper. A waker that finds no P, because the sleeper has it again, must not
/// have kept the other submitter from waking anybody once the P is idle for good.
#[test]
fn model_two_submitters_against_sleeper() {
    check(|| {
        let world = World::new(3);
        let spinner = M { short: 1, ..world.spinner(2) };
        race(
            world,
            vec![
                Box::new(|world| world.submit(&World::busy(0))),
                Box::new(|world| world.submit(&World::busy(1))),
                Box::new(|world| world.run(spinner)),
            ],
        );
    });
}

/// A batch on its way from the global queue to a ring, while a spinner looks for the last time.
#[test]
fn model_batch_on_its_way_against_last_spinner() {
    check(|| {
        let world = World::new(2);
        let spinner = world.spinner(1);
        (0..2).for_each(|_| world.global.push(WORK));
        race(
            world,
            vec![Box::new(|world| world.run(spinner)), Box::new(|world| world.run(World::busy(0)))],
        );
    });
}

/// A thief's loot on its way, while the other spinner looks for the last time.
#[test]
fn model_loot_on_its_way_against_last_spinner() {
    check(|| {
        let world = World::new(3);
        let (thief, spinner) = (world.spinner(1), world.spinner(2));
        // SAFETY: nobody else is here yet.
        (0..3).for_each(|_| unsafe { world.rings[0].push(WORK, |_| unreachable!()) });
        race(
            world,
            vec![
                Box::new(|world| world.run(thief)),
                Box::new(|world| world.run(spinner)),
                Box::new(|world| world.run(World::busy(0))),
            ],
        );
    });
}

/// Everything at once, beyond loom's reach: three Ms that come and go, two of them with goroutines
/// that end at once, and submitters with and without a P.
#[cfg(shuttle)]
#[test]
fn model_pool_under_load() {
    check(|| {
        let world = World::new(4);
        let ms = [M { short: 2, ..world.spinner(1) }, M { short: 1, ..World::busy(2) }];
        let mut threads: Vec<Box<dyn FnOnce(&World) + Send>> = vec![
            Box::new(|world| (0..3).for_each(|_| world.submit(&World::busy(0)))),
            Box::new(|world| (0..2).for_each(|_| world.submit_global())),
            Box::new(|world| world.run(World::busy(3))),
        ];
        for m in ms {
            threads.push(Box::new(|world| world.run(m)));
        }
        race(world, threads);
    });
}
