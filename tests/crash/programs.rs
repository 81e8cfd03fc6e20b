//! The programs. Where one comes from Go's own tests it has its name there.

use gort::sync::RwLock;
use gort::{Config, OnPanic, chan, func, go, run, runtime, spawn};
use std::error::Error;
use std::fmt;
use std::panic::{catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Runs `f` in a goroutine while main waits for ever.
fn crash(f: impl FnOnce() + Send + 'static) {
    run(move || {
        go(f);
        let _ = gort::Chan::<()>::nil().recv();
    });
}

macro_rules! programs {
    ($($name:ident $body:block)*) => {
        $(pub(crate) fn $name() $body)*
    };
}

macro_rules! panics_with {
    ($($name:ident: $value:expr;)*) => {
        $(pub(crate) fn $name() {
            crash(|| panic_any($value));
        })*
    };
}

panics_with! {
    str_value: "a text";
    string_value: String::from("a string");
    lines_value: "two\nlines";
    int_value: 93i32;
    negative_value: -93i64;
    unsigned_value: 255u8;
    wide_value: u128::MAX;
    float_value: -93.7f64;
    small_float_value: 2.5e-7f64;
    large_float_value: 1e21f32;
    bool_value: true;
    char_value: 'x';
    boxed_error_value: Box::<dyn Error + Send + Sync>::from("an error");
    io_error_value: std::io::Error::other("no disk");
    parse_error_value: "x".parse::<i32>().unwrap_err();
    opaque_value: Opaque;
    bad_error_value: Box::<dyn Error + Send + Sync>::from(Bad("important\nerror message"));
}

struct Opaque;

/// An error whose `Display` panics.
#[derive(Debug)]
struct Bad(&'static str);

impl fmt::Display for Bad {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("{}", self.0)
    }
}

impl Error for Bad {}

#[inline(never)]
fn deep_inside(n: u32) {
    assert!(n > 7, "too small");
    std::hint::black_box(n);
}

#[inline(never)]
fn recurse(n: usize) {
    if n == 0 {
        panic!("bottom");
    }
    recurse(std::hint::black_box(n - 1));
    std::hint::black_box(n);
}

#[inline(never)]
fn waits(c: &gort::Chan<()>) {
    // Something to come back for, so that the frame stays.
    std::hint::black_box(c.recv());
}

programs! {
    formatted { crash(|| panic!("{} and {}", 1, 2)); }
    frames { crash(|| deep_inside(3)); }
    elided { crash(|| recurse(150)); }
    much_elided { crash(|| recurse(20_000)); }
    unwrap_none { crash(|| { std::hint::black_box(None::<i32>).unwrap(); }); }
    divides_by_zero { crash(|| { std::hint::black_box(1 / std::hint::black_box(0)); }); }
    out_of_bounds { crash(|| { let i = std::hint::black_box(9); let a = [1, 2, 3]; std::hint::black_box(a.get(..i).unwrap_or(&a)[i]); }); }
    no_hook { crash(|| resume_unwind(Box::new("raised without the hook"))); }
    panics_in_wait_group {
        run(|| {
            let wg = gort::sync::WaitGroup::new();
            wg.go(|| panic!("in a group"));
            wg.wait();
            println!("unreachable");
        });
    }
    panics_in_scope_go { run(|| gort::scope(|s| s.go(|| panic!("in a scope")))); }
    panics_in_nested {
        run(|| { go(|| { go(|| panic!("grandchild")); let _ = gort::Chan::<()>::nil().recv(); }); let _ = gort::Chan::<()>::nil().recv(); });
    }
    from_a_thread {
        run(|| {
            std::thread::spawn(|| go(|| panic!("from a thread"))).join().unwrap();
            let _ = gort::Chan::<()>::nil().recv();
        });
    }
    recursive_panic_1 {
        crash(|| {
            func::<()>(|f| {
                f.defer(|d| eprintln!("wrap: {}", d.recover().unwrap()));
                func::<()>(|g| { g.defer(|_| ()); panic!("bad") });
            });
            panic!("again");
        });
    }
    recursive_panic_2 {
        crash(|| func::<()>(|f| {
            f.defer(|_| panic!("third panic"));
            f.defer(|_| func::<()>(|g| {
                g.defer(|d| eprintln!("{}", d.recover().unwrap()));
                panic!("second panic")
            }));
            f.defer(|d| eprintln!("{}", d.recover().unwrap()));
            panic!("first panic")
        }));
    }
    recursive_panic_3 {
        crash(|| func::<()>(|f| {
            f.defer(|_| func::<()>(|g| {
                g.defer(|d| drop(d.recover()));
                panic!("second panic")
            }));
            panic!("first panic")
        }));
    }
    recursive_panic_4 {
        crash(|| func::<()>(|f| {
            f.defer(|d| { drop(d.recover()); panic!("second panic") });
            panic!("first panic")
        }));
    }
    unrecovered_chain {
        crash(|| func::<()>(|f| {
            f.defer(|_| panic!("third\nin two lines"));
            f.defer(|_| panic!("second"));
            panic!("first")
        }));
    }
    repanicked {
        crash(|| func::<()>(|f| {
            f.defer(|d| d.recover().unwrap().resume());
            panic!("message")
        }));
    }
    repanicked_thrice {
        crash(|| func::<()>(|f| {
            for _ in 0..3 { f.defer(|d| d.recover().unwrap().resume()); }
            panic!("message")
        }));
    }
    repanicked_payload {
        crash(|| func::<()>(|f| {
            f.defer(|d| resume_unwind(d.recover().unwrap().into_payload()));
            panic!("message")
        }));
    }
    repanicked_middle {
        crash(|| func::<()>(|f| {
            f.defer(|d| { drop(d.recover()); panic!("outer") });
            f.defer(|d| d.recover().unwrap().resume());
            f.defer(|d| { drop(d.recover()); panic!("middle") });
            panic!("inner")
        }));
    }
    repanicked_sandwich {
        crash(|| func::<()>(|f| {
            f.defer(|d| {
                let outer = d.recover().unwrap();
                func::<()>(|g| {
                    g.defer(|e| { drop(e.recover()); outer.resume() });
                    panic!("inner")
                });
            });
            panic!("outer")
        }));
    }
    superseded_by_block {
        crash(|| { gort::defer! { panic!("in a block"); } panic!("in the body") });
    }
    panic_after_goexit {
        crash(|| func::<()>(|f| { f.defer(|_| panic!("hello")); runtime::goexit() }));
    }
    goexit_in_panic {
        run(|| {
            go(|| func::<()>(|f| { f.defer(|_| runtime::goexit()); panic!("hello") }));
            runtime::goexit()
        });
    }
    recovered_prints_nothing {
        run(|| func::<()>(|f| { f.defer(|d| drop(d.recover())); panic!("quiet") }));
        func::<()>(|f| { f.defer(|d| drop(d.recover())); panic!("quiet") });
        run(|| spawn(|| func::<()>(|f| { f.defer(|d| drop(d.recover())); panic!("quiet") })).join().unwrap());
    }
    caught_prints_nothing {
        run(|| spawn(|| assert!(catch_unwind(|| panic!("quiet")).is_err())).join().unwrap());
    }
    joined_prints_nothing {
        run(|| assert!(spawn(|| panic!("quiet")).join().is_err()));
    }
    main_panics { run(|| panic!("main's own")); }
    main_panics_in_func {
        run(|| func::<()>(|f| { f.defer(|_| eprintln!("deferred")); func::<()>(|_| panic!("main's own")) }));
    }
    thread_panics_in_func { func::<()>(|f| { f.defer(|_| eprintln!("deferred")); panic!("a thread's own") }); }
    isolated {
        let end = Config::new().on_panic(OnPanic::Isolate).run(|| {
            let wg = gort::sync::WaitGroup::new();
            wg.go(|| panic!("only this one"));
            wg.wait();
            println!("still here");
        });
        end.unwrap();
    }
    two_at_once {
        // Each is printed only when both are about to be.
        #[derive(Debug)]
        struct Meets(&'static str);
        impl fmt::Display for Meets {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                static HERE: AtomicU32 = AtomicU32::new(0);
                HERE.fetch_add(1, Ordering::SeqCst);
                while HERE.load(Ordering::SeqCst) < 2 { runtime::gosched(); }
                f.write_str(self.0)
            }
        }
        impl Error for Meets {}
        run(|| {
            for name in ["one", "two"] {
                go(move || panic_any(Box::<dyn Error + Send + Sync>::from(Meets(name))));
            }
            let _ = gort::Chan::<()>::nil().recv();
        });
    }
    main_returns_while_panicking {
        run(|| {
            let c = chan(0);
            let d = c.clone();
            go(move || func::<()>(|f| {
                f.defer(move |_| { d.send(()); for _ in 0..100 { runtime::gosched(); } });
                panic!("the crash wins")
            }));
            let _ = c.recv();
        });
    }
    main_returns_while_printing {
        struct Slow(gort::Chan<()>);
        impl fmt::Debug for Slow { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("slow") } }
        impl fmt::Display for Slow {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.send(());
                gort::time::sleep(Duration::from_millis(20));
                f.write_str("slow to say")
            }
        }
        impl Error for Slow {}
        run(|| {
            let c = chan(0);
            let slow: Box<dyn Error + Send + Sync> = Box::new(Slow(c.clone()));
            go(move || panic_any(slow));
            let _ = c.recv();
        });
    }
    panic_in_destructor {
        struct Both;
        impl Drop for Both { fn drop(&mut self) { panic!("while unwinding") } }
        crash(|| { let _both = Both; panic!("first") });
    }
    deadlock { run(|| { let _ = chan::<()>(0).recv(); }); }
    deadlock_nil { run(|| { let _ = gort::Chan::<()>::nil().recv(); }); }
    deadlock_nil_send { run(|| gort::Chan::nil().send(())); }
    deadlock_send { run(|| chan(0).send(())); }
    deadlock_group { run(|| { let wg = gort::sync::WaitGroup::new(); wg.add(1); wg.wait(); }); }
    deadlock_join { run(|| { let _ = spawn(|| gort::Chan::<()>::nil().recv()).join(); }); }
    deadlock_many {
        run(|| {
            let c = chan(0);
            for _ in 0..3 { let c = c.clone(); go(move || waits(&c)); }
            waits(&c);
        });
    }
    deadlock_later { run(|| { go(|| gort::time::sleep(Duration::from_millis(30))); waits(&chan(0)); }); }
    deadlock_after_procs { run(|| { runtime::gomaxprocs(4); runtime::gomaxprocs(1); waits(&chan(0)); }); }
    deadlock_select { run(|| { let (a, b) = (chan::<()>(0), chan::<()>(0)); gort::select! { recv(a) -> _v => {} recv(b) -> _v => {} } }); }
    deadlock_no_cases { run(|| { gort::select! {} }); }
    deadlock_nil_cases { run(|| { let nil = gort::Chan::<()>::nil(); gort::select! { recv(nil) -> _v => {} } }); }
    deadlock_mutex { run(|| { let m = gort::sync::Mutex::new(()); let _one = m.lock(); let _two = m.lock(); }); }
    deadlock_read { run(|| { let m = RwLock::new(()); let _one = m.write(); let _two = m.read(); }); }
    deadlock_write { run(|| { let m = RwLock::new(()); let _one = m.read(); let _two = m.write(); }); }
    deadlock_condvar { run(|| { let m = gort::sync::Mutex::new(()); gort::sync::Condvar::new().wait(&mut m.lock()); }); }
    deadlock_semaphore { run(|| gort::sync::Semaphore::new(0).acquire(1)); }
    deadlock_timer_nobody_waits_for { run(|| { let _t = gort::time::Timer::new(Duration::from_secs(3600)); waits(&chan(0)); }); }
    deadlock_of_thread_gone {
        run(|| { std::thread::spawn(|| std::thread::sleep(Duration::from_millis(50))); waits(&chan(0)); });
    }
    deadlock_after_panic { run(|| { assert!(spawn(|| panic!("taken")).join().is_err()); waits(&chan(0)); }); }
    deadlock_in_deferred { run(|| func::<()>(|f| { f.defer(|_| waits(&chan(0))); panic!("never told") })); }
    no_deadlock_ticker { run(|| { let t = gort::time::Ticker::new(Duration::from_millis(20)); for _ in 0..3 { let _ = t.chan().recv(); } }); }
    no_deadlock_timeout { run(|| assert!(chan::<()>(0).recv_timeout(Duration::from_millis(40)).is_err())); }
    no_deadlock_procs {
        run(|| {
            let c = chan(0);
            let d = c.clone();
            go(move || {
                for n in 0..40 { runtime::gomaxprocs(1 + n % 5); gort::time::sleep(Duration::from_micros(500)); }
                d.send(());
            });
            let _ = c.recv();
        });
    }
    no_deadlock_new_threads {
        run(|| {
            for _ in 0..30 {
                let wg = gort::sync::WaitGroup::new();
                for _ in 0..8 { wg.go(|| std::thread::sleep(Duration::from_millis(2))); }
                wg.wait();
            }
        });
    }
    goexit_deadlock { run(|| { go(|| ()); runtime::goexit() }); }
    goexit_blocked { run(|| { go(|| waits(&chan(0))); runtime::goexit() }); }
    goexit_stopped_main { run(|| { let _ = catch_unwind(|| runtime::goexit()); }); }
    no_deadlock_timer { run(|| { let c = chan(0); let d = c.clone(); go(move || { gort::time::sleep(Duration::from_millis(30)); d.send(()) }); let _ = c.recv(); }); }
    no_deadlock_thread {
        run(|| {
            let c = chan(0);
            let d = c.clone();
            std::thread::spawn(move || { std::thread::sleep(Duration::from_millis(60)); d.send(()) });
            let _ = c.recv();
        });
    }
    no_deadlock_hog {
        run(|| {
            let c = chan(0);
            let d = c.clone();
            go(move || {
                let t = std::time::Instant::now();
                while t.elapsed() < Duration::from_millis(60) { std::hint::spin_loop(); }
                d.send(());
            });
            let _ = c.recv();
        });
    }
    no_deadlock_blocked {
        run(|| { let h = spawn(|| std::thread::sleep(Duration::from_millis(60))); h.join().unwrap(); });
    }
    fatal_threads { run(|| { gort::time::sleep(Duration::from_millis(1)); runtime::set_max_threads(0); }); }
    fatal_in_panic { crash(|| func::<()>(|f| { f.defer(|_| unlock_twice()); panic!("before") })); }
    fatal_in_panics {
        crash(|| func::<()>(|f| {
            f.defer(|d| {
                drop(d.recover());
                func::<()>(|g| { g.defer(|_| unlock_twice()); panic_any(Box::<dyn Error + Send + Sync>::from(Bad("never asked"))) });
            });
            panic!("outer")
        }));
    }
    fatal_in_destructor {
        struct Unlocks;
        impl Drop for Unlocks { fn drop(&mut self) { unlock_twice() } }
        crash(|| { let _unlocks = Unlocks; panic!("in two\nlines") });
    }
    fatal_cannot_be_recovered {
        crash(|| func::<()>(|f| { f.defer(|d| { drop(d.recover()); println!("recovered"); }); let _ = catch_unwind(unlock_twice); }));
    }
    fatal_wins_over_main {
        run(|| {
            let c = chan(0);
            let d = c.clone();
            go(move || { d.send(()); unlock_twice() });
            let _ = c.recv();
            for _ in 0..20 { std::thread::yield_now(); }
            waits(&chan(0));
        });
    }
    unlock_mutex { run(unlock_twice); }
    runlock_rwlock {
        run(|| {
            let lock = RwLock::new(());
            let guard = lock.read();
            // SAFETY: none: this is the mistake. Nobody uses what the lock is for.
            let again = unsafe { std::ptr::read(&raw const guard) };
            drop(guard);
            drop(again);
        });
    }
    unlock_rwlock {
        run(|| {
            let lock = RwLock::new(());
            let guard = lock.write();
            // SAFETY: as above.
            let again = unsafe { std::ptr::read(&raw const guard) };
            drop(guard);
            drop(again);
        });
    }
    negative_group { crash(|| gort::sync::WaitGroup::new().done()); }
    closed_twice { crash(|| { let c = chan::<()>(0); c.close(); c.close(); }); }
    sent_to_closed { crash(|| { let c = chan(1); c.close(); c.send(()); }); }
    closed_nil { crash(|| gort::Chan::<()>::nil().close()); }
    send_meets_close { crash(|| { let c = chan(0); let d = c.clone(); go(move || d.close()); c.send(()); }); }
    nested_in_destructor {
        struct Catches;
        impl Drop for Catches { fn drop(&mut self) { assert!(catch_unwind(|| panic!("the inner one")).is_err()); } }
        crash(|| { let _catches = Catches; deep_inside(3) });
    }
    panic_in_hook {
        run(|| {
            std::panic::set_hook(Box::new(|_| panic!("a hook's own")));
            go(|| panic!("first"));
            waits(&chan(0));
        });
    }
    hook_replaced {
        run(|| {
            std::panic::set_hook(Box::new(|info| eprintln!("hook: {}", info.payload().downcast_ref::<&str>().unwrap())));
            go(|| panic!("first"));
            waits(&chan(0));
        });
    }
    hook_before {
        std::panic::set_hook(Box::new(|_| eprintln!("hook before")));
        run(|| {
            assert!(catch_unwind(|| panic!("in main")).is_err());
            go(|| panic!("in a goroutine"));
            waits(&chan(0));
        });
    }
    panics_while_parked {
        crash(|| func::<()>(|f| {
            f.defer(|_| for _ in 0..50 { gort::time::sleep(Duration::from_micros(100)); });
            panic!("after many parks")
        }));
    }
    panic_of_after_func { run(|| { gort::time::after_func(Duration::from_millis(1), || panic!("late")); waits(&chan(0)); }); }
    unjoined_scope_panic { run(|| gort::scope(|s| { s.spawn(|| panic!("in a scope")); })); }
    ten_at_once {
        run(|| {
            for _ in 0..10 { go(|| { runtime::gosched(); panic!("one of ten") }); }
            waits(&chan(0));
        });
    }
    seeds {
        run(|| {
            let text = std::cell::RefCell::new(String::new());
            let say = |s: &dyn fmt::Display| text.borrow_mut().push_str(&format!("{s} "));
            func::<()>(|f| for i in (0..10).rev() { f.defer(move |_| say(&i)); });
            func::<()>(|f| for i in 0..3 { f.defer(move |_| say(&i)); });
            let shared = std::cell::Cell::new(0);
            func::<()>(|f| for i in 1..4 { f.defer(|_| say(&shared.get())); shared.set(i); });
            say(&func(|f| { f.defer(|d| *d.result() += 5); 10 }));
            let early = std::hint::black_box(true);
            func::<()>(|f| {
                f.defer(|_| say(&789));
                say(&123);
                if early { return; }
                say(&456);
            });
            println!("{}", text.borrow());
        });
    }
    quit {
        run(|| {
            let c = chan(0);
            go(move || waits(&c));
            runtime::gosched();
            quit_self();
            gort::time::sleep(Duration::from_secs(60));
        });
    }
    quit_asleep {
        run(|| {
            std::thread::spawn(|| { std::thread::sleep(Duration::from_millis(100)); quit_self(); std::thread::sleep(Duration::from_secs(60)) });
            waits(&chan(0));
        });
    }
    quit_taken {
        // SAFETY: the handler only ends the process.
        unsafe { libc_signal(3, taken as *const () as usize) };
        run(|| { quit_self(); gort::time::sleep(Duration::from_secs(60)) });
    }
    dump_of_many {
        run(|| {
            let c = chan(0);
            for _ in 0..100_000 { let c = c.clone(); go(move || waits(&c)); }
            while runtime::num_goroutine() < 100_001 { runtime::gosched(); }
            runtime::gosched();
            let dump = runtime::stack_dump();
            let all = dump.lines().filter(|l| l.starts_with("goroutine ")).count();
            for _ in 0..100_000 { c.send(()); }
            println!("{all} {}", dump.contains("waits(...)") || dump.contains("programs::waits"));
        });
    }
    dump {
        run(|| {
            let c = chan(0);
            let d = c.clone();
            go(move || waits(&d));
            while !runtime::stack_dump().contains("[chan receive]") { runtime::gosched(); }
            eprint!("{}", runtime::stack_dump());
            c.send(());
        });
    }
}

extern "C" fn taken(_: i32) {
    std::process::exit(7)
}

unsafe extern "C" {
    #[link_name = "signal"]
    fn libc_signal(signal: i32, handler: usize) -> usize;
    fn getpid() -> i32;
    fn kill(pid: i32, signal: i32) -> i32;
}

/// What a guard copied by mistake does.
fn unlock_twice() {
    let mutex = gort::sync::Mutex::new(());
    let guard = mutex.lock();
    // SAFETY: none: this is the mistake. Nobody uses what the lock is for.
    let again = unsafe { std::ptr::read(&raw const guard) };
    drop(guard);
    drop(again);
}

fn quit_self() {
    // SAFETY: neither has preconditions.
    unsafe { kill(getpid(), 3) };
}
