//! Cases about how a program ends: deadlocks, panics nobody takes, overflows, faults.

use crate::cases::alone;
use gort::sync::WaitGroup;
use gort::{Builder, Config, OnOverflow, OnPanic, chan, go, runtime, spawn, time};
use std::hint::black_box;
use std::time::Duration;

/// Runs the case of this name, if it is one of these.
pub(crate) fn run(case: &str) -> bool {
    match case {
        "deadlock_reasons" => alone(deadlock_reasons),
        "deadlock_after_thread" => alone(deadlock_after_thread),
        "deadlock_after_block" => alone(deadlock_after_block),
        "goexit_after_block" => alone(goexit_after_block),
        "deadlock_of_a_run" => alone(deadlock_of_a_run),
        "endless_sleep" => alone(endless_sleep),
        "first_ids" => alone(first_ids),
        "panic_while_busy" => panic_while_busy(),
        "panic_twice" => panic_twice(),
        "panic_value" => panic_value(),
        "panic_on_small_stack" => panic_on_small_stack(),
        "result_panics" => result_panics(),
        "isolated_all" => isolated_all(),
        "exit_while_busy" => exit_while_busy(),
        "overflow_gib" => overflow_gib(),
        "overflow_big_frames" => overflow_big_frames(),
        "overflow_moved" => overflow_moved(),
        "overflow_in_drop" => overflow_in_drop(),
        "overflow_many" => overflow_many(),
        "overflow_thread" => overflow_thread(),
        "overflow_no_alt_stack" => overflow_no_alt_stack(),
        "almost_overflow" => almost_overflow(),
        "plain_handler" => plain_handler(),
        "segv_ignored" => segv_ignored(),
        _ => return false,
    }
    true
}

/// Everybody waits for something else; the dump has Go's word for each.
fn deadlock_reasons() {
    gort::run(|| {
        let wg = WaitGroup::new();
        wg.add(1);
        let c = chan(1);
        c.send(0);
        let (full, group) = (c.clone(), wg.clone());
        go(move || full.send(1));
        go(move || group.wait());
        go(|| drop(spawn(|| gort::Chan::<u8>::nil().recv()).join()));
        go(|| gort::Chan::nil().send(1));
        chan::<()>(0).recv()
    });
}

/// A thread of the program's own ends without a word; only then is it a deadlock.
fn deadlock_after_thread() {
    let c = chan::<()>(0);
    let other = c.clone();
    std::thread::spawn(move || {
        let _could_send = other;
        std::thread::sleep(Duration::from_millis(300));
        eprintln!("the thread ends");
    });
    gort::run(move || c.recv());
}

/// Main blocks its thread so long that its P is taken away and goes to sleep; then it parks.
fn block_and_lose_the_p() {
    // More than one P, or a goroutine waiting for main's: both lose it.
    go(|| ());
    std::thread::sleep(Duration::from_millis(150));
}

fn deadlock_after_block() {
    gort::run(|| {
        block_and_lose_the_p();
        chan::<()>(0).recv()
    });
}

fn goexit_after_block() {
    gort::run(|| {
        block_and_lose_the_p();
        runtime::goexit();
    });
}

/// The second run of the process, after a good first one.
fn deadlock_of_a_run() {
    gort::run(|| spawn(|| ()).join().unwrap());
    eprintln!("first run over");
    gort::run(|| {
        time::sleep(Duration::from_millis(1));
        chan::<()>(0).recv()
    });
}

/// A sleep that never ends is no deadlock: the alarm ends the process.
fn endless_sleep() {
    // SAFETY: asks for a signal in a second.
    unsafe { libc::alarm(1) };
    gort::run(|| time::sleep(Duration::MAX));
}

/// In a fresh process main is goroutine 1, and alone.
fn first_ids() {
    gort::run(|| {
        assert_eq!((runtime::goid(), runtime::num_goroutine()), (1, 1));
        assert!(spawn(runtime::goid).join().unwrap() > 1);
        assert_eq!(runtime::goid(), 1);
        println!("done");
    });
}

fn panic_while_busy() {
    Config::new()
        .procs(2)
        .run(|| {
            go(|| panic!("boom"));
            let mut n = 0_u64;
            loop {
                n = black_box(n.wrapping_add(1));
            }
        })
        .unwrap()
}

/// Several at once: one report after the other, and one end.
fn panic_twice() {
    gort::run(|| {
        for i in 0..20 {
            go(move || {
                runtime::gosched();
                panic!("boom {i}");
            });
        }
        chan::<()>(0).recv()
    });
}

fn panic_value() {
    gort::run(|| {
        go(|| std::panic::panic_any(7_u8));
        chan::<()>(0).recv()
    });
}

/// The report itself needs stack: it must fit on the smallest.
fn panic_on_small_stack() {
    let small = Config::new().stack_ladder(&[(usize::MAX, 64 << 10)]);
    small
        .run(|| {
            go(|| panic!("boom"));
            chan::<()>(0).recv()
        })
        .unwrap();
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

fn result_panics() {
    gort::run(|| {
        go(|| Bomb);
        chan::<()>(0).recv()
    });
}

/// Whatever goes wrong in a goroutine nobody joins stays there.
fn isolated_all() {
    let isolated = Config::new().on_panic(OnPanic::Isolate);
    isolated
        .run(|| {
            go(|| Bomb);
            go(|| std::panic::panic_any(Bomb));
            drop(spawn(|| {
                runtime::gosched();
                Bomb
            }));
            gort::scope(|s| s.go(|| panic!("in a scope")));
            let wg = WaitGroup::new();
            (0..10).for_each(|_| wg.go(|| panic!("in a group")));
            wg.wait();
            while runtime::num_goroutine() > 1 {
                runtime::gosched();
            }
            assert_eq!(spawn(|| 3).join().unwrap(), 3);
        })
        .unwrap();
    println!("done");
}

/// The process ends in the midst of work on every thread.
fn exit_while_busy() {
    gort::run(|| {
        for i in 0..50 {
            let c = chan(i % 3);
            let d = c.clone();
            go(move || {
                let mut n = 0_u64;
                loop {
                    d.send(n);
                    n += 1;
                }
            });
            go(move || c.iter().for_each(drop));
            go(|| {
                loop {
                    time::sleep(Duration::from_micros(10));
                }
            });
            go(|| {
                loop {
                    runtime::gosched();
                }
            });
        }
        (0..100).for_each(|_| runtime::gosched());
        println!("done");
    });
    std::process::exit(0);
}

#[expect(unconditional_recursion, reason = "it is to overflow")]
fn forever(n: u64) -> u64 {
    black_box(forever(n + 1)) + black_box(n)
}

fn overflow_gib() {
    fatal().run(|| drop(spawn(|| forever(0)).join())).unwrap();
}

/// A configuration in which overflows are reported.
pub(crate) fn fatal() -> Config {
    Config::new().on_overflow(OnOverflow::Fatal)
}

/// Frames of 200 KB: the compiler's stack probes touch each page on the way down.
fn overflow_big_frames() {
    #[expect(unconditional_recursion, reason = "it is to overflow")]
    fn big(n: usize) -> usize {
        let frame = black_box([n as u8; 200_000]);
        black_box(big(n + 1)) + usize::from(frame[n % 200_000])
    }
    fatal().max_stack(8 << 20).run(|| drop(spawn(|| big(0)).join())).unwrap();
}

/// The main goroutine, after it has left the thread that called `run`.
fn overflow_moved() {
    let small = fatal().max_stack(16 << 20);
    small
        .run(|| {
            time::sleep(Duration::from_millis(1));
            forever(0)
        })
        .unwrap();
}

/// While a panic unwinds: the report wins.
fn overflow_in_drop() {
    struct Deep;
    impl Drop for Deep {
        fn drop(&mut self) {
            black_box(forever(0));
        }
    }
    let small = fatal().max_stack(1 << 20);
    small
        .run(|| {
            let h = spawn(|| {
                let _deep = Deep;
                panic!("on the way");
            });
            let _: Result<(), _> = h.join();
        })
        .unwrap();
}

fn overflow_many() {
    let small = fatal().max_stack(1 << 20).procs(4);
    small
        .run(|| {
            (0..20).for_each(|_| go(|| forever(0)));
            chan::<()>(0).recv()
        })
        .unwrap();
}

/// On a plain thread it is the standard library's affair, as if we were not there.
fn overflow_thread() {
    gort::run(|| spawn(|| ()).join().unwrap());
    let _ = std::thread::spawn(|| forever(0)).join();
}

/// A thread made by C has no alternate signal stack of its own.
fn overflow_no_alt_stack() {
    extern "C" fn body(_: *mut libc::c_void) -> *mut libc::c_void {
        fatal().max_stack(1 << 20).run(|| forever(0)).unwrap();
        std::ptr::null_mut()
    }
    let mut thread = std::mem::MaybeUninit::uninit();
    // SAFETY: starts and joins a thread whose body takes no argument.
    unsafe {
        let made =
            libc::pthread_create(thread.as_mut_ptr(), std::ptr::null(), body, std::ptr::null_mut());
        assert_eq!(made, 0);
        libc::pthread_join(thread.assume_init(), std::ptr::null_mut());
    }
}

/// What was asked for can be used, nearly to the last KiB.
fn almost_overflow() {
    /// Goes down to `end`; counts the levels.
    fn down_to(end: usize, level: u8) -> usize {
        let frame = black_box([level; 1024]);
        let here = (&raw const frame).addr();
        let below = if here < end { 0 } else { down_to(end, level.wrapping_add(1)) };
        below + usize::from(black_box(frame)[17] == level)
    }
    gort::run(|| {
        let bytes = 32 << 20;
        let deep = move || {
            let start = black_box(0_u8);
            down_to((&raw const start).addr() - (bytes - (16 << 10)), 0)
        };
        let levels = Builder::new().stack_size(bytes).spawn(deep).unwrap().join().unwrap();
        assert!(levels > 1000 && levels <= bytes / 1024, "{levels}");
        println!("done");
    });
}

/// A handler of the old kind, with one argument.
fn plain_handler() {
    extern "C" fn mine(_: libc::c_int) {
        // SAFETY: both may be called in a handler.
        unsafe {
            let said = b"plain handler\n";
            libc::write(2, said.as_ptr().cast(), said.len());
            libc::_exit(43);
        }
    }
    // SAFETY: installs a handler that only writes and exits.
    unsafe { libc::signal(libc::SIGSEGV, mine as *const () as usize) };
    gort::run(|| {
        let h = spawn(|| {
            let p = std::ptr::without_provenance_mut::<u64>(black_box(64));
            // SAFETY: none; the fault is what the case is about.
            unsafe { p.write_volatile(1) };
        });
        let _ = h.join();
    });
}

/// A fault cannot be ignored, whatever the program asked for.
fn segv_ignored() {
    // SAFETY: no handler runs.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_IGN) };
    gort::run(|| {
        let p = std::ptr::without_provenance_mut::<u64>(black_box(64));
        // SAFETY: none; the fault is what the case is about.
        unsafe { p.write_volatile(1) };
    });
}
