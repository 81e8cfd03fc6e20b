//! Borrows of thread-locals, and of other goroutines' stacks, across everything that may park.

use crate::Program;
use gort::sync::WaitGroup;
use gort::{Chan, runtime};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const PROGRAMS: &[Program] = &[
    ("refcell_across_channels", refcell_across_channels),
    ("cell_taken_and_put_back", cell_taken_and_put_back),
    ("rc_shared_with_a_thread_local", rc_shared_with_a_thread_local),
    ("borrow_across_select", borrow_across_select),
    ("borrow_across_sleep", borrow_across_sleep),
    ("borrow_across_join", borrow_across_join),
    ("borrow_across_a_mutex", borrow_across_a_mutex),
    ("nested_borrows", nested_borrows),
    ("lazy_thread_local", lazy_thread_local),
    ("destructor_that_sends", destructor_that_sends),
    ("stack_of_one_that_recurses", stack_of_one_that_recurses),
    ("many_borrow_one_stack", many_borrow_one_stack),
];

thread_local! {
    static LIST: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static SHARED: Rc<Cell<usize>> = Rc::new(Cell::new(0));
    static LAZY: OnceCell<String> = const { OnceCell::new() };
    static MAP: RefCell<HashMap<usize, String>> = RefCell::new(HashMap::new());
}

/// Runs `f` with the list, unless somebody on this thread has it: pinned goroutines share what is their
/// thread's, and a borrow of one of them is there for the others to see.
fn with_list(f: impl FnOnce(&mut Vec<usize>)) {
    LIST.with(|list| {
        if let Ok(mut list) = list.try_borrow_mut() {
            f(&mut list);
        }
    });
}

/// Starts `n` goroutines that pass through `c` in pairs: even numbers send, odd ones receive.
fn pairs(n: usize, body: impl Fn(usize, &Chan<usize>) + Copy + Send + 'static) {
    let c = gort::chan(0);
    let wg = WaitGroup::new();
    for me in 0..n {
        let c = c.clone();
        wg.go(move || body(me, &c));
    }
    wg.wait();
}

fn meet(me: usize, c: &Chan<usize>) -> usize {
    if me.is_multiple_of(2) {
        c.send(me);
        me
    } else {
        c.recv().expect("a partner")
    }
}

fn refcell_across_channels(_: usize) {
    pairs(8, |me, c| {
        let mut met = 0;
        with_list(|list| {
            let before = list.len();
            while met < 4 {
                meet(me, c);
                met += 1;
                list.push(me);
            }
            assert!(list[before..].iter().all(|&n| n == me));
            list.truncate(before);
        });
        // The partners expect as many from each.
        while met < 4 {
            meet(me, c);
            met += 1;
        }
    });
}

fn cell_taken_and_put_back(_: usize) {
    pairs(8, |me, c| {
        COUNT.with(|count| {
            let old = count.take();
            meet(me, c);
            count.set(old + 1);
            runtime::gosched();
            // Somebody else on this thread may have taken it, or added to it.
            assert!(count.get() < usize::MAX / 2);
        });
    });
}

fn rc_shared_with_a_thread_local(_: usize) {
    pairs(8, |me, c| {
        let mine = SHARED.with(Rc::clone);
        for _ in 0..4 {
            let another = Rc::clone(&mine);
            meet(me, c);
            another.set(another.get() + 1);
            drop(SHARED.with(Rc::clone));
        }
        assert!(Rc::strong_count(&mine) >= 2);
    });
}

fn borrow_across_select(run: usize) {
    let (a, b) = (gort::chan::<usize>(0), gort::chan::<usize>(1));
    let (c, d) = (a.clone(), b.clone());
    let h = gort::spawn(move || {
        let mut sum = 0;
        LIST.with_borrow(|list| {
            for _ in 0..6 {
                gort::select! {
                    recv(c) -> v => sum += v.expect("open") + list.len(),
                    recv(d) -> v => sum += v.expect("open") + list.len(),
                }
            }
        });
        sum
    });
    for i in 0..6 {
        if (run + i).is_multiple_of(2) { a.send(i) } else { b.send(i) }
    }
    assert_eq!(h.join().expect("no panic"), 15);
}

fn borrow_across_sleep(_: usize) {
    pairs(4, |me, _| {
        MAP.with(|map| {
            let Ok(mut map) = map.try_borrow_mut() else { return };
            map.insert(me, format!("{me}"));
            gort::time::sleep(Duration::from_micros(20));
            assert_eq!(map.remove(&me).as_deref(), Some(format!("{me}").as_str()));
        });
    });
}

fn borrow_across_join(_: usize) {
    fn sum(n: usize) -> usize {
        if n == 0 {
            return 0;
        }
        let child = gort::spawn(move || sum(n - 1));
        COUNT.with(|count| {
            let before = count.get();
            let below = child.join().expect("no panic");
            assert_eq!(count.get(), before);
            below + n
        })
    }
    assert_eq!(sum(8), 36);
}

fn borrow_across_a_mutex(_: usize) {
    let total = gort::sync::Mutex::new(0);
    gort::scope(|s| {
        for _ in 0..6 {
            s.go(|| {
                SHARED.with(|shared| {
                    let mut total = total.lock();
                    let before = shared.get();
                    runtime::gosched();
                    *total += 1;
                    assert_eq!(shared.get(), before);
                });
            });
        }
    });
    assert_eq!(total.into_inner(), 6);
}

fn nested_borrows(_: usize) {
    pairs(6, |me, c| {
        meet(me, c);
        with_list(|list| {
            MAP.with(|map| {
                let Ok(mut map) = map.try_borrow_mut() else { return };
                SHARED.with(|shared| {
                    runtime::gosched();
                    list.push(me);
                    map.insert(list.len(), String::from("x"));
                    shared.set(shared.get() + list.len());
                    gort::time::sleep(Duration::from_micros(10));
                });
                map.clear();
            });
            list.clear();
        });
        meet(me, c);
    });
}

fn lazy_thread_local(_: usize) {
    pairs(6, |me, c| {
        LAZY.with(|lazy| {
            let text = lazy.get_or_init(|| format!("made by {me}"));
            let before = text.clone();
            meet(me, c);
            assert_eq!(*text, before);
        });
    });
}

fn destructor_that_sends(_: usize) {
    /// Says goodbye.
    struct Farewell(RefCell<Option<Chan<usize>>>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            if let Some(c) = self.0.take() {
                c.send(1);
            }
        }
    }
    thread_local! {
        static FAREWELL: Farewell = const { Farewell(RefCell::new(None)) };
    }
    let c = gort::chan(8);
    for _ in 0..4 {
        let d = c.clone();
        let h = gort::spawn(move || FAREWELL.with(|f| f.0.replace(Some(d))).map_or(0, |_| 1));
        // Pinned goroutines find what the one before has left on the thread.
        h.join().expect("no panic");
    }
    while c.try_recv().is_ok() {}
}

fn stack_of_one_that_recurses(_: usize) {
    /// Uses some stack, deep down waits, and reads the frames above.
    fn deep(level: usize, above: &[usize; 16], c: &Chan<usize>) -> usize {
        let here = [level; 16];
        if level == 60 {
            return c.recv().expect("a number") + above[3];
        }
        deep(level + 1, &here, c) + above[level % 16] - here[0] + level
    }
    let c = gort::chan(0);
    let numbers: Vec<usize> = (0..64).collect();
    let sum = gort::scope(|s| {
        let handle = s.spawn(|| deep(0, &[0; 16], &c));
        // Another goroutine reads this one's stack while both go on.
        let reader = s.spawn(|| numbers.iter().inspect(|_| runtime::gosched()).sum::<usize>());
        c.send(reader.join().expect("no panic"));
        handle.join().expect("no panic")
    });
    assert!(sum >= numbers.iter().sum());
}

fn many_borrow_one_stack(_: usize) {
    let mut results = [0; 8];
    let input: [usize; 8] = std::array::from_fn(|i| i + 1);
    gort::scope(|s| {
        for (i, result) in results.iter_mut().enumerate() {
            let input = &input;
            s.go(move || {
                for n in input {
                    runtime::gosched();
                    *result += n * i;
                }
            });
        }
    });
    assert!(results.iter().enumerate().all(|(i, r)| *r == 36 * i));
}
