//! Cases about the threads of a process: signals, fork, a kernel without membarrier, thousands of
//! threads, deadlocks with locked goroutines.

use crate::cases::alone;
use crate::{dies, dies_with, passes, run_with, words};
use gort::runtime::{self, lock_os_thread, unlock_os_thread};
use gort::sync::WaitGroup;
use gort::{Config, blocking, blocking_long, chan, go, spawn, time};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// Runs the case of this name, if it is one of these.
pub(crate) fn run(case: &str) -> bool {
    match case {
        "masks" => masks(),
        "handlers" => handlers(),
        "signal_hook" => signal_hook_works(),
        "sigwait" => alone(sigwait),
        "fork_goroutine" => fork_goroutine(),
        "fork_goroutine_uses" => fork_goroutine_uses(),
        "fork_thread_uses" => fork_thread_uses(),
        "fork_thread_waits" => fork_thread_waits(),
        "no_membarrier" => no_membarrier(),
        "membarrier_lost" => membarrier_lost(),
        "burst" => burst(5000),
        "burst_over_limit" => burst_over_limit(),
        "locked_main_goexit" => locked_main_goexit(),
        "locked_deadlock" => alone(locked_deadlock),
        "locked_deadlock_2" => alone(locked_deadlock_2),
        "blocking_is_no_deadlock" => blocking_is_no_deadlock(),
        "deadlock_after_blocking" => alone(deadlock_after_blocking),
        _ => return false,
    }
    true
}

#[test]
fn the_runtimes_own_threads_take_no_signals() {
    passes("masks");
}

#[test]
fn handlers_of_the_programs_run_and_nothing_is_lost() {
    passes("handlers");
    passes("signal_hook");
    passes("sigwait");
}

#[test]
fn a_forked_child_can_end_or_exec_and_is_told_otherwise() {
    passes("fork_goroutine");
    let says = ["the child of a fork cannot use the runtime"];
    dies("fork_goroutine_uses", 2, &["fatal error: the child of a fork", says[0]]);
    dies("fork_thread_uses", 101, &says);
    dies("fork_thread_waits", 2, &says);
}

#[test]
fn without_membarrier_everything_works() {
    for procs in ["1", "2", "4"] {
        for case in ["no_membarrier", "membarrier_lost"] {
            let out = run_with(case, &[("GOMAXPROCS", procs)]);
            let text = words(&out);
            assert!(out.status.success() && text.contains("done"), "{case} {procs}: {text}");
        }
    }
}

#[test]
fn five_thousand_block_at_the_same_time() {
    let out = run_with("burst", &[]);
    let text = words(&out);
    // A machine that has not so many threads to give says so in Go's words.
    let refused = text.contains("runtime: failed to create new OS thread (have ");
    let worked = out.status.success() && text.contains("done");
    assert!(worked || (refused && out.status.code() == Some(2)), "{}\n{text}", out.status);
}

#[test]
fn a_burst_beyond_the_limit_is_gos_fatal_error() {
    let says = ["runtime: program exceeds 100-thread limit", "fatal error: thread exhaustion"];
    dies("burst_over_limit", 2, &says);
}

#[test]
fn a_deadlock_with_locked_goroutines_is_one() {
    let text = "fatal error: all goroutines are asleep - deadlock!";
    for procs in ["1", "2"] {
        let env = [("GOMAXPROCS", procs)];
        let said =
            dies_with("locked_deadlock", &env, 2, &[text, "[chan receive, locked to thread]"]);
        assert!(said.contains("goroutine 1 ["), "{said}");
        dies_with("locked_deadlock_2", &env, 2, &[text]);
        dies_with("deadlock_after_blocking", &env, 2, &[text]);
    }
    passes("blocking_is_no_deadlock");
}

#[test]
fn main_that_exits_locked_leaves_its_thread_parked() {
    let gone = "no goroutines (main called runtime.Goexit) - deadlock!";
    dies("locked_main_goexit", 2, &["others finished", gone]);
}

/// A field of `/proc/self/task/*/status`, for each thread with its name.
fn of_threads(field: &str) -> Vec<(String, u64)> {
    let value = |text: &str, field: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(field)).expect("a field of status");
        line.trim_start_matches(':').trim().to_owned()
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let status = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("status")).ok());
    let number = |text: &str| u64::from_str_radix(&value(text, field), 16).unwrap();
    status.map(|text| (value(&text, "Name"), number(&text))).collect()
}

fn bit(signal: libc::c_int) -> u64 {
    1 << (signal - 1)
}

/// The monitor and the template thread block all but faults; Ms have the mask of who called `run`.
fn masks() {
    set_mask(libc::SIG_BLOCK, libc::SIGUSR2);
    gort::run(|| {
        let all = Arc::new(Barrier::new(4));
        let wg = WaitGroup::new();
        for _ in 0..4 {
            let all = all.clone();
            wg.go(move || _ = blocking_long(|| all.wait()));
        }
        wg.wait();
        let all = of_threads("SigBlk");
        for name in ["gort-sysmon", "gort-template"] {
            let (_, mask) = all.iter().find(|(n, _)| n == name).expect(name);
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1, libc::SIGPROF]
            {
                assert!(mask & bit(signal) != 0, "{name} takes signal {signal}");
            }
            for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL] {
                assert!(mask & bit(fault) == 0, "{name} blocks fault {fault}");
            }
        }
        // A thread that is being born blocks everything until it begins its work.
        for tries in 0.. {
            let ms = of_threads("SigBlk").into_iter().filter(|(name, _)| name == "gort");
            let ms: Vec<_> = ms.collect();
            assert!(ms.len() >= 3, "{ms:?}");
            if ms.iter().all(|(_, mask)| *mask == bit(libc::SIGUSR2)) {
                break;
            }
            assert!(tries < 1000, "{ms:?}");
            gort::time::sleep(Duration::from_millis(10));
        }
    });
    println!("done");
}

fn set_mask(how: libc::c_int, signal: libc::c_int) {
    // SAFETY: fills a set and passes it.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

static TAKEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    TAKEN.fetch_add(1, Ordering::Relaxed);
}

/// Everything that blocks, once around.
fn a_round(n: u32) {
    let (c, d, wg) = (chan(0), chan(0), WaitGroup::new());
    let (e, f) = (c.clone(), d.clone());
    wg.go(move || (0..n).for_each(|i| e.send(i)));
    wg.go(move || (0..n).for_each(|_| f.send(0)));
    for i in 0..n {
        assert_eq!(c.recv(), Some(i));
        time::sleep(Duration::from_micros(20));
        assert_eq!(d.recv_timeout(Duration::from_secs(60)).unwrap(), 0);
        blocking(|| std::thread::sleep(Duration::from_micros(20)));
        let own = std::thread::spawn(move || spawn(move || i).join().unwrap());
        assert_eq!(blocking_long(|| own.join().unwrap()), i);
    }
    wg.wait();
    let out = std::process::Command::new("echo").arg("a child").output().unwrap();
    assert_eq!(out.stdout, b"a child\n");
}

/// A handler without SA_RESTART, whose signal comes every 200 µs: every system call is cut short.
fn handlers() {
    // SAFETY: installs a handler that only counts, and starts the clock.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(libc::SIGPROF, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        let every = libc::timeval { tv_sec: 0, tv_usec: 200 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut());
    }
    gort::run(|| {
        let wg = WaitGroup::new();
        (0..4).for_each(|_| wg.go(|| a_round(50)));
        wg.go(|| {
            lock_os_thread();
            a_round(50);
            unlock_os_thread();
        });
        wg.wait();
        while TAKEN.load(Ordering::Relaxed) < 100 {
            runtime::gosched();
        }
    });
    println!("done");
}

fn signal_hook_works() {
    let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(libc::SIGUSR1, flag.clone()).unwrap();
    gort::run(move || {
        let c = chan(0);
        let d = c.clone();
        let mut signals = signal_hook::iterator::Signals::new([libc::SIGTERM]).unwrap();
        go(move || signals.forever().take(3).for_each(|s| d.send(s)));
        for _ in 0..3 {
            // SAFETY: a handler is installed.
            assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGTERM) }, 0);
            assert_eq!(c.recv(), Some(libc::SIGTERM));
        }
        // SAFETY: as above.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        while !flag.load(Ordering::Relaxed) {
            runtime::gosched();
        }
    });
    println!("done");
}

/// A signal blocked before `run` is blocked on every thread: it comes to whoever waits for it. Alone,
/// since the test harness has a thread that does not block it.
fn sigwait() {
    set_mask(libc::SIG_BLOCK, libc::SIGTERM);
    gort::run(|| {
        let waiter = spawn(|| {
            // SAFETY: waits for a signal that every thread blocks.
            unsafe {
                let (mut set, mut got) = (std::mem::zeroed(), 0);
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, libc::SIGTERM);
                assert_eq!(libc::sigwait(&raw const set, &raw mut got), 0);
                got
            }
        });
        let all = Arc::new(Barrier::new(8));
        let wg = WaitGroup::new();
        for _ in 0..8 {
            let all = all.clone();
            wg.go(move || _ = all.wait());
        }
        wg.wait();
        // SAFETY: sends a signal to this process.
        assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGTERM) }, 0);
        assert_eq!(waiter.join().unwrap(), libc::SIGTERM);
    });
    println!("done");
}

/// Forks, runs `body` in the child, and returns the child's status.
fn in_child(body: impl FnOnce()) -> i32 {
    // SAFETY: the child runs on this one thread and ends by `_exit` or by what it does.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err();
        // SAFETY: ends the child without the parent's exit handlers.
        unsafe { libc::_exit(if panicked { 101 } else { 0 }) };
    }
    assert!(pid > 0);
    let mut status = 0;
    // SAFETY: waits for the child just made.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } != pid {}
    assert!(libc::WIFEXITED(status), "{status:#x}");
    libc::WEXITSTATUS(status)
}

/// What a child may do: compute, allocate, exit, exec. The parent goes on as before.
fn fork_goroutine() {
    gort::run(|| {
        let wg = WaitGroup::new();
        for i in 0..8 {
            wg.go(move || {
                for _ in 0..5 {
                    assert_eq!(in_child(|| assert_eq!(vec![i; 1000].len(), 1000)), 0);
                    let exec = in_child(|| {
                        let args = [c"true".as_ptr(), std::ptr::null()];
                        // SAFETY: the arguments end in a null.
                        unsafe { libc::execvp(args[0], args.as_ptr()) };
                    });
                    assert_eq!(exec, 0);
                    runtime::gosched();
                }
            });
        }
        wg.wait();
    });
    println!("done");
}

fn fork_goroutine_uses() {
    let status = gort::run(|| {
        let c = chan::<()>(0);
        in_child(|| _ = c.recv())
    });
    std::process::exit(status);
}

fn fork_thread_uses() {
    gort::run(|| ());
    let status = in_child(|| go(|| ()));
    assert_eq!(in_child(|| gort::run(|| ())), 101);
    assert_eq!(in_child(|| assert!(Config::new().run(|| ()).is_err())), 0);
    std::process::exit(status);
}

fn fork_thread_waits() {
    gort::run(|| ());
    let c = chan::<()>(0);
    std::process::exit(in_child(|| _ = c.recv()));
}

/// Makes membarrier(2) fail from here on, on this thread and those it makes; `all`: on every thread.
fn forbid_membarrier(all: bool) {
    let op = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_membarrier as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let flags = if all { libc::SECCOMP_FILTER_FLAG_TSYNC } else { 0 };
    // SAFETY: installs a filter that refuses one call; the program lives across the call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        assert_eq!(libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program), 0);
        assert_eq!(libc::syscall(libc::SYS_membarrier, 1 << 3, 0, 0), -1);
    }
}

/// Work in which Ps are called back, borrowed and stolen from all the time.
fn revocations() {
    let wg = WaitGroup::new();
    let total = Arc::new(AtomicUsize::new(0));
    for i in 0..24_u64 {
        let total = total.clone();
        wg.go(move || {
            for k in 0..20 {
                match (i + k) % 4 {
                    0 => std::thread::sleep(Duration::from_micros(700)),
                    1 => blocking(|| std::thread::sleep(Duration::from_micros(100))),
                    2 => {
                        let start = std::time::Instant::now();
                        while start.elapsed() < Duration::from_millis(2 * (k % 7)) {
                            std::hint::spin_loop();
                        }
                    }
                    _ => {
                        let h = spawn(move || i);
                        runtime::gosched();
                        assert_eq!(h.join().unwrap(), i);
                    }
                }
                total.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for i in 0..30 {
        time::sleep(Duration::from_millis(1));
        if i % 3 == 0 {
            assert!(runtime::stack_dump().contains("goroutine "));
        }
    }
    wg.wait();
    assert_eq!(total.load(Ordering::Relaxed), 24 * 20);
}

fn no_membarrier() {
    forbid_membarrier(false);
    gort::run(revocations);
    println!("done");
}

/// A sandbox that closes after the start.
fn membarrier_lost() {
    gort::run(|| {
        revocations();
        forbid_membarrier(true);
        revocations();
    });
    println!("done");
}

/// So many at a time, none of which gets on before all are there.
fn burst(n: usize) {
    gort::run(|| {
        let (all, wg) = (Arc::new(Barrier::new(n)), WaitGroup::new());
        for _ in 0..n {
            let all = all.clone();
            wg.go(move || _ = blocking(|| all.wait()));
        }
        wg.wait();
        assert!(runtime::num_threads() >= n);
    });
    println!("done");
}

fn burst_over_limit() {
    assert_eq!(Config::new().max_threads(100).run(|| ()).map_err(|e| e.to_string()), Ok(()));
    burst(200);
}

fn locked_main_goexit() {
    alone(|| {
        gort::run(|| {
            lock_os_thread();
            go(|| {
                time::sleep(Duration::from_millis(20));
                println!("others finished");
            });
            runtime::goexit();
        });
    });
}

/// Go's TestLockedDeadlock: main is locked, and waits in vain.
fn locked_deadlock() {
    gort::run(|| {
        lock_os_thread();
        chan::<()>(0).recv()
    });
}

/// Go's TestLockedDeadlock2: another is locked, and so is main.
fn locked_deadlock_2() {
    gort::run(|| {
        go(|| {
            lock_os_thread();
            chan::<()>(0).recv()
        });
        time::sleep(Duration::from_millis(1));
        lock_os_thread();
        chan::<()>(0).recv()
    });
}

fn blocking_is_no_deadlock() {
    alone(|| {
        gort::run(|| {
            let c = chan(0);
            let d = c.clone();
            go(move || {
                blocking_long(|| std::thread::sleep(Duration::from_millis(200)));
                d.send(1);
            });
            assert_eq!(c.recv(), Some(1));
        });
        println!("done");
    });
}

/// The last one that was awake comes back from a call and waits in vain.
fn deadlock_after_blocking() {
    gort::run(|| {
        lock_os_thread();
        blocking_long(|| std::thread::sleep(Duration::from_millis(100)));
        chan::<()>(0).recv()
    });
}
