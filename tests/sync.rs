//! What the types of `gort::sync` promise, at 1, 2 and 4 processors, and from plain threads.

mod common;

use common::{at_procs, panic_of};
use gort::runtime::{goexit, gosched};
use gort::sync::{
    Barrier, Condvar, LazyLock, Map, MappedMutexGuard, Mutex, MutexGuard, Once, OnceLock, Pool,
    RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, WaitGroup,
};
use gort::time::sleep;
use gort::{chan, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(1);

/// Go's HammerMutex, with plain threads among the goroutines.
#[test]
fn mutex_excludes_goroutines_and_threads() {
    at_procs(|| {
        let shared = Arc::new(Mutex::new(0u64));
        let wg = WaitGroup::new();
        let hammer = |shared: Arc<Mutex<u64>>, n: usize| {
            move || {
                for i in 0..n {
                    if i % 7 == 0
                        && let Some(mut guard) = shared.try_lock()
                    {
                        *guard += 0;
                    }
                    let mut guard = shared.lock();
                    let before = *guard;
                    if i % 50 == 0 {
                        gosched();
                    }
                    *guard = before + 1;
                }
            }
        };
        let thread = std::thread::spawn(hammer(shared.clone(), 500));
        (0..8).for_each(|_| wg.go(hammer(shared.clone(), 500)));
        wg.wait();
        thread.join().unwrap();
        assert_eq!(*shared.lock(), 9 * 500);
        assert!(!shared.is_locked());
    });
}

/// Go's TestMutexFairness: who holds the lock most of the time does not starve the other.
#[test]
fn mutex_reaches_the_patient() {
    at_procs(|| {
        let shared = Arc::new(Mutex::new(false));
        go!({
            let shared = shared.clone();
            move || loop {
                let stop = shared.lock();
                if *stop {
                    break;
                }
                let start = Instant::now();
                while start.elapsed() < Duration::from_micros(100) {
                    gosched();
                }
            }
        });
        for i in 0..10 {
            sleep(Duration::from_micros(100));
            *shared.lock() = i == 9;
        }
    });
}

#[test]
fn mutex_is_unlocked_by_a_panic_and_has_no_poison() {
    at_procs(|| {
        let shared = Arc::new(Mutex::new(1));
        let other = shared.clone();
        let end = gort::spawn(move || {
            let _guard = other.lock();
            panic!("inside");
        });
        assert!(end.join().is_err());
        assert_eq!(format!("{:?}", *shared), "Mutex(1)");
        let guard = shared.lock();
        assert!(shared.try_lock().is_none());
        assert_eq!(format!("{shared:?}"), "Mutex(<locked>)");
        drop(guard);
        assert_eq!(Arc::into_inner(shared).map(Mutex::into_inner), Some(1));
    });
}

/// Go's HammerRWMutex.
#[test]
fn rwlock_admits_readers_or_one_writer() {
    at_procs(|| {
        let (shared, active) = (Arc::new(RwLock::new(0u64)), Arc::new(AtomicUsize::new(0)));
        let wg = WaitGroup::new();
        for _ in 0..2 {
            let (shared, active) = (shared.clone(), active.clone());
            wg.go(move || {
                for _ in 0..300 {
                    let mut guard = shared.write();
                    assert_eq!(active.fetch_add(10_000, Ordering::Relaxed), 0);
                    gosched();
                    *guard += 1;
                    active.fetch_sub(10_000, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..6 {
            let (shared, active) = (shared.clone(), active.clone());
            wg.go(move || {
                for _ in 0..300 {
                    let guard = shared.read();
                    assert!(active.fetch_add(1, Ordering::Relaxed) < 10_000);
                    gosched();
                    active.fetch_sub(1, Ordering::Relaxed);
                    drop(guard);
                }
            });
        }
        wg.wait();
        assert_eq!(*shared.read(), 600);
    });
}

#[test]
fn rwlock_writer_that_waits_holds_off_readers_and_lets_them_before_the_next() {
    at_procs(|| {
        let shared = Arc::new(RwLock::new(0));
        let reader = shared.read();
        let writer = gort::spawn({
            let shared = shared.clone();
            move || *shared.write() += 1
        });
        while shared.try_read().is_some() {
            gosched();
        }
        assert!(shared.try_write().is_none());
        let late = gort::spawn({
            let shared = shared.clone();
            move || *shared.read()
        });
        gosched();
        assert!(!late.is_finished());
        drop(reader);
        assert_eq!(late.join().unwrap(), 1, "after the writer");
        writer.join().unwrap();
        assert!(shared.try_write().is_some());
    });
}

/// Go's TestCondSignalGenerations: waiters are woken in the order in which they came.
#[test]
fn condvar_is_first_come_first_served() {
    at_procs(|| {
        const N: usize = 100;
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let (running, awake) = (chan(0), chan(N));
        for i in 0..N {
            let (shared, started, awake) = (shared.clone(), running.clone(), awake.clone());
            go(move || {
                let mut guard = shared.0.lock();
                started.send(());
                shared.1.wait(&mut guard);
                awake.send(i);
            });
            assert_eq!(running.recv(), Some(()));
        }
        let guard = shared.0.lock();
        drop(guard);
        for i in 0..N {
            shared.1.notify_one();
            assert_eq!(awake.recv(), Some(i));
        }
        shared.1.notify_all();
        assert!(awake.try_recv().is_err());
    });
}

#[test]
fn condvar_timeouts_race_with_notifications() {
    at_procs(|| {
        let shared = Arc::new((Mutex::new(0usize), Condvar::new()));
        let waiters: Vec<_> = (0..8u64)
            .map(|i| {
                let shared = shared.clone();
                gort::spawn(move || {
                    let mut notified = 0;
                    for n in 0..50 {
                        let mut guard = shared.0.lock();
                        let limit = Duration::from_micros((i * 13 + n) % 60);
                        notified +=
                            usize::from(!shared.1.wait_timeout(&mut guard, limit).timed_out());
                        *guard += 1;
                    }
                    notified
                })
            })
            .collect();
        let mut sent = 0;
        while *shared.0.lock() < 400 {
            shared.1.notify_one();
            sent += 1;
            gosched();
        }
        let woken: usize = waiters.into_iter().map(|w| w.join().unwrap()).sum();
        assert!(woken <= sent, "a wake-up without a notification");
    });
}

#[test]
fn once_runs_once_and_everyone_waits_for_it() {
    at_procs(|| {
        let shared = Arc::new((Once::new(), AtomicUsize::new(0)));
        let wg = WaitGroup::new();
        for _ in 0..10 {
            let shared = shared.clone();
            wg.go(move || {
                shared.0.call_once(|| {
                    sleep(SHORT);
                    shared.1.fetch_add(1, Ordering::Relaxed);
                });
                assert_eq!(shared.1.load(Ordering::Relaxed), 1);
            });
        }
        wg.wait();
        let once = Arc::new(Once::new());
        assert_eq!(panic_of(|| once.call_once(|| panic!("failed"))), "failed");
        assert!(once.is_completed());
        once.call_once(|| unreachable!());
        let left = Arc::new(Once::new());
        let other = left.clone();
        assert!(gort::spawn(move || other.call_once(|| goexit())).join().is_err());
        left.call_once(|| unreachable!());
    });
}

#[test]
fn once_lock_is_set_by_the_first() {
    at_procs(|| {
        let cell = Arc::new(OnceLock::new());
        assert_eq!(panic_of(|| cell.get_or_init(|| panic!("failed"))), "failed");
        assert_eq!(cell.get(), None, "a failed initialisation leaves it unset");
        let all: Vec<_> = (0..8)
            .map(|i| {
                let cell = cell.clone();
                gort::spawn(move || {
                    *cell.get_or_init(|| {
                        gosched();
                        i
                    })
                })
            })
            .collect();
        let first =
            *all.into_iter().map(|h| h.join().unwrap()).collect::<Vec<_>>().first().unwrap();
        assert_eq!(cell.get(), Some(&first));
        assert_eq!(cell.set(99), Err(99));
        let mut cell = Arc::into_inner(cell).unwrap();
        assert_eq!((cell.take(), cell.get()), (Some(first), None));
    });
}

#[test]
fn barrier_has_one_leader_per_round() {
    at_procs(|| {
        let (barrier, leaders) = (Arc::new(Barrier::new(5)), Arc::new(AtomicUsize::new(0)));
        let wg = WaitGroup::new();
        for _ in 0..5 {
            let (barrier, leaders) = (barrier.clone(), leaders.clone());
            wg.go(move || {
                for round in 0..20 {
                    assert!(leaders.load(Ordering::SeqCst) >= round);
                    if barrier.wait().is_leader() {
                        leaders.fetch_add(1, Ordering::SeqCst);
                    }
                    barrier.wait();
                    assert!(leaders.load(Ordering::SeqCst) > round);
                }
            });
        }
        wg.wait();
        assert_eq!(leaders.load(Ordering::SeqCst), 20);
    });
}

#[test]
fn semaphore_is_first_come_first_served_whatever_is_asked_for() {
    at_procs(|| {
        let permits = Arc::new(Semaphore::new(2));
        permits.acquire(1);
        let order = chan(3);
        for (name, k) in [("large", 3), ("small", 1)] {
            let (permits, order) = (permits.clone(), order.clone());
            let waits = permits.clone();
            go(move || {
                permits.acquire(k);
                order.send(name);
            });
            // Who waits keeps everybody else out: then the large one is in the queue.
            while waits.try_acquire(1) {
                waits.release(1);
                sleep(SHORT);
            }
        }
        assert!(!permits.try_acquire(1), "others wait");
        permits.release(1);
        sleep(SHORT);
        assert!(order.try_recv().is_err(), "the large one has two of three");
        permits.release(1);
        assert_eq!(order.recv(), Some("large"));
        permits.release(1);
        assert_eq!(order.recv(), Some("small"));
        assert_eq!(permits.available(), 0);
        assert_eq!(
            panic_of(|| {
                permits.release(usize::MAX);
                permits.release(1);
            }),
            "sync: semaphore overflow"
        );
    });
}

#[test]
fn guards_may_be_held_across_parks() {
    at_procs(|| {
        let (shared, c) = (Arc::new(Mutex::new(0)), chan(0));
        let wg = WaitGroup::new();
        for _ in 0..4 {
            let (shared, c) = (shared.clone(), c.clone());
            wg.go(move || {
                let mut guard = shared.lock();
                *guard += c.recv().unwrap();
            });
        }
        (1..=4).for_each(|i| c.send(i));
        wg.wait();
        assert_eq!(*shared.lock(), 10);
    });
}

#[test]
fn pool_gives_each_value_to_one() {
    at_procs(|| {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let pool = Arc::new(Pool::new(move || Box::new(count.fetch_add(1, Ordering::Relaxed))));
        let in_use = Arc::new(Mutex::new(std::collections::HashSet::new()));
        let wg = WaitGroup::new();
        for _ in 0..8 {
            let (pool, in_use) = (pool.clone(), in_use.clone());
            wg.go(move || {
                for _ in 0..200 {
                    let value = pool.get();
                    assert!(in_use.lock().insert(*value), "given out twice");
                    gosched();
                    assert!(in_use.lock().remove(&*value));
                    pool.put(value);
                }
            });
        }
        wg.wait();
        assert!(made.load(Ordering::Relaxed) <= 8 * 200);
    });
}

/// Go's TestMapMatchesRWMutex, by one party: every operation does what a plain map does.
#[test]
fn map_behaves_as_a_plain_map() {
    let (map, mut plain) = (Map::new(), std::collections::HashMap::new());
    for i in 0..20_000u32 {
        let (key, value) = (i.wrapping_mul(2_654_435_761) % 97, i);
        match i % 9 {
            0 | 1 => assert_eq!(map.swap(key, value), plain.insert(key, value)),
            2 => assert_eq!(map.load(&key), plain.get(&key).copied()),
            3 => assert_eq!(map.load_and_delete(&key), plain.remove(&key)),
            4 => {
                let loaded = plain.contains_key(&key);
                let now = *plain.entry(key).or_insert(value);
                assert_eq!(map.load_or_store(key, value), (now, loaded));
            }
            5 => {
                let old = plain.get(&key).copied().unwrap_or(0);
                let swapped = plain.get_mut(&key).map(|v| *v = value).is_some();
                assert_eq!(map.compare_and_swap(key, &old, value), swapped);
                assert!(!map.compare_and_swap(key, &u32::MAX, 1));
            }
            6 => assert!(!map.compare_and_delete(&key, &u32::MAX)),
            7 => {
                let old = plain.remove(&key);
                assert_eq!(old.is_some_and(|v| map.compare_and_delete(&key, &v)), old.is_some());
            }
            _ => map.store(key, *plain.entry(key).insert_entry(value).get()),
        }
    }
    let mut seen = std::collections::HashMap::new();
    map.range(|k, v| seen.insert(*k, *v).is_none());
    assert_eq!(seen, plain);
    map.clear();
    map.range(|_, _| unreachable!());
}

/// Go's TestConcurrentRange: a key that stays is seen exactly once, whatever goes on around it; and
/// TestMapRangeNestedCall: the function may use the map.
#[test]
fn map_range_sees_what_stays_exactly_once() {
    at_procs(|| {
        const N: u64 = 200;
        let map = Arc::new(Map::new());
        (1..=N).for_each(|k| map.store(k, k));
        let stop = chan::<()>(0);
        let wg = WaitGroup::new();
        for g in 1..=4u64 {
            let (map, stop) = (map.clone(), stop.clone());
            wg.go(move || {
                let mut n = 0;
                while stop.try_recv() == Err(gort::TryRecvError::Empty) {
                    n += 1;
                    for k in 1..N {
                        if (k + n) % g == 0 {
                            map.store(k, k * n * g);
                        } else {
                            map.load(&k);
                        }
                    }
                    gosched();
                }
            });
        }
        for _ in 0..10 {
            let mut seen = std::collections::HashSet::new();
            map.range(|k, v| {
                assert_eq!(v % k, 0);
                assert!(seen.insert(*k), "{k} twice");
                map.store(*k, *v);
                true
            });
            assert_eq!(seen.len(), N as usize);
        }
        stop.close();
        wg.wait();
    });
}

#[test]
fn guards_of_parts_hold_the_whole_lock() {
    at_procs(|| {
        let mutex = Mutex::new((1, vec![1, 2, 3]));
        let second = MutexGuard::map(mutex.lock(), |pair| &mut pair.1);
        let mut last = MappedMutexGuard::map(second, |list| list.last_mut().unwrap());
        *last = 9;
        assert!(mutex.try_lock().is_none());
        drop(last);
        assert_eq!(*mutex.lock(), (1, vec![1, 2, 9]));
        let whole = std::panic::AssertUnwindSafe(|| {
            drop(MutexGuard::map(mutex.lock(), |_| -> &mut i32 { panic!("no part") }));
        });
        assert_eq!(panic_of(whole), "no part");
        assert!(mutex.try_lock().is_some(), "a panic unlocks");

        let lock = RwLock::new((1, "one"));
        {
            let word = RwLockReadGuard::map(lock.read(), |pair| &pair.1);
            assert_eq!(
                (*word, lock.try_read().is_some(), lock.try_write().is_none()),
                ("one", true, true)
            );
        }
        *RwLockWriteGuard::map(lock.write(), |pair| &mut pair.0) += 1;
        assert_eq!(*lock.read(), (2, "one"));
    });
}

/// Readers that waited for the writer go on when it becomes a reader; the next writer waits for all.
#[test]
fn downgrade_lets_no_writer_in_between() {
    at_procs(|| {
        let lock = Arc::new(RwLock::new(0));
        let wg = WaitGroup::new();
        let mut write = lock.write();
        for _ in 0..4 {
            let other = lock.clone();
            wg.go(move || assert!(*other.read() >= 1));
            let other = lock.clone();
            wg.go(move || *other.write() += 1);
        }
        (0..20).for_each(|_| gosched());
        *write = 1;
        let read = RwLockWriteGuard::downgrade(write);
        (0..20).for_each(|_| gosched());
        assert_eq!(*read, 1, "a writer came in between");
        drop(read);
        wg.wait();
        assert_eq!(*lock.read(), 5);
    });
}

#[test]
fn lazy_values_are_made_once_and_a_failure_is_kept() {
    at_procs(|| {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let lazy = Arc::new(LazyLock::new(move || {
            gosched();
            count.fetch_add(1, Ordering::Relaxed)
        }));
        let wg = WaitGroup::new();
        for _ in 0..10 {
            let lazy = lazy.clone();
            wg.go(move || assert_eq!(**lazy, 0));
        }
        wg.wait();
        assert_eq!(made.load(Ordering::Relaxed), 1);
        let bad = LazyLock::<u8>::new(|| panic!("no value"));
        assert_eq!(panic_of(|| _ = *bad), "no value");
        assert!(panic_of(|| _ = *bad).contains("poisoned"));
    });
}

#[test]
fn condvar_waits_for_its_condition_or_the_end_of_its_time() {
    at_procs(|| {
        let (mutex, condvar) = (Mutex::new(0), Condvar::new());
        let mut guard = mutex.lock();
        assert!(condvar.wait_timeout_while(&mut guard, SHORT, |n| *n == 0).timed_out());
        assert!(!condvar.wait_timeout_while(&mut guard, SHORT, |n| *n == 1).timed_out());
    });
}
