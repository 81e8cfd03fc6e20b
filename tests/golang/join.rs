//! `spawn`, `Builder`, `JoinHandle`: as `std::thread`'s, and every result dropped exactly once.

use crate::support::{Counter, eventually, on_procs, panic_of, scaled, settle, words};
use gort::runtime::{goexit, goid, gosched};
use gort::{Builder, Goexit, JoinHandle, chan, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_result_comes_through_join_before_and_after_the_end() {
    on_procs(|| {
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        let h = spawn(|| 2);
        eventually(|| h.is_finished());
        assert!(h.is_finished());
        assert_eq!(h.join().unwrap(), 2);
        let gate = chan::<()>(0);
        let g = gate.clone();
        let h = spawn(move || {
            _ = g.recv();
            3
        });
        settle();
        assert!(!h.is_finished());
        gate.close();
        assert_eq!(h.join().unwrap(), 3);
    });
}

#[test]
fn panics_come_through_join_with_their_payload() {
    on_procs(|| {
        let end: Result<(), _> = spawn(|| panic!("text")).join();
        assert_eq!(words(&*end.unwrap_err()), "text");
        let end: Result<(), _> = spawn(|| panic!("number {}", 7)).join();
        assert_eq!(words(&*end.unwrap_err()), "number 7");
        let end: Result<(), _> = spawn(|| std::panic::panic_any(vec![1, 2])).join();
        assert_eq!(*end.unwrap_err().downcast::<Vec<i32>>().unwrap(), [1, 2]);
        let end: Result<(), _> = spawn(|| goexit()).join();
        let goexit = end.unwrap_err().downcast::<Goexit>().unwrap();
        assert!(goexit.to_string().contains("goexit"));
    });
}

/// How a joinable goroutine may end and what may become of its handle.
fn every_path<T: Send + 'static>(make: impl Fn() -> T + Send + Sync + Clone + 'static) {
    let gate = chan::<()>(0);
    let start = |early: bool| -> JoinHandle<T> {
        let (gate, make) = (gate.clone(), make.clone());
        spawn(move || {
            if early {
                _ = gate.recv();
            }
            make()
        })
    };
    let (joined_early, dropped_early) = (start(true), start(true));
    let joiner = spawn(move || drop(joined_early.join()));
    drop(dropped_early);
    settle();
    gate.close();
    joiner.join().unwrap();
    let (joined_late, dropped_late) = (start(false), start(false));
    eventually(|| joined_late.is_finished() && dropped_late.is_finished());
    drop(dropped_late);
    drop(joined_late.join());
    // In a race with the end.
    for i in 0..scaled(20, 100) {
        let h = start(false);
        (0..i % 4).for_each(|_| gosched());
        if i % 2 == 0 { drop(h) } else { drop(h.join()) }
    }
}

#[test]
fn results_are_dropped_once_however_the_handle_ends() {
    on_procs(|| {
        let counter = Counter::default();
        let of = counter.clone();
        every_path(move || of.make(1));
        counter.all_dropped_once();
        let of = counter.clone();
        every_path(move || [(); 7].map(|()| of.make(2))); // larger than a cell
        counter.all_dropped_once();
        let of = counter.clone();
        every_path(move || Box::new(of.make(3)));
        counter.all_dropped_once();
        assert!(counter.made() > 0);
    });
}

#[test]
fn payloads_are_dropped_once_however_the_handle_ends() {
    on_procs(|| {
        let counter = Counter::default();
        let of = counter.clone();
        every_path::<()>(move || std::panic::panic_any(of.make(1)));
        counter.all_dropped_once();
        assert!(counter.made() > 20);
    });
}

#[test]
fn what_a_closure_holds_is_dropped_at_its_end_whatever_the_end() {
    on_procs(|| {
        let counter = Counter::default();
        for how in 0..3 {
            let held = [(); 3].map(|()| counter.make(how));
            let before = counter.dropped();
            let end = spawn(move || {
                let _held = held;
                match how {
                    0 => (),
                    1 => panic!("an end"),
                    _ => goexit(),
                }
            });
            assert_eq!(end.join().is_err(), how > 0);
            assert_eq!(counter.dropped(), before + 3, "before join returns");
        }
    });
}

#[test]
fn results_of_every_size_and_alignment() {
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(4096))]
    struct Page(u8);
    fn through<T: Send + Clone + PartialEq + std::fmt::Debug + 'static>(value: T) {
        let v = value.clone();
        let got = spawn(move || v).join().unwrap();
        assert!((&raw const got).is_aligned());
        assert_eq!(got, value);
    }
    on_procs(|| {
        through(());
        through(1_u8);
        through([2_u64; 10]);
        through([3_u64; 11]);
        through([4_u64; 12]);
        through([5_u64; 13]);
        through([6_u8; 100_000]);
        through(1_u128);
        through(Page(7));
        through(vec![Some(String::from("eight")); 8]);
    });
}

/// Closures of every size and alignment: on the stack's top, and those too large for it.
#[test]
fn closures_of_every_size_and_alignment() {
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Line([u8; 64]);
    #[derive(Clone, Copy)]
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    on_procs(|| {
        let (small, line, page) = ([1_u8; 33], Line([2; 64]), Page([3; 4096]));
        let (edge, over, large) = ([4_u8; 4000], [5_u8; 4097], [6_u8; 100_000]);
        let n = scaled(20, 200);
        for _ in 0..n {
            let a = spawn(move || small.iter().map(|&b| usize::from(b)).sum::<usize>());
            let b = spawn(move || {
                assert!((&raw const line).is_aligned());
                line.0.iter().map(|&b| usize::from(b)).sum::<usize>()
            });
            let c = spawn(move || {
                assert!((&raw const page).is_aligned());
                page.0.iter().map(|&b| usize::from(b)).sum::<usize>()
            });
            let d = spawn(move || edge.iter().map(|&b| usize::from(b)).sum::<usize>());
            let e = spawn(move || over.iter().map(|&b| usize::from(b)).sum::<usize>());
            let f = spawn(move || large.iter().map(|&b| usize::from(b)).sum::<usize>());
            let sums = [a, b, c, d, e, f].map(|h| h.join().unwrap());
            assert_eq!(sums, [33, 128, 3 * 4096, 16_000, 5 * 4097, 600_000]);
        }
    });
}

/// The memory of a dead goroutine is used again: nothing of the old shines through.
#[test]
fn a_reused_goroutine_is_a_new_one() {
    on_procs(|| {
        let mut last = 0;
        for i in 0..scaled(200, 2000) {
            let h = match i % 3 {
                0 => Builder::new().name(format!("n{i}")).spawn(goid).unwrap(),
                1 => spawn(goid),
                _ => spawn(|| -> u64 { panic!("left behind") }),
            };
            let id = h.id();
            assert_ne!(id, last);
            last = id;
            assert_eq!(h.join().ok(), (i % 3 < 2).then_some(id));
        }
    });
}

#[test]
fn handles_travel_and_may_be_joined_anywhere() {
    on_procs(|| {
        let c = chan::<JoinHandle<usize>>(0);
        let d = c.clone();
        let adder = spawn(move || d.iter().map(|h| h.join().unwrap()).sum::<usize>());
        (0..100).for_each(|i| c.send(spawn(move || i)));
        c.close();
        assert_eq!(adder.join().unwrap(), 4950);
        let h = spawn(|| 5);
        assert_eq!(std::thread::spawn(move || h.join().unwrap()).join().unwrap(), 5);
    });
}

#[test]
fn a_detached_goroutine_goes_on() {
    on_procs(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let ran = ran.clone();
            drop(spawn(move || {
                gosched();
                ran.fetch_add(1, Ordering::Relaxed);
            }));
        }
        eventually(|| ran.load(Ordering::Relaxed) == 50);
    });
}

#[test]
fn a_builder_names_sizes_and_refuses() {
    on_procs(|| {
        let small = Builder::new().name("small".into()).stack_size(1).spawn(|| 1).unwrap();
        let large = Builder::new().stack_size(256 << 20).spawn(|| deep(200_000)).unwrap();
        assert_eq!((small.join().unwrap(), large.join().unwrap()), (1, 200_000));
        let error = Builder::new().stack_size(usize::MAX).spawn(|| ()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(format!("{:?}", Builder::new().name("shown".into())).contains("shown"));
    });
}

/// Uses a stack frame of at least 64 bytes per level.
fn deep(n: usize) -> usize {
    let pad = std::hint::black_box([n; 8]);
    if n == 0 { 0 } else { deep(n - 1) + 1 + pad[0] - std::hint::black_box(pad)[7] }
}

#[test]
fn a_handle_shows_itself_and_knows_its_goroutine() {
    on_procs(|| {
        let h = spawn(goid);
        assert!(format!("{h:?}").contains(&h.id().to_string()));
        let id = h.id();
        assert_eq!(h.join().unwrap(), id);
    });
}

/// A result whose destructor panics: through join it is the joiner's; in a dropped handle the
/// dropper's.
#[test]
fn a_result_that_panics_when_dropped_panics_where_it_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    on_procs(|| {
        assert_eq!(panic_of(|| drop(spawn(|| Bomb).join())), "bomb");
        let h = spawn(|| Bomb);
        eventually(|| h.is_finished());
        assert_eq!(panic_of(move || drop(h)), "bomb");
    });
}

/// Thousands of joins in flight from goroutines and a plain thread.
#[test]
fn many_spawns_and_joins_at_once() {
    on_procs(|| {
        let n = scaled(300, 3000);
        let outside = std::thread::spawn(move || {
            (0..n).map(|i| spawn(move || i)).map(|h| h.join().unwrap()).sum::<usize>()
        });
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                spawn(move || {
                    let handles: Vec<_> = (0..n).map(|i| spawn(move || i)).collect();
                    handles.into_iter().map(|h| h.join().unwrap()).sum::<usize>()
                })
            })
            .collect();
        let sum = n * (n - 1) / 2;
        assert!(spawners.into_iter().all(|s| s.join().unwrap() == sum));
        assert_eq!(outside.join().unwrap(), sum);
    });
}
