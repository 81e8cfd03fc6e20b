//! The cases: each runs in a process of its own.

use crate::{ends, limits, locals, threads};
use gort::sync::WaitGroup;
use gort::{Builder, Config, OnPanic, chan, go, runtime, spawn, time};
use std::time::Duration;

/// Runs the case of this name; a case that ends well says `done`.
pub(crate) fn run(case: &str) {
    end_if_hung();
    match case {
        "config" => config(),
        "second_config" => second_config(),
        "run_in_run" => run_in_run(),
        "many_procs" => many_procs(),
        "print_procs" => println!("procs={}", gort::run(|| runtime::gomaxprocs(0))),
        "thread_limit" => block_threads(Config::new().max_threads(3).procs(2)),
        "no_threads" => no_threads(),
        "no_threads_at_start" => no_threads_at_start(),
        "address_space" => address_space(),
        "address_space_go" => address_space_go(),
        "mprotect_guards" => mprotect_guards(),
        "deadlock" => deadlock(),
        "main_goexit" => main_goexit(),
        "foreign_thread" => foreign_thread(),
        "sleepers" => sleepers(),
        "panic_in_go" => panic_in_go(),
        "isolated" => isolated(),
        "panic_in_main" => panic_in_main(),
        "overflow_small" => overflow_small(),
        "overflow_ladder" => overflow_ladder(),
        "overflow_main" => overflow_main(),
        "overflow_c" => overflow_c(),
        "null" => null(),
        "chained" => chained(),
        "busy_second" => busy(),
        other => {
            let known =
                ends::run(other) || limits::run(other) || locals::run(other) || threads::run(other);
            assert!(known, "no such case: {other}");
        }
    }
}

/// A child that tests deadlocks must have no threads but the runtime's; the test harness has one
/// that waits for this one. So the case runs in a further process, which the harness's thread only
/// waits for... it is simplest to fork, here, while nothing of gort runs yet.
pub(crate) fn alone(body: fn()) {
    // SAFETY: the child runs on this one thread and ends by `_exit` or by what the case does.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        end_if_hung();
        let panicked = std::panic::catch_unwind(body).is_err();
        // SAFETY: ends the child without the parent's exit handlers.
        unsafe { libc::_exit(if panicked { 101 } else { 0 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    if libc::WIFSIGNALED(status) {
        std::process::exit(128 + libc::WTERMSIG(status));
    }
    std::process::exit(libc::WEXITSTATUS(status));
}

/// Lets an alarm end a case that hangs; a forked child has alarms of its own.
pub(crate) fn end_if_hung() {
    // SAFETY: asks for a signal, far beyond what any case takes.
    unsafe { libc::alarm(100) };
}

pub(crate) fn limit(what: libc::__rlimit_resource_t, n: u64) {
    let n = n as libc::rlim_t; // 32 bits on some targets, and all the cases' fit
    let limit = libc::rlimit { rlim_cur: n, rlim_max: n };
    // SAFETY: passes a filled-in struct.
    assert_eq!(unsafe { libc::setrlimit(what, &raw const limit) }, 0);
}

fn config() {
    let said = |c: Config| c.run(|| ()).expect_err("refused").to_string();
    assert!(said(Config::new().procs(0)).contains("procs must be between 1 and"));
    assert!(said(Config::new().procs(usize::MAX)).contains("procs must be between 1 and"));
    assert!(said(Config::new().max_stack(0)).contains("max_stack must be at least"));
    assert!(said(Config::new().max_threads(0)).contains("max_threads must be at least 1"));
    assert!(said(Config::new().stack_ladder(&[])).contains("1 to 4 rungs"));
    assert!(said(Config::new().stack_ladder(&[(1, 0)])).contains("reserves 0 bytes"));
    let shared = Config::new().thread_locals(gort::ThreadLocals::Shared);
    assert!(said(shared).contains("only Config::shared_thread_locals"), "a safe call");
    let huge = Config::new().max_stack(usize::MAX).stack_ladder(&[(usize::MAX, usize::MAX)]);
    assert!(said(huge).contains("more than can be mapped"));
    // Nothing has started, so a good one still can.
    assert_eq!(Config::new().procs(3).run(|| runtime::gomaxprocs(0)).unwrap(), 3);
    gort::run(|| {
        let e = Builder::new().stack_size(usize::MAX).spawn(|| ()).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::InvalidInput);
        assert!(e.to_string().contains("exceeds Config::max_stack"));
        assert_eq!(Builder::new().stack_size(0).spawn(|| 5).unwrap().join().unwrap(), 5);
    });
    println!("done");
}

fn second_config() {
    assert_eq!(Config::new().procs(2).run(|| 1).unwrap(), 1);
    let e = Config::new().procs(4).run(|| 2).unwrap_err();
    assert!(e.to_string().contains("already runs with another configuration"), "{e}");
    assert_eq!(Config::new().procs(2).run(|| 3).unwrap(), 3);
    assert_eq!(gort::run(|| 4), 4);
    println!("done");
}

fn run_in_run() {
    let inner = gort::run(|| {
        let h = spawn(|| gort::run(|| ()));
        *h.join().unwrap_err().downcast::<&str>().unwrap()
    });
    assert_eq!(inner, "gort: run called inside a goroutine");
    println!("done");
}

fn many_procs() {
    gort::run(|| {
        for n in [10_000, 1, usize::MAX, 3] {
            runtime::gomaxprocs(n);
            assert_eq!(runtime::gomaxprocs(0), n.min(1 << 16));
            let wg = WaitGroup::new();
            for _ in 0..1000 {
                wg.go(runtime::gosched);
            }
            wg.wait();
        }
    });
    println!("done");
}

/// Makes goroutines block their threads, so that more and more threads are wanted.
fn block_threads(config: Config) {
    config
        .run(|| {
            let wg = WaitGroup::new();
            for _ in 0..50 {
                wg.go(|| std::thread::sleep(Duration::from_millis(500)));
            }
            wg.wait();
        })
        .unwrap();
    println!("survived");
}

/// Lets the process make no further thread: clone fails with EAGAIN from here on.
fn forbid_threads() {
    // SAFETY: becomes an unprivileged user, for whom RLIMIT_NPROC counts.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setresuid(54_321, 54_321, 54_321), 0);
        }
    }
    limit(libc::RLIMIT_NPROC, 0);
}

fn no_threads() {
    gort::run(forbid_threads);
    block_threads(Config::new());
}

fn no_threads_at_start() {
    forbid_threads();
    let e = Config::new().run(|| ()).unwrap_err();
    assert!(e.to_string().contains("the system refuses a thread"), "{e}");
    println!("done");
}

/// Fills what address space there is with parked goroutines; returns how many fitted and the error.
pub(crate) fn fill(gate: &gort::Chan<()>, wg: &WaitGroup) -> (usize, std::io::Error) {
    for n in 0.. {
        let gate = gate.clone();
        wg.add(1);
        let done = wg.clone();
        let made = Builder::new().spawn(move || {
            let _ = gate.recv();
            done.done();
        });
        if let Err(e) = made {
            wg.done();
            return (n, e);
        }
    }
    unreachable!("address space is finite")
}

fn address_space() {
    // Room for a few reservations of 64 MiB and some of 256 KiB, none of 1 GiB.
    limit(libc::RLIMIT_AS, 1 << 30);
    Config::new()
        .procs(1)
        .run(|| {
            let (gate, wg) = (chan::<()>(0), WaitGroup::new());
            let (fitted, e) = fill(&gate, &wg);
            // How much of it the allocator has taken by now varies; no 1 GiB reservation fitted.
            assert!(fitted >= 4, "only {fitted}");
            let text = e.to_string();
            assert!(text.contains("no stack of") && text.contains("could be reserved"), "{text}");
            gate.close();
            wg.wait();
            // Nothing is lost: the dead ones' stacks serve the next.
            let again: u64 = (0..1000u64).map(|i| spawn(move || i).join().unwrap()).sum();
            assert_eq!(again, 499_500);
        })
        .unwrap();
    println!("done");
}

fn address_space_go() {
    limit(libc::RLIMIT_AS, 512 << 20);
    Config::new()
        .procs(1)
        .run(|| {
            let (gate, wg) = (chan::<()>(0), WaitGroup::new());
            fill(&gate, &wg);
            let e = std::panic::catch_unwind(|| go(|| ())).unwrap_err();
            let text = e.downcast::<String>().unwrap();
            assert!(text.starts_with("gort: cannot create a goroutine: no stack of"), "{text}");
            gate.close();
            wg.wait();
        })
        .unwrap();
    println!("done");
}

fn mprotect_guards() {
    Config::new()
        .stack_ladder(&[(usize::MAX, 64 << 10)])
        .run(|| {
            let (gate, wg) = (chan::<()>(0), WaitGroup::new());
            let (fitted, e) = fill(&gate, &wg);
            assert!(fitted > 10_000, "only {fitted}: {e}");
            assert!(e.to_string().contains("vm.max_map_count"), "{e}");
            gate.close();
            wg.wait();
        })
        .unwrap();
    println!("done");
}

fn deadlock() {
    alone(|| {
        gort::run(|| {
            go(|| gort::Chan::<u8>::nil().send(1));
            chan::<()>(0).recv()
        });
    });
}

fn main_goexit() {
    alone(|| {
        gort::run(|| {
            go(|| {
                time::sleep(Duration::from_millis(30));
                println!("others finished");
            });
            runtime::goexit();
        });
    });
}

fn foreign_thread() {
    let (c, d) = (chan(0), chan(0));
    let other = (c.clone(), d.clone());
    let thread = std::thread::spawn(move || {
        // Long enough for several looks at the idle process.
        std::thread::sleep(Duration::from_millis(300));
        other.0.send(5);
        assert_eq!(other.1.recv(), Some(6));
    });
    gort::run(move || {
        assert_eq!(c.recv(), Some(5));
        d.send(6);
    });
    thread.join().unwrap();
    println!("done");
}

fn sleepers() {
    alone(|| {
        gort::run(|| {
            let c = chan(0);
            let d = c.clone();
            go(move || {
                time::sleep(Duration::from_millis(300));
                d.send(1);
            });
            assert_eq!(c.recv(), Some(1));
            // A thread blocked in the kernel is no deadlock either.
            std::thread::sleep(Duration::from_millis(300));
        });
        println!("done");
    });
}

fn panic_in_go() {
    gort::run(|| {
        go(|| panic!("boom"));
        time::sleep(Duration::from_secs(20));
        println!("main ended");
    });
}

fn isolated() {
    Config::new()
        .on_panic(OnPanic::Isolate)
        .run(|| {
            let wg = WaitGroup::new();
            wg.go(|| panic!("boom"));
            wg.wait();
            assert_eq!(spawn(|| 3).join().unwrap(), 3);
        })
        .unwrap();
    println!("done");
}

fn panic_in_main() {
    let e = std::panic::catch_unwind(|| {
        gort::run(|| panic!("out of {}", std::hint::black_box("main")))
    })
    .unwrap_err();
    assert_eq!(*e.downcast::<String>().unwrap(), "out of main");
    assert_eq!(gort::run(|| 1), 1);
    println!("done");
}

#[allow(unconditional_recursion)]
fn forever(n: u64) -> u64 {
    std::hint::black_box(forever(n + 1)) + std::hint::black_box(n)
}

fn overflow_small() {
    let body = || {
        let h = Builder::new().stack_size(256 << 10).spawn(|| forever(0)).unwrap();
        let _ = h.join();
    };
    ends::fatal().run(body).unwrap();
}

fn overflow_ladder() {
    let dense = ends::fatal().stack_ladder(&[(usize::MAX, 1 << 20)]);
    dense.run(|| drop(spawn(|| forever(0)).join())).unwrap();
}

fn overflow_main() {
    let small = ends::fatal().max_stack(64 << 20);
    small.run(|| forever(0)).unwrap();
}

unsafe extern "C" {
    fn qsort(
        base: *mut libc::c_void,
        n: usize,
        size: usize,
        cmp: unsafe extern "C" fn(*const libc::c_void, *const libc::c_void) -> libc::c_int,
    );
}

/// A comparison that sorts again: C frames and Rust frames in turn, without end.
unsafe extern "C" fn sort_again(_: *const libc::c_void, _: *const libc::c_void) -> libc::c_int {
    let mut two = [1i32, 2];
    // SAFETY: two elements of four bytes.
    unsafe { qsort(two.as_mut_ptr().cast(), 2, 4, sort_again) };
    std::hint::black_box(two[0])
}

fn overflow_c() {
    let dense = ends::fatal().stack_ladder(&[(usize::MAX, 1 << 20)]);
    dense
        .run(|| {
            let h = spawn(|| {
                // SAFETY: the callback ignores its arguments.
                unsafe { sort_again(std::ptr::null(), std::ptr::null()) }
            });
            let _ = h.join();
        })
        .unwrap();
}

fn null() {
    gort::run(|| {
        let p = std::hint::black_box(std::ptr::null_mut::<u64>());
        // SAFETY: none; the fault is what the case is about.
        unsafe { p.write_volatile(1) };
    });
}

fn chained() {
    extern "C" fn mine(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo; write and _exit may be called here.
        unsafe {
            assert_eq!((*info).si_addr() as usize, 64);
            let said = b"handler was called\n";
            libc::write(2, said.as_ptr().cast(), said.len());
            libc::_exit(42);
        }
    }
    // SAFETY: installs a handler that only writes and exits.
    unsafe {
        let mut action: libc::sigaction = std::mem::MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = mine as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut());
    }
    gort::run(|| {
        let h = spawn(|| {
            let p = std::ptr::without_provenance_mut::<u64>(std::hint::black_box(64));
            // SAFETY: none; the fault is what the case is about.
            unsafe { p.write_volatile(1) };
        });
        let _ = h.join();
    });
}

fn busy() {
    Config::new()
        .procs(2)
        .run(|| {
            for _ in 0..100 {
                spawn(|| time::sleep(Duration::from_millis(1))).join().unwrap();
            }
        })
        .unwrap();
    println!("done");
}
