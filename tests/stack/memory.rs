//! Memory that comes back, and goroutines that do not notice.

use crate::alone::{alone, alone_with};
use crate::support::scaled;
use gort::Chan;
use gort::stack::released;
use gort::sync::WaitGroup;
use std::hint::black_box;
use std::time::Duration;

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}

/// Comes `bytes` down the stack, writing all of it, and calls `f` there; then checks what it wrote.
#[inline(never)]
fn deep<T>(bytes: usize, f: &mut dyn FnMut() -> T) -> T {
    let frame = black_box([bytes as u64; 500]);
    let result = if bytes < 4096 { f() } else { deep(bytes - 4096, f) };
    assert!(frame.iter().all(|word| *word == bytes as u64), "a frame has changed");
    result
}

/// Waits until `reached`; the harness ends a test in which that never happens.
fn wait_until(reached: impl Fn() -> bool) {
    while !reached() {
        gort::time::sleep(Duration::from_millis(20));
    }
}

/// Goroutines that come down a megabyte each time they are told to, and are parked near the top in
/// between. They end when the channel is closed.
fn divers(count: usize, depth: usize) -> (Chan<()>, WaitGroup, WaitGroup) {
    let go = gort::chan::<()>(0);
    let (done, ended) = (WaitGroup::new(), WaitGroup::new());
    for _ in 0..count {
        let (go, done) = (go.clone(), done.clone());
        ended.go(move || {
            while go.recv().is_some() {
                deep(depth, &mut || ());
                done.done();
            }
        });
    }
    (go, done, ended)
}

fn dive(count: usize, go: &Chan<()>, done: &WaitGroup) {
    done.add(count as isize);
    (0..count).for_each(|_| go.send(()));
    done.wait();
}

#[test]
fn parked_goroutines_give_their_depth_back() {
    alone("memory::parked_goroutines_give_their_depth_back", || {
        let count = scaled(200, 400);
        gort::run(|| {
            let (go, done, ended) = divers(count, 1 << 20);
            gort::time::sleep(Duration::from_millis(50));
            let never_deep = resident();
            for _ in 0..2 {
                let before = released();
                dive(count, &go, &done);
                wait_until(|| resident() < never_deep * 13 / 10);
                let back = (released() - before) as usize;
                // Unoptimized frames are larger.
                assert!(back > count * 1_000_000 && back < count * 4_000_000, "{back}");
            }
            go.close();
            ended.wait();
        });
    });
}

#[test]
fn dead_goroutines_give_their_depth_back() {
    alone("memory::dead_goroutines_give_their_depth_back", || {
        let count = scaled(200, 400);
        gort::run(|| {
            let before = resident();
            let (go, done, ended) = divers(count, 1 << 20);
            dive(count, &go, &done);
            go.close();
            ended.wait();
            wait_until(|| resident() < before + count * 40_000);
            assert!(released() as usize > count * 1_000_000);
            // They are good for further lives.
            let (go, done, ended) = divers(count, 200_000);
            dive(count, &go, &done);
            go.close();
            ended.wait();
        });
    });
}

#[test]
fn segments_give_their_pages_back() {
    alone("memory::segments_give_their_pages_back", || {
        gort::run(|| {
            let before = resident();
            let parked = gort::chan::<()>(0);
            let count = 20;
            let wg = WaitGroup::new();
            for i in 0..count {
                let parked = parked.clone();
                wg.go(move || {
                    // Deep on both stacks, and parked on the inner one or the outer one.
                    gort::stack::grow(|| deep(1 << 20, &mut || ()));
                    deep(1 << 20, &mut || ());
                    if i % 2 == 0 {
                        gort::stack::grow(|| assert!(parked.recv().is_none()));
                    } else {
                        assert!(parked.recv().is_none());
                    }
                });
            }
            wait_until(|| released() as usize > 2 * count * 1_000_000);
            wait_until(|| resident() < before + (4 << 20));
            parked.close();
            wg.wait();
        });
    });
}

#[test]
fn frames_survive_a_scavenger_that_never_rests() {
    let debug = [("GORT_DEBUG", "scavenge=1")];
    alone_with("memory::frames_survive_a_scavenger_that_never_rests", &debug, || {
        gort::run(|| {
            let (rounds, each) = (scaled(20, 100), 64);
            for procs in [1, 2, 4] {
                gort::runtime::gomaxprocs(procs);
                let wg = WaitGroup::new();
                let (there, back) = (gort::chan::<usize>(0), gort::chan::<usize>(3));
                for id in 0..each {
                    let (there, back) = (there.clone(), back.clone());
                    wg.go(move || {
                        for round in 0..rounds {
                            let depth = (id * 977 + round * 12_289) % 300_000;
                            // Parks deep down, then higher up, then sleeps, at the top of all.
                            let got = deep(depth, &mut || there.recv().expect("is open"));
                            deep(depth / 3, &mut || back.send(got + 1));
                            if round % 5 == 0 {
                                gort::stack::grow(|| {
                                    gort::time::sleep(Duration::from_millis((id % 7) as u64));
                                });
                            }
                        }
                    });
                }
                let feeder = gort::spawn({
                    let there = there.clone();
                    move || (0..each * rounds).for_each(|i| there.send(i))
                });
                let sum: usize = (0..each * rounds).filter_map(|_| back.recv()).sum();
                let n = each * rounds;
                assert_eq!(sum, n * (n + 1) / 2);
                feeder.join().unwrap();
                wg.wait();
                // Short lives on stacks that were emptied.
                for _ in 0..rounds {
                    let lives: Vec<_> =
                        (0..each).map(|i| gort::spawn(move || deep(i * 5000, &mut || i))).collect();
                    let sum: usize = lives.into_iter().map(|h| h.join().unwrap()).sum();
                    assert_eq!(sum, each * (each - 1) / 2);
                }
            }
            wait_until(|| released() > 0);
        });
    });
}
