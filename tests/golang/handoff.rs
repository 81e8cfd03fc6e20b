//! Who runs when a lock is handed over: `runtime/sema_test.go` and `sync/mutex_test.go`.

use crate::support::{on_procs, scaled, with_procs};
use gort::runtime::gosched;
use gort::sync::{Mutex, Semaphore, WaitGroup};
use gort::time::sleep;
use gort::{chan, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn claim(first: &AtomicUsize, who: usize) {
    let _ = first.compare_exchange(0, who, Ordering::Relaxed, Ordering::Relaxed);
}

/// Whether a waiter that has become impatient runs before who unlocks goes on.
fn waiter_was_first() -> bool {
    let (lock, first) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
    let done = chan::<()>(0);
    let held = lock.lock();
    go({
        let (lock, first, done) = (lock.clone(), first.clone(), done.clone());
        move || {
            drop(lock.lock());
            claim(&first, 1);
            done.close();
        }
    });
    // It waits for longer than a lock may keep it, is woken, finds that it is late again, and from then
    // on the lock is handed over.
    sleep(Duration::from_micros(1_500));
    drop(held);
    let held = lock.lock();
    gosched();
    sleep(Duration::from_micros(100));
    drop(held);
    claim(&first, 2);
    assert_eq!(done.recv(), None);
    first.load(Ordering::Relaxed) == 1
}

/// TestSemaHandoff1 and 2: in two of three cases at least. On one P, where nobody else can run the waiter.
#[test]
fn a_lock_handed_over_takes_the_processor_along() {
    with_procs(1, || {
        let all = scaled(30, 200);
        let right = (0..all).filter(|_| waiter_was_first()).count();
        assert!(right * 3 >= all * 2, "{right} of {all}");
    });
}

/// TestSemaphore (HammerSemaphore): a semaphore of one is a lock.
#[test]
fn a_semaphore_of_one_excludes() {
    on_procs(|| {
        let (one, inside) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicUsize::new(0)));
        let wg = WaitGroup::new();
        for _ in 0..10 {
            let (one, inside) = (one.clone(), inside.clone());
            wg.go(move || {
                for i in 0..scaled(100, 1000) {
                    one.acquire(1);
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    if i % 10 == 0 {
                        gosched();
                    }
                    inside.fetch_sub(1, Ordering::Relaxed);
                    one.release(1);
                }
            });
        }
        wg.wait();
    });
}

/// TestMutex: tries and locks by turns. (TestMutexMisuse asks for the end of a program that unlocks what is not
/// locked, which no safe program can: the guard unlocks, once.)
#[test]
fn tries_fail_while_it_is_held_and_only_then() {
    on_procs(|| {
        let lock = Mutex::new(0);
        let held = lock.lock();
        assert!(lock.try_lock().is_none() && lock.is_locked());
        drop(held);
        *lock.try_lock().expect("nobody holds it") += 1;
        assert_eq!(*lock.lock(), 1);
        assert!(!lock.is_locked());
    });
}
