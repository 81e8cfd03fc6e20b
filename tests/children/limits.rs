//! Cases about limits: threads, address space, mappings. Whatever is refused, nothing is lost.

use crate::cases::{fill, limit};
use gort::sync::WaitGroup;
use gort::{Builder, Chan, Config, chan, go, runtime, spawn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Runs the case of this name, if it is one of these.
pub(crate) fn run(case: &str) -> bool {
    match case {
        "set_max_threads" => set_max_threads(),
        "set_max_threads_below" => set_max_threads_below(),
        "refused_spawns" => refused_spawns(),
        "refused_main" => refused_main(),
        "data_limit" => data_limit(),
        "mprotect_default" => mprotect_default(),
        _ => return false,
    }
    true
}

fn set_max_threads() {
    gort::run(|| {
        assert_eq!(runtime::set_max_threads(500), 10_000);
        assert_eq!(runtime::set_max_threads(usize::MAX), 500);
        assert!(runtime::set_max_threads(4) > 1 << 30);
        let wg = WaitGroup::new();
        (0..50).for_each(|_| wg.go(|| std::thread::sleep(Duration::from_millis(500))));
        wg.wait();
    });
}

/// Below what exists already.
fn set_max_threads_below() {
    gort::run(|| {
        let wg = WaitGroup::new();
        (0..8).for_each(|_| wg.go(|| std::thread::sleep(Duration::from_millis(30))));
        wg.wait();
        runtime::set_max_threads(1);
    });
}

/// A value that uses the runtime when it is dropped.
struct Tell(Chan<u32>, u32);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.send(self.1);
        let inner = Chan::<()>::nil();
        _ = inner.try_recv();
    }
}

/// Every way to start a goroutine when there is no stack for one: an error or a panic, the closure
/// dropped, every counter as it was.
fn refused_spawns() {
    limit(libc::RLIMIT_AS, 1 << 30);
    let start = || {
        let (gate, wg) = (chan::<()>(0), WaitGroup::new());
        fill(&gate, &wg);
        let before = runtime::num_goroutine();
        let told = chan(10);
        let tell = |n| Tell(told.clone(), n);
        let refused = |end: std::thread::Result<()>| {
            let payload = end.expect_err("there is no stack");
            let text = payload.downcast::<String>().unwrap();
            assert!(text.starts_with("gort: cannot create a goroutine"), "{text}");
        };
        let t = tell(1);
        assert!(Builder::new().spawn(move || drop(t)).is_err());
        let t = tell(2);
        refused(catch_unwind(AssertUnwindSafe(|| go(move || drop(t)))));
        let t = tell(3);
        refused(catch_unwind(AssertUnwindSafe(|| drop(spawn(move || drop(t))))));
        let (t, group) = (tell(4), WaitGroup::new());
        refused(catch_unwind(AssertUnwindSafe(|| group.go(move || drop(t)))));
        group.wait();
        let t = tell(5);
        refused(catch_unwind(AssertUnwindSafe(|| gort::scope(|s| s.go(move || drop(t))))));
        let t = tell(6);
        refused(catch_unwind(AssertUnwindSafe(|| {
            gort::scope(|s| drop(s.spawn(move || drop(t))));
        })));
        let (t, large) = (tell(7), [0_u8; 10_000]);
        refused(catch_unwind(AssertUnwindSafe(|| go(move || (t, large)))));
        assert_eq!(
            (1..=7).map(|_| told.recv().unwrap()).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 6, 7]
        );
        assert_eq!(runtime::num_goroutine(), before);
        gate.close();
        wg.wait();
        assert_eq!(spawn(|| 5).join().unwrap(), 5);
    };
    Config::new().procs(1).run(start).unwrap();
    println!("done");
}

/// No stack even for a main goroutine, on a second thread while the first holds them all.
fn refused_main() {
    limit(libc::RLIMIT_AS, 1 << 30);
    Config::new()
        .procs(1)
        .run(|| {
            let (gate, wg) = (chan::<()>(0), WaitGroup::new());
            let (go_on, told) = (chan::<()>(0), chan(3));
            let (wait, tell) = (go_on.clone(), told.clone());
            let second = std::thread::spawn(move || {
                _ = wait.recv();
                let t = Tell(tell, 9);
                let end = Config::new().procs(1).run(move || drop(t));
                end.unwrap_err().to_string()
            });
            fill(&gate, &wg);
            go_on.close();
            assert_eq!(told.recv(), Some(9), "main's closure is dropped");
            let text = second.join().unwrap();
            assert!(text.contains("no stack of"), "{text}");
            gate.close();
            wg.wait();
        })
        .unwrap();
    println!("done");
}

/// RLIMIT_DATA counts private writable mappings, as overcommit_memory=2 would.
fn data_limit() {
    limit(libc::RLIMIT_DATA, 1 << 30);
    Config::new()
        .procs(1)
        .run(|| {
            let (gate, wg) = (chan::<()>(0), WaitGroup::new());
            let (fitted, e) = fill(&gate, &wg);
            assert!(fitted > 100, "only {fitted}");
            assert!(e.to_string().contains("no stack of"), "{e}");
            gate.close();
            wg.wait();
            assert_eq!(spawn(|| 5).join().unwrap(), 5);
        })
        .unwrap();
    println!("done");
}

/// Guards by mprotect on the default ladder: an error that names the limit, again and again, and
/// the program goes on with what it has.
fn mprotect_default() {
    // One processor: another may keep a few dead goroutines of its own.
    let start = || {
        let (gate, wg) = (chan::<()>(0), WaitGroup::new());
        let (fitted, e) = fill(&gate, &wg);
        assert!(fitted > 10_000, "only {fitted}: {e}");
        for _ in 0..1000 {
            let e = Builder::new().spawn(|| ()).unwrap_err();
            assert!(e.to_string().contains("vm.max_map_count"), "{e}");
        }
        gate.close();
        wg.wait();
        let again: Vec<_> = (0..1000_u64).map(|i| spawn(move || i)).collect();
        assert_eq!(again.into_iter().map(|h| h.join().unwrap()).sum::<u64>(), 499_500);
    };
    Config::new().procs(1).run(start).unwrap();
    println!("done");
}
