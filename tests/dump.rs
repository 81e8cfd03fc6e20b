//! `runtime::stack_dump`: what it says of every goroutine, while the program goes on.

mod support;

use gort::sync::{Mutex, WaitGroup};
use gort::{Chan, chan, go, runtime, spawn};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::{eventually, exclusive, on_procs, scaled, watched, with_procs};

/// The part of a dump that is about goroutine `id`.
fn part(dump: &str, id: u64) -> Option<&str> {
    dump.split("\n\n").find(|part| part.starts_with(&format!("goroutine {id} [")))
}

/// The function a goroutine is in. With line tables alone its name may lack the crate's.
fn innermost(part: &str) -> &str {
    part.lines().nth(1).unwrap_or_default()
}

#[inline(never)]
fn waits(c: &Chan<()>) {
    // Something to come back for, so that the frame stays.
    black_box(c.recv());
}

#[inline(never)]
fn deep(n: usize, c: &Chan<()>) {
    if n == 0 {
        return waits(c);
    }
    deep(black_box(n - 1), c);
    black_box(n);
}

#[test]
fn it_says_who_waits_for_what_and_where() {
    on_procs(|| {
        let (c, mutex) = (chan(0), Mutex::new(()));
        let held = mutex.lock();
        gort::scope(|s| {
            let receiver = s.spawn(|| waits(&c));
            let locker = s.spawn(|| drop(mutex.lock()));
            let sleeper =
                s.spawn(|| gort::time::sleep(Duration::from_millis(scaled(400, 100) as u64)));
            let ids = [receiver.id(), locker.id(), sleeper.id()];
            let mut dump = String::new();
            eventually(|| {
                dump = runtime::stack_dump();
                dump.contains("[chan receive]:")
                    && dump.contains("[sync.Mutex.Lock]:")
                    && dump.contains("[sleep]:")
            });
            let me = format!("goroutine {} [running]:\n", runtime::goid());
            assert!(dump.starts_with(&me), "the caller comes first:\n{dump}");
            let texts = ["[chan receive]:\n", "[sync.Mutex.Lock]:\n", "[sleep]:\n"];
            for (id, text) in ids.into_iter().zip(texts) {
                let part = part(&dump, id).unwrap_or_else(|| panic!("{id} is missing:\n{dump}"));
                assert!(part.contains(text), "{part}");
                assert_eq!(id == receiver.id(), innermost(part).ends_with("waits(...)"), "{part}");
                assert!(part.contains(&format!(" in goroutine {}\n\t", runtime::goid())), "{part}");
                assert!(part.contains("dump.rs:"), "{part}");
                assert!(!part.contains("gort::"), "the runtime's own frames:\n{part}");
            }
            drop(held);
            c.send(());
        });
    });
}

#[test]
fn the_middle_of_a_deep_stack_is_left_out() {
    on_procs(|| {
        let c = chan(0);
        let d = c.clone();
        let h = spawn(move || deep(300, &d));
        let mut dump = String::new();
        eventually(|| {
            dump = runtime::stack_dump();
            part(&dump, h.id()).is_some_and(|p| p.contains("[chan receive]"))
        });
        let part = part(&dump, h.id()).expect("it waits");
        let lines: Vec<&str> = part.lines().collect();
        let functions = lines.iter().filter(|l| l.ends_with("(...)")).count();
        assert_eq!(functions, 100, "fifty at each end:\n{part}");
        let elided = lines.iter().position(|l| l.ends_with(" frames elided...")).expect(part);
        assert_eq!(elided, 1 + 2 * 50, "after a header and fifty frames of two lines:\n{part}");
        let count: usize = lines[elided][3..].split(' ').next().unwrap().parse().unwrap();
        assert!((200..=210).contains(&count), "{}", lines[elided]);
        c.send(());
        h.join().unwrap();
    });
}

#[test]
fn a_goroutine_that_runs_elsewhere_has_no_stack_to_tell() {
    with_procs(2, || {
        let (stop, running) = (AtomicBool::new(false), AtomicBool::new(false));
        gort::scope(|s| {
            let hog = s.spawn(|| {
                running.store(true, Ordering::Release);
                while !stop.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
            });
            eventually(|| running.load(Ordering::Acquire));
            let dump = runtime::stack_dump();
            let part = part(&dump, hog.id()).expect("it runs");
            let text =
                "[running]:\n\tgoroutine running on other thread; stack unavailable\ncreated by ";
            assert!(part.contains(text), "{part}");
            stop.store(true, Ordering::Release);
        });
    });
}

#[test]
fn a_plain_thread_may_ask() {
    with_procs(2, || {
        let c = chan(0);
        let d = c.clone();
        let h = spawn(move || waits(&d));
        eventually(|| runtime::stack_dump().contains("[chan receive]"));
        let dump = std::thread::spawn(runtime::stack_dump).join().unwrap();
        assert!(
            part(&dump, h.id()).is_some_and(|p| innermost(p).ends_with("waits(...)")),
            "{dump}"
        );
        c.send(());
        h.join().unwrap();
    });
}

/// Threads and goroutines dump while others are born, talk, block, die, and the Ps change.
#[test]
fn a_dump_disturbs_nobody() {
    let _one = exclusive();
    watched(|| {
        gort::run(|| {
            let before = runtime::gomaxprocs(0);
            let (stop, dumps, passed) =
                (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
            let rounds = scaled(300, 2000) as u64;
            gort::scope(|s| {
                for _ in 0..2 {
                    s.go(|| {
                        while !stop.load(Ordering::Relaxed) {
                            let dump = runtime::stack_dump();
                            assert!(dump.starts_with(&format!(
                                "goroutine {} [running]:\n",
                                runtime::goid()
                            )));
                            dumps.fetch_add(1, Ordering::Relaxed);
                            gort::time::sleep(Duration::from_micros(300));
                        }
                    });
                }
                s.go(|| {
                    for n in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        runtime::gomaxprocs(1 + n % 4);
                        gort::time::sleep(Duration::from_millis(1));
                    }
                });
                s.go(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_micros(500));
                    }
                });
                let (there, back) = (chan(0), chan(0));
                let (a, b) = (there.clone(), back.clone());
                s.go(move || a.iter().for_each(|n: u64| b.send(n + 1)));
                for n in 0..rounds {
                    let wg = WaitGroup::new();
                    (0..8).for_each(|_| wg.go(runtime::gosched));
                    there.send(n);
                    passed.fetch_add(back.recv().expect("open") - n, Ordering::Relaxed);
                    wg.wait();
                }
                there.close();
                eventually(|| dumps.load(Ordering::Relaxed) > 4);
                stop.store(true, Ordering::Relaxed);
            });
            assert_eq!(passed.load(Ordering::Relaxed), rounds);
            runtime::gomaxprocs(before);
        });
    });
}

/// More goroutines than are noted in one go: each is there once.
#[test]
fn a_crowd_is_told_one_by_one() {
    with_procs(2, || {
        let (c, wg) = (chan(0), WaitGroup::new());
        let crowd = 5000;
        for _ in 0..crowd {
            let c = c.clone();
            wg.go(move || waits(&c));
        }
        let parked = |dump: &str| dump.matches("[chan receive]:\n").count();
        let mut dump = String::new();
        eventually(|| {
            dump = runtime::stack_dump();
            parked(&dump) == crowd
        });
        let mut ids: Vec<&str> = dump
            .lines()
            .filter_map(|l| l.strip_prefix("goroutine ")?.split_once(" [").map(|(id, _)| id))
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), all), (all, crowd + 1));
        // Nobody was disturbed: each still takes its message.
        (0..crowd).for_each(|_| c.send(()));
        wg.wait();
        go(|| ());
    });
}
