//! `scope`: goroutines that borrow, and a scope that ends only after all of them.

use crate::support::{Counter, eventually, on_procs, panic_of, settle};
use gort::runtime::{goexit, gosched};
use gort::{Goexit, chan, scope, spawn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn scoped_goroutines_borrow_and_are_waited_for() {
    on_procs(|| {
        let (mut numbers, text) = (vec![1, 2, 3], String::from("text"));
        let ran = AtomicUsize::new(0);
        let got = scope(|s| {
            for n in &mut numbers {
                s.go(|| {
                    gort::time::sleep(Duration::from_micros(50));
                    *n *= text.len();
                    ran.fetch_add(1, Ordering::Relaxed);
                });
            }
            let h = s.spawn(|| text.len());
            assert_ne!(h.id(), 0);
            h.join().unwrap()
        });
        assert_eq!((got, numbers, ran.into_inner()), (4, vec![4, 8, 12], 3));
    });
}

#[test]
fn scopes_nest_and_goroutines_may_start_more() {
    on_procs(|| {
        let n = AtomicUsize::new(0);
        scope(|s| {
            for _ in 0..5 {
                s.go(|| {
                    scope(|inner| {
                        for _ in 0..5 {
                            inner.spawn(|| n.fetch_add(1, Ordering::Relaxed));
                        }
                    });
                    s.go(|| {
                        gosched();
                        s.spawn(|| n.fetch_add(100, Ordering::Relaxed));
                    });
                });
            }
        });
        assert_eq!(n.into_inner(), 525);
    });
}

#[test]
fn an_unjoined_panic_makes_the_scope_panic_after_all_have_ended() {
    on_procs(|| {
        for early in [false, true] {
            let ended = AtomicUsize::new(0);
            let told = panic_of(|| {
                scope(|s| {
                    s.go(|| {
                        settle();
                        ended.fetch_add(1, Ordering::Relaxed);
                    });
                    let h = s.spawn(|| panic!("scoped"));
                    if early {
                        // Dropped when it has ended already.
                        eventually(|| h.is_finished());
                    }
                });
            });
            assert!(told.contains("a scoped goroutine panicked"), "{told}");
            assert_eq!(ended.into_inner(), 1);
        }
    });
}

#[test]
fn a_joined_panic_is_the_joiners() {
    on_procs(|| {
        let got = scope(|s| {
            let end: Result<(), _> = s.spawn(|| panic!("joined")).join();
            crate::support::words(&*end.unwrap_err()).len()
        });
        assert_eq!(got, 6);
    });
}

#[test]
fn the_scopes_own_panic_wins_and_waits() {
    on_procs(|| {
        let ended = AtomicUsize::new(0);
        let told = panic_of(|| {
            scope(|s| {
                s.spawn(|| panic!("of a goroutine"));
                s.go(|| {
                    settle();
                    ended.fetch_add(1, Ordering::Relaxed);
                });
                panic!("of the scope");
            })
        });
        assert_eq!((told.as_str(), ended.into_inner()), ("of the scope", 1));
    });
}

#[test]
fn goexit_in_a_scope_waits_and_goes_on_exiting() {
    on_procs(|| {
        let ended = std::sync::Arc::new(AtomicUsize::new(0));
        let seen = ended.clone();
        let h = spawn(move || {
            scope(|s| {
                s.go(|| {
                    settle();
                    seen.fetch_add(1, Ordering::Relaxed);
                });
                goexit()
            })
        });
        let end: Result<(), _> = h.join();
        assert!(end.unwrap_err().is::<Goexit>());
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    });
}

/// A goroutine of a scope that goexits has not panicked.
#[test]
fn goexit_of_a_scoped_goroutine_is_no_panic() {
    on_procs(|| {
        scope(|s| {
            s.go(|| goexit());
            s.spawn(|| goexit());
            let end: Result<(), _> = s.spawn(|| goexit()).join();
            assert!(end.unwrap_err().is::<Goexit>());
        });
    });
}

#[test]
fn scoped_results_and_closures_are_dropped_before_the_scope_ends() {
    on_procs(|| {
        let counter = Counter::default();
        scope(|s| {
            for i in 0..10 {
                let held = counter.make(i);
                let of = &counter;
                s.go(move || drop(held));
                let h = s.spawn(move || [(); 5].map(|()| of.make(i)));
                match i % 3 {
                    0 => drop(h),
                    1 => drop(h.join()),
                    _ => {
                        eventually(|| h.is_finished());
                        drop(h);
                    }
                }
            }
        });
        assert_eq!((counter.made(), counter.dropped()), (60, 60));
    });
}

/// A scoped result that borrows is gone before what it borrows, also if nobody joins.
#[test]
fn an_unjoined_result_may_borrow() {
    struct Borrows<'a>(&'a AtomicUsize);
    impl Drop for Borrows<'_> {
        fn drop(&mut self) {
            gosched();
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    on_procs(|| {
        for _ in 0..20 {
            let n = AtomicUsize::new(0);
            scope(|s| {
                for _ in 0..5 {
                    s.spawn(|| Borrows(&n));
                    s.go(|| Borrows(&n));
                }
            });
            assert_eq!(n.into_inner(), 10);
        }
    });
}

#[test]
fn a_scope_on_a_plain_thread_blocks_that_thread() {
    on_procs(|| {});
    let mut squares = [0_usize; 50];
    scope(|s| {
        for (i, square) in squares.iter_mut().enumerate() {
            s.go(move || {
                gosched();
                *square = i * i;
            });
        }
    });
    assert!(squares.iter().enumerate().all(|(i, s)| *s == i * i));
}

/// A scope in a destructor, while a panic unwinds: it cannot leave its thread, and need not.
#[test]
fn a_scope_may_run_while_a_panic_unwinds() {
    struct Late(gort::Chan<usize>);
    impl Drop for Late {
        fn drop(&mut self) {
            let n = AtomicUsize::new(0);
            scope(|s| (0..5).for_each(|_| s.go(|| _ = n.fetch_add(1, Ordering::Relaxed))));
            self.0.send(n.into_inner());
        }
    }
    on_procs(|| {
        let c = chan(1);
        let late = Late(c.clone());
        let h = spawn(move || {
            let _late = late;
            panic!("on the way");
        });
        let end: Result<(), _> = h.join();
        assert!(end.is_err());
        assert_eq!(c.recv(), Some(5));
    });
}
