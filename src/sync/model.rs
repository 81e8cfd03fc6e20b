//! The locks under every schedule: the code itself, on the stand-ins of `base/stage.rs`.

use super::once::Once;
use super::raw::RawMutex;
use super::semaphore::Semaphore;
use crate::base::check::{Arc, Plain, check, thread};
use crate::base::stage::clock;

/// A mutex and what it protects.
struct Guarded {
    mutex: RawMutex,
    inside: Plain,
}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self { mutex: RawMutex::new(), inside: Plain::new(0) })
    }

    fn enter(&self) {
        self.mutex.lock();
        self.inside.bump();
        self.mutex.unlock();
    }
}

fn three_enter() {
    let guarded = Guarded::new();
    let others = [(); 2].map(|()| {
        let guarded = guarded.clone();
        thread::spawn(move || guarded.enter())
    });
    guarded.enter();
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!(guarded.inside.get(), 3);
    assert!(guarded.mutex.try_lock(), "free again");
}

#[test]
fn model_mutex_admits_one_and_forgets_nobody() {
    check(|| {
        clock::jump(0);
        three_enter();
    });
}

/// Each wait seems to take two milliseconds: every waiter starves, and is handed the mutex.
#[test]
fn model_starving_mutex_admits_one_and_forgets_nobody() {
    check(|| {
        clock::jump(2_000_000);
        three_enter();
    });
}

#[test]
fn model_try_lock_never_admits_a_second() {
    check(|| {
        clock::jump(0);
        let guarded = Guarded::new();
        let other = thread::spawn({
            let guarded = guarded.clone();
            move || guarded.enter()
        });
        if guarded.mutex.try_lock() {
            guarded.inside.bump();
            guarded.mutex.unlock();
        }
        other.join().unwrap();
        assert!(guarded.mutex.try_lock(), "free again");
    });
}

/// Two want both permits, one wants one: nobody is forgotten, and all permits come back.
#[test]
fn model_semaphore_serves_everyone_and_keeps_its_permits() {
    check(|| {
        let permits = Arc::new(Semaphore::new(2));
        let inside = Arc::new(Plain::new(0));
        let large = thread::spawn({
            let (permits, inside) = (permits.clone(), inside.clone());
            move || {
                permits.acquire(2);
                inside.bump();
                permits.release(2);
            }
        });
        let small = thread::spawn({
            let permits = permits.clone();
            move || {
                permits.acquire(1);
                permits.release(1);
            }
        });
        permits.acquire(2);
        inside.bump();
        permits.release(2);
        large.join().unwrap();
        small.join().unwrap();
        assert_eq!((permits.available(), inside.get()), (2, 2));
    });
}

#[test]
fn model_once_runs_once_and_everyone_sees_it_done() {
    check(|| {
        clock::jump(0);
        let once = Arc::new((Once::new(), Plain::new(0)));
        let others = [(); 2].map(|()| {
            let once = once.clone();
            thread::spawn(move || {
                once.0.call_once(|| assert_eq!(once.1.bump(), 0));
                assert_eq!(once.1.get(), 1, "it has been done, and is seen");
            })
        });
        if once.0.is_completed() {
            assert_eq!(once.1.get(), 1, "who sees it done sees what was done");
        }
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}
