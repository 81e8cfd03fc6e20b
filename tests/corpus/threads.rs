//! OS threads, and what the standard library knows of the current one, inside goroutines.

use crate::Program;
use gort::runtime;
use gort::sync::WaitGroup;
use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread;

pub(crate) const PROGRAMS: &[Program] = &[
    ("thread_scope_inside", thread_scope_inside),
    ("the_current_thread", the_current_thread),
    ("std_mpsc_both_ways", std_mpsc_both_ways),
    ("std_locks_across_yields", std_locks_across_yields),
    ("hash_maps_and_their_keys", hash_maps_and_their_keys),
    ("errors_of_the_system", errors_of_the_system),
    ("pipes_and_files", pipes_and_files),
];

fn thread_scope_inside(_: usize) {
    let numbers: Vec<u64> = (0..32).collect();
    let h = gort::spawn(move || {
        let c = gort::chan(4);
        let half = numbers.len() / 2;
        let sum = thread::scope(|s| {
            let low = s.spawn(|| numbers[..half].iter().sum::<u64>());
            s.spawn(|| c.send(numbers[half..].iter().sum::<u64>()));
            low.join().expect("no panic") + c.recv().expect("a sum")
        });
        runtime::gosched();
        sum
    });
    assert_eq!(h.join().expect("no panic"), 496);
}

fn the_current_thread(_: usize) {
    let wg = WaitGroup::new();
    for _ in 0..6 {
        wg.go(|| {
            let me = thread::current();
            for _ in 0..4 {
                runtime::gosched();
                assert_eq!(thread::current().id(), me.id());
            }
        });
    }
    wg.wait();
}

fn std_mpsc_both_ways(_: usize) {
    let (tx, rx) = mpsc::channel();
    let h = gort::spawn(move || {
        for i in 0..8 {
            tx.send(i).expect("open");
            runtime::gosched();
        }
    });
    let mut sum = 0;
    while sum < 28 {
        match rx.try_recv() {
            Ok(i) => sum += i,
            Err(_) => runtime::gosched(),
        }
    }
    h.join().expect("no panic");
}

fn std_locks_across_yields(_: usize) {
    let shared = Arc::new((Mutex::new(0), RwLock::new(1)));
    let wg = WaitGroup::new();
    for _ in 0..4 {
        let shared = shared.clone();
        wg.go(move || {
            // Guards that may not change threads live across yields; nobody blocks for them.
            let read = shared.1.read().expect("no panic");
            runtime::gosched();
            loop {
                if let Ok(mut sum) = shared.0.try_lock() {
                    runtime::gosched();
                    *sum += *read;
                    break;
                }
                runtime::gosched();
            }
        });
    }
    wg.wait();
    assert_eq!(*shared.0.lock().expect("no panic"), 4);
}

fn hash_maps_and_their_keys(_: usize) {
    let wg = WaitGroup::new();
    for me in 0..6_usize {
        wg.go(move || {
            let mut map = HashMap::new();
            for i in 0..16 {
                map.insert(i, i * me);
                if i % 4 == 0 {
                    runtime::gosched();
                    let set: HashSet<usize> = map.keys().copied().collect();
                    assert_eq!(set.len(), map.len());
                }
            }
            assert_eq!(map[&15], 15 * me);
        });
    }
    wg.wait();
}

fn errors_of_the_system(_: usize) {
    let wg = WaitGroup::new();
    for me in 0..4 {
        wg.go(move || {
            let path = if me % 2 == 0 { "/nonexistent/x" } else { "/" };
            for _ in 0..4 {
                let error = std::fs::File::create(path).expect_err("no such file");
                runtime::gosched();
                let wanted = if me % 2 == 0 { 2 } else { 21 };
                assert_eq!(error.raw_os_error(), Some(wanted));
            }
        });
    }
    wg.wait();
}

fn pipes_and_files(_: usize) {
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let h = gort::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        text
    });
    runtime::gosched();
    writer.write_all(b"through a pipe").expect("room");
    drop(writer);
    assert_eq!(h.join().expect("no panic"), "through a pipe");
}
