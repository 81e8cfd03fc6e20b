//! Goroutines with thread-locals of their own: what belongs to a thread elsewhere belongs to the
//! goroutine, wherever it runs.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]

use gort::{Chan, Config, ThreadLocals, runtime};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `f` in a main goroutine with 1, 2 and 4 processors.
fn own(f: impl Fn() + Send + Sync) {
    for procs in [1, 2, 4] {
        let config = Config::new().thread_locals(ThreadLocals::PerGoroutine);
        let ran = config.run(|| {
            runtime::gomaxprocs(procs);
            f();
        });
        ran.expect("goroutines can have thread-locals of their own here");
    }
}

thread_local! {
    static LIST: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static NUMBER: Cell<u64> = const { Cell::new(7) };
    static LOUD: Loud = const { Loud };
}

static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Counts its destructor, which yields.
struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        runtime::gosched();
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_mode_in_force_is_told() {
    own(|| assert_eq!(runtime::thread_locals(), ThreadLocals::PerGoroutine));
}

#[test]
fn a_borrow_survives_every_change_of_thread() {
    own(|| {
        let c: Chan<u64> = gort::chan(0);
        let handles: Vec<_> = (0..50)
            .map(|me| {
                let c = c.clone();
                gort::spawn(move || {
                    LIST.with_borrow_mut(|list| {
                        for i in 0..20 {
                            if me % 2 == 0 {
                                c.send(i);
                            } else {
                                let _ = c.recv();
                            }
                            runtime::gosched();
                            list.push(me);
                        }
                        assert!(list.iter().all(|&n| n == me) && list.len() == 20);
                    });
                })
            })
            .collect();
        for handle in handles {
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_goroutine_begins_with_fresh_thread_locals() {
    own(|| {
        for i in 0..2000 {
            let h = gort::spawn(move || {
                let before = (NUMBER.get(), LIST.with_borrow(Vec::len));
                NUMBER.set(i);
                LIST.with_borrow_mut(|l| l.push(i));
                LOUD.with(|_| ());
                before
            });
            assert_eq!(h.join().unwrap(), (7, 0));
        }
    });
    assert_eq!(DROPPED.load(Ordering::Relaxed), 6000);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the standard library's park is what is tested")]
fn the_standard_library_sees_a_thread_of_its_own() {
    own(|| {
        let ids: HashSet<_> =
            (0..100).map(|_| gort::spawn(|| std::thread::current().id()).join().unwrap()).collect();
        assert_eq!(ids.len(), 100);
        let parked = gort::spawn(|| {
            let me = std::thread::current();
            let waker = gort::spawn(move || me.unpark());
            std::thread::park();
            waker.join().unwrap();
        });
        parked.join().unwrap();
    });
}

#[test]
fn the_main_goroutine_has_its_callers() {
    NUMBER.set(42);
    own(|| {
        assert_eq!(NUMBER.get(), 42);
        for _ in 0..100 {
            gort::spawn(runtime::gosched).join().unwrap();
            assert_eq!(NUMBER.get(), 42);
        }
        NUMBER.set(42);
    });
    assert_eq!(NUMBER.get(), 42);
}

#[test]
fn the_c_library_tells_the_goroutines_stack() {
    own(|| {
        let h = gort::spawn(|| {
            let here = 0_u8;
            // SAFETY: a zeroed attribute is filled in by the call.
            let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
            // SAFETY: asks about whoever runs.
            let rc = unsafe { libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) };
            let (mut at, mut bytes) = (std::ptr::null_mut(), 0);
            // SAFETY: the attribute was filled in above.
            unsafe {
                libc::pthread_attr_getstack(&raw const attributes, &raw mut at, &raw mut bytes)
            };
            (rc, (at.addr()..at.addr() + bytes).contains(&(&raw const here).addr()))
        });
        assert_eq!(h.join().unwrap(), (0, true));
    });
}

#[test]
fn pthread_exit_ends_the_goroutine() {
    unsafe extern "C-unwind" {
        fn pthread_exit(value: *mut std::ffi::c_void) -> !;
    }
    own(|| {
        for _ in 0..100 {
            let h = gort::spawn(|| {
                NUMBER.set(1);
                // SAFETY: the frames above may be unwound.
                unsafe { pthread_exit(std::ptr::null_mut()) }
            });
            let end: Result<(), _> = h.join();
            assert!(end.unwrap_err().is::<gort::Goexit>());
        }
    });
}

#[test]
fn goroutines_panic_independently() {
    /// Blocks while it unwinds.
    struct Waits(Chan<()>);
    impl Drop for Waits {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            let _ = self.0.recv();
            assert!(std::thread::panicking());
        }
    }
    own(|| {
        let c = gort::chan(0);
        let handles: Vec<_> = (0..20)
            .map(|i| {
                let waits = Waits(c.clone());
                gort::spawn(move || {
                    let _waits = waits;
                    panic!("{i}");
                })
            })
            .collect();
        for _ in 0..20 {
            assert!(!std::thread::panicking());
            c.send(());
        }
        for (i, h) in handles.into_iter().enumerate() {
            let payload = h.join().unwrap_err();
            assert_eq!(*payload.downcast::<String>().unwrap(), i.to_string());
        }
    });
}

static STORM: AtomicUsize = AtomicUsize::new(0);

/// Keeps `errno`, as handlers must; and touches a thread-local, whoever's it is.
extern "C" fn on_alarm(_: libc::c_int) {
    // SAFETY: errno of whoever was interrupted.
    let errno = unsafe { &mut *libc::__errno_location() };
    let before = std::mem::replace(errno, 77);
    SIGNALS.set(SIGNALS.get() + 1);
    STORM.fetch_add(1, Ordering::Relaxed);
    *errno = before;
}

thread_local! {
    static SIGNALS: Cell<u64> = const { Cell::new(0) };
}

/// A signal every half millisecond, or none.
fn storm(on: bool) {
    let interval = libc::timeval { tv_sec: 0, tv_usec: if on { 500 } else { 0 } };
    let timer = libc::itimerval { it_interval: interval, it_value: interval };
    // SAFETY: a filled-in timer.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}

#[test]
fn signals_find_whole_thread_locals_at_every_instruction() {
    // SAFETY: a zeroed action is a valid one, filled in below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_alarm as *const () as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler calls nothing but what may be called there.
    unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
    storm(true);
    own(|| {
        let body = |me: u64| {
            for _ in 0..3000 {
                NUMBER.set(me);
                // SAFETY: errno of the running goroutine.
                unsafe { *libc::__errno_location() = me as i32 };
                runtime::gosched();
                // SAFETY: as above.
                let errno = unsafe { *libc::__errno_location() };
                assert_eq!((NUMBER.get(), errno), (me, me as i32));
            }
            while STORM.load(Ordering::Relaxed) < 20 {
                runtime::gosched();
            }
        };
        let handles: Vec<_> = (1..9).map(|me| gort::spawn(move || body(me))).collect();
        handles.into_iter().for_each(|h| h.join().unwrap());
    });
    storm(false);
}

#[test]
fn a_thread_changes_everybodys_user_while_goroutines_run() {
    own(|| {
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let body = |over: &std::sync::atomic::AtomicBool| {
            while !over.load(Ordering::Relaxed) {
                runtime::gosched();
            }
        };
        let handles: Vec<_> = (0..8)
            .map(|_| {
                let over = over.clone();
                gort::spawn(move || body(&over))
            })
            .collect();
        let ids = std::thread::spawn(|| {
            // SAFETY: (all) they change nothing.
            (0..50).all(|_| unsafe {
                libc::setuid(libc::getuid()) == 0 && libc::setgid(libc::getgid()) == 0
            })
        });
        assert!(ids.join().unwrap());
        over.store(true, Ordering::Relaxed);
        handles.into_iter().for_each(|h| h.join().unwrap());
    });
}
