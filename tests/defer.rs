//! Go's rules for defer, panic, recover and goexit.

use gort::{Deferred, Panic, chan, func, go, runtime, spawn};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What happened, in order.
#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Log {
    fn say(&self, what: impl ToString) {
        self.0.borrow_mut().push(what.to_string());
    }

    fn said(self) -> String {
        self.0.into_inner().join(" ")
    }
}

/// Runs `f` in a goroutine and says whether it was ended by goexit.
fn in_goroutine(f: impl FnOnce(&Log) + Send + 'static) -> (String, bool) {
    gort::run(move || {
        let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let place = said.clone();
        let end = spawn(move || {
            struct Leave(Log, std::sync::Arc<std::sync::Mutex<String>>);
            impl Drop for Leave {
                fn drop(&mut self) {
                    *self.1.lock().unwrap() = std::mem::take(&mut self.0).said();
                }
            }
            let leave = Leave(Log::default(), place);
            f(&leave.0);
        })
        .join();
        let exited = match end {
            Ok(()) => false,
            Err(payload) if payload.is::<gort::Goexit>() => true,
            Err(payload) => std::panic::resume_unwind(payload),
        };
        (said.lock().unwrap().clone(), exited)
    })
}

fn recovered<R>(d: &mut Deferred<'_, R>) -> String {
    d.recover().map_or("nil".to_owned(), |p| p.message().to_owned())
}

#[test]
fn the_seed_programs_say_what_they_say_in_go() {
    let log = Log::default();
    func::<()>(|f| {
        for i in (0..10).rev() {
            let log = &log;
            f.defer(move |_| log.say(i));
        }
    });
    assert_eq!(log.said(), "0 1 2 3 4 5 6 7 8 9");

    // a: the argument is evaluated at the defer; b: the variable is read when the call runs.
    let (a, b, shared) = (Log::default(), Log::default(), Cell::new(0));
    func::<()>(|f| {
        while shared.get() < 3 {
            let (a, i) = (&a, shared.get());
            f.defer(move |_| a.say(i));
            f.defer(|_| b.say(shared.get()));
            shared.set(i + 1);
        }
    });
    assert_eq!((a.said().as_str(), b.said().as_str()), ("2 1 0", "3 3 3"));

    fn triple(x: i32) -> i32 {
        func(|f| {
            f.defer(move |d| *d.result() += x);
            x + x
        })
    }
    assert_eq!(triple(5), 15);

    let (log, early) = (Log::default(), std::hint::black_box(true));
    func::<()>(|f| {
        f.defer(|_| log.say(789));
        log.say(123);
        if early {
            return;
        }
        log.say(456);
    });
    assert_eq!(log.said(), "123 789");
}

#[test]
fn a_recovered_function_returns_its_result() {
    let default: i32 = func(|f| {
        f.defer(|d| assert_eq!(recovered(d), "oops"));
        panic!("oops")
    });
    assert_eq!(default, 0);
    let set = func(|f| {
        f.defer(|d| {
            d.recover().expect("it panics");
            *d.result() += 1;
        });
        f.defer(|d| *d.result() = 41);
        panic!("oops")
    });
    assert_eq!(set, 42);
    let returned = func(|f| {
        f.defer(|d| drop(d.recover()));
        f.defer(|_| panic!("after the return"));
        7
    });
    assert_eq!(returned, 7);
}

#[test]
fn recover_takes_the_panic_of_its_own_function_once() {
    let log = Log::default();
    func::<()>(|f| {
        f.defer(|d| log.say(recovered(d)));
        f.defer(|d| {
            func::<()>(|g| g.defer(|inner| log.say(recovered(inner))));
            log.say(recovered(d));
            log.say(recovered(d));
        });
        panic!("outer")
    });
    assert_eq!(log.said(), "nil outer nil nil");
}

#[test]
fn a_panic_in_a_deferred_call_supersedes() {
    let log = Log::default();
    func::<()>(|f| {
        f.defer(|d| log.say(recovered(d)));
        f.defer(|_| panic!("third"));
        f.defer(|_| panic!("second"));
        panic!("first")
    });
    // Recovered inside the deferred call, the older one goes on.
    func::<()>(|f| {
        f.defer(|d| log.say(recovered(d)));
        f.defer(|_| {
            func::<()>(|g| {
                g.defer(|inner| log.say(recovered(inner)));
                panic!("inner")
            });
        });
        panic!("older")
    });
    assert_eq!(log.said(), "third inner older");
}

#[test]
fn a_panic_passes_functions_that_do_not_recover() {
    let log = Log::default();
    func::<()>(|f| {
        f.defer(|d| log.say(recovered(d)));
        func::<()>(|g| {
            g.defer(|_| log.say("passing"));
            panic!("deep")
        })
    });
    let end = catch_unwind(AssertUnwindSafe(|| {
        func::<()>(|f| {
            f.defer(|d| d.recover().expect("it panics").resume());
            std::panic::resume_unwind(Box::new(5u8))
        })
    }));
    assert_eq!(*end.unwrap_err().downcast::<u8>().unwrap(), 5);
    assert_eq!(log.said(), "passing deep");
}

#[test]
fn a_panic_knows_its_value_message_and_place() {
    fn of(value: impl std::any::Any + Send) -> Panic {
        let mut panic = None;
        let place = &mut panic;
        func::<()>(move |f| {
            f.defer(move |d| *place = d.recover());
            std::panic::panic_any(value)
        });
        panic.expect("it panics")
    }
    let line = line!() - 4;
    let p = of(7u64);
    assert_eq!(p.message(), "7");
    assert_eq!(p.downcast_ref::<u64>(), Some(&7));
    assert!(p.location().unwrap().contains(&format!("defer.rs:{line}:")), "{p:?}");
    assert_eq!(of(1e21).message(), "1e+21");
    assert_eq!(of("text").to_string(), "text");
    assert_eq!(of(String::from("text")).message(), "text");
    let error: Box<dyn std::error::Error + Send + Sync> = "an error".into();
    assert_eq!(of(error).message(), "an error");
    assert_eq!(*of('c').into_payload().downcast::<char>().unwrap(), 'c');
    assert!(p.payload().is::<u64>());
}

#[test]
fn deferred_calls_of_every_size_run_in_order() {
    let sum = Cell::new(0usize);
    let order = Cell::new(1000);
    func::<()>(|f| {
        for i in 0..1000usize {
            let (sum, order) = (&sum, &order);
            let check = move |seen: usize| {
                assert_eq!(order.replace(seen), seen + 1);
                sum.set(sum.get() + seen);
            };
            match i % 4 {
                0 => f.defer(move |_| check(i)),
                1 => f.defer(move |_| check([i; 40][39])),
                2 => f.defer(move |_| check([i; 900][0])),
                _ => {
                    #[repr(align(64))]
                    struct Aligned(usize);
                    let aligned = Aligned(i);
                    f.defer(move |_| {
                        let aligned = aligned;
                        assert!((&raw const aligned).is_aligned());
                        check(aligned.0);
                    });
                }
            }
        }
    });
    assert_eq!((sum.get(), order.get()), (999 * 1000 / 2, 0));
}

#[test]
fn deferred_calls_may_block_move_and_start_goroutines() {
    let (said, exited) = in_goroutine(|log| {
        let c = chan(0);
        func::<()>(|f| {
            f.defer(|d| log.say(recovered(d)));
            f.defer(|_| {
                let d = c.clone();
                go(move || {
                    gort::time::sleep(Duration::from_millis(1));
                    d.send(6);
                });
                log.say(c.recv().unwrap());
                runtime::gosched();
                gort::time::sleep(Duration::from_millis(1));
            });
            panic!("while parked")
        });
    });
    assert_eq!((said.as_str(), exited), ("6 while parked", false));
}

#[test]
fn goexit_runs_the_deferred_calls_and_cannot_be_recovered() {
    let (said, exited) = in_goroutine(|log| {
        func::<()>(|f| {
            f.defer(|d| log.say(recovered(d)));
            func::<()>(|g| {
                g.defer(|_| log.say("inner"));
                runtime::goexit()
            });
            log.say("unreachable");
        });
        log.say("unreachable");
    });
    assert_eq!((said.as_str(), exited), ("inner nil", true));
}

#[test]
fn goexit_goes_on_after_a_panic_recovered_meanwhile() {
    let (said, exited) = in_goroutine(|log| {
        func::<()>(|f| {
            f.defer(|d| log.say(recovered(d)));
            f.defer(|_| panic!("in the same function"));
            runtime::goexit()
        });
        log.say("unreachable");
    });
    assert_eq!((said.as_str(), exited), ("in the same function", true));
    // Recovered by a function further out.
    let (said, exited) = in_goroutine(|log| {
        func::<()>(|f| {
            f.defer(|_| log.say("last"));
            f.defer(|d| log.say(recovered(d)));
            func::<()>(|g| {
                g.defer(|_| panic!("further out"));
                runtime::goexit()
            });
        });
        log.say("unreachable");
    });
    assert_eq!((said.as_str(), exited), ("further out last", true));
}

#[test]
fn functions_called_during_goexit_return_normally() {
    let (said, exited) = in_goroutine(|log| {
        func::<()>(|f| {
            f.defer(|_| {
                let n = func(|g| {
                    g.defer(|d| log.say(recovered(d)));
                    panic!("inside")
                });
                {
                    let n: i32 = n;
                    log.say(n)
                };
                runtime::gosched();
                log.say("returned");
            });
            runtime::goexit()
        });
    });
    assert_eq!((said.as_str(), exited), ("inside 0 returned", true));
}

#[test]
fn goexit_in_a_deferred_call_abandons_the_panic() {
    let (said, exited) = in_goroutine(|log| {
        func::<()>(|f| {
            f.defer(|d| log.say(recovered(d)));
            f.defer(|_| runtime::goexit());
            panic!("abandoned")
        });
    });
    assert_eq!((said.as_str(), exited), ("nil", true));
}

#[test]
fn a_goexit_stopped_by_catch_unwind_goes_on() {
    let stop = || assert!(catch_unwind(|| runtime::goexit()).is_err());
    let (said, exited) = in_goroutine(move |log| {
        stop();
        log.say("still here");
        runtime::gosched();
        log.say("unreachable");
    });
    assert_eq!((said.as_str(), exited), ("still here", true));
    // Without a call into the runtime, at the end of the goroutine.
    let (said, exited) = in_goroutine(move |log| {
        stop();
        log.say("to the end");
    });
    assert_eq!((said.as_str(), exited), ("to the end", true));
    // At the end of a function of ours, before its deferred calls.
    let (said, exited) = in_goroutine(move |log| {
        func::<()>(|f| {
            f.defer(|d| log.say(recovered(d)));
            stop();
        });
        log.say("unreachable");
    });
    assert_eq!((said.as_str(), exited), ("nil", true));
}

#[test]
fn a_stopped_goexit_goes_on_at_whatever_is_called_next() {
    use gort::sync::{Barrier, Condvar, Mutex, Once, OnceLock, RwLock, Semaphore, WaitGroup};
    let calls: &[(&str, fn())] = &[
        ("send", || chan(1).send(())),
        ("recv", || _ = chan::<()>(0).recv()),
        ("try_send", || _ = chan(1).try_send(())),
        ("try_recv", || _ = chan::<()>(1).try_recv()),
        ("send_timeout", || _ = chan(1).send_timeout((), Duration::ZERO)),
        ("recv_timeout", || _ = chan::<()>(1).recv_timeout(Duration::ZERO)),
        ("close", || chan::<()>(0).close()),
        ("nil", || _ = gort::Chan::<()>::nil().recv()),
        ("sender", || _ = gort::channel(1).0.send(())),
        ("receiver", || _ = gort::channel::<()>(1).1.recv()),
        ("select", || {
            let c = chan::<()>(1);
            gort::select! { recv(c) -> _v => {} default => {} }
        }),
        ("no cases", || gort::select! {}),
        ("run-time select", || _ = gort::Select::new().try_select()),
        ("mutex", || _ = Mutex::new(()).lock()),
        ("read", || _ = RwLock::new(()).read()),
        ("write", || _ = RwLock::new(()).write()),
        ("condvar", || {
            static LOCK: Mutex<()> = Mutex::new(());
            Condvar::new().wait(&mut LOCK.lock());
        }),
        ("once", || Once::new().call_once(|| ())),
        ("once lock", || _ = OnceLock::new().get_or_init(|| ())),
        ("barrier", || _ = Barrier::new(1).wait()),
        ("semaphore", || Semaphore::new(1).acquire(1)),
        ("wait", || WaitGroup::new().wait()),
        ("group", || WaitGroup::new().go(|| ())),
        ("go", || go(|| ())),
        ("spawn", || _ = spawn(|| ())),
        ("scope", || gort::scope(|s| s.go(|| ()))),
        ("sleep", || gort::time::sleep(Duration::ZERO)),
        ("after", || _ = gort::time::after(Duration::ZERO)),
        ("gosched", runtime::gosched),
        ("gomaxprocs", || _ = runtime::gomaxprocs(0)),
        ("goexit", || runtime::goexit()),
    ];
    for &(name, call) in calls {
        let (said, exited) = in_goroutine(move |log| {
            assert!(catch_unwind(|| runtime::goexit()).is_err());
            log.say("stopped");
            call();
            log.say("unreachable");
        });
        assert_eq!((said.as_str(), exited), ("stopped", true), "{name}");
    }
}

#[test]
fn a_goexit_stopped_inside_a_scope_waits_for_the_scope() {
    let (said, exited) = in_goroutine(|log| {
        let count = std::sync::atomic::AtomicU32::new(0);
        let _say = scopeguard(|| log.say(count.load(std::sync::atomic::Ordering::Relaxed)));
        gort::scope(|s| {
            s.go(|| {
                gort::time::sleep(Duration::from_millis(2));
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
            let _ = catch_unwind(|| runtime::goexit());
        });
        log.say("unreachable");
    });
    assert_eq!((said.as_str(), exited), ("1", true));
}

fn scopeguard<F: FnMut()>(f: F) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            self.0();
        }
    }
    Guard(f)
}

#[test]
fn goexit_passes_std_scoped_threads() {
    let (said, exited) = in_goroutine(|log| {
        let _last = scopeguard(|| log.say("out"));
        std::thread::scope(|s| {
            s.spawn(|| std::thread::sleep(Duration::from_millis(1)));
            runtime::goexit();
        });
    });
    assert_eq!((said.as_str(), exited), ("out", true));
}

#[test]
fn goexit_ends_a_goroutine_of_a_wait_group() {
    gort::run(|| {
        let wg = gort::sync::WaitGroup::new();
        wg.go(|| func::<()>(|_| runtime::goexit()));
        wg.wait();
    });
}

#[test]
fn goexit_off_a_goroutine_panics() {
    let p = catch_unwind(|| runtime::goexit()).unwrap_err();
    assert!(p.downcast::<&str>().unwrap().contains("goexit"));
}

#[test]
fn defer_blocks_run_last_in_first_out_and_may_panic() {
    let log = Log::default();
    let early = |leave: bool| {
        gort::defer! { log.say("first"); }
        gort::defer! { log.say("second"); }
        if leave {
            return;
        }
        log.say("end");
    };
    early(true);
    early(false);
    assert_eq!(log.said(), "second first end second first");

    let log = Log::default();
    func::<()>(|f| {
        f.defer(|d| log.say(recovered(d)));
        gort::defer! { panic!("newest"); }
        gort::defer! { panic!("newer"); }
        panic!("old")
    });
    assert_eq!(log.said(), "newest");
    let (said, exited) = in_goroutine(|log| {
        func::<()>(|f| {
            f.defer(|d| log.say(recovered(d)));
            gort::defer! { panic!("during goexit"); }
            runtime::goexit()
        });
    });
    assert_eq!((said.as_str(), exited), ("during goexit", true));
    let (said, exited) = in_goroutine(|log| {
        func::<()>(|f| {
            f.defer(|d| log.say(recovered(d)));
            gort::defer! { runtime::goexit(); }
            panic!("abandoned")
        });
    });
    assert_eq!((said.as_str(), exited), ("nil", true));
}

#[test]
fn recursion_with_a_recover_at_each_level() {
    fn dive(depth: usize) -> usize {
        func(|f| {
            f.defer(move |d| {
                let p = d.recover().expect("every level panics");
                if depth.is_multiple_of(2) {
                    p.resume();
                }
                panic!("{depth}: {}", p.message().len());
            });
            if depth == 0 {
                panic!("bottom")
            }
            dive(depth - 1)
        })
    }
    let last: String = func(|f| {
        f.defer(|d| *d.result() = d.recover().unwrap().message().to_owned());
        dive(501).to_string()
    });
    assert_eq!(last, "501: 6");
}
