//! Thread-locals and modes, where a process of its own is needed.

use gort::{Config, ThreadLocals, chan, runtime, spawn};
use std::cell::RefCell;

thread_local! {
    static LIST: RefCell<Vec<i32>> = const { RefCell::new(Vec::new()) };
}

/// Runs the case of this name, if it is one of these.
pub(crate) fn run(case: &str) -> bool {
    match case {
        "shared_borrow" => shared_borrow(),
        "shared_clean" => shared_clean(),
        "default_mode" => default_mode(),
        "mode_is_fixed" => mode_is_fixed(),
        _ => return false,
    }
    true
}

fn shared() -> Config {
    // SAFETY: the cases know what they do; the one that breaks the contract stays on one thread.
    unsafe { Config::new().procs(1).shared_thread_locals() }
}

/// A borrow across a park: what the contract forbids.
fn shared_borrow() {
    let c = chan::<i32>(0);
    let d = c.clone();
    let ran = shared().run(|| {
        let h = spawn(move || LIST.with(|list| list.borrow().len() as i32 + d.recv().unwrap_or(0)));
        c.send(1);
        h.join().unwrap()
    });
    assert_eq!(ran.unwrap(), 1);
    println!("done");
}

/// Nothing of a thread's across parks.
fn shared_clean() {
    let ran = shared().run(|| {
        let c = chan::<usize>(0);
        let handles: Vec<_> = (0..20)
            .map(|i| {
                let c = c.clone();
                spawn(move || {
                    LIST.with_borrow_mut(|l| l.push(1));
                    if i % 2 == 0 {
                        c.send(i);
                    } else {
                        let _ = c.recv();
                    }
                    runtime::gosched();
                })
            })
            .collect();
        handles.into_iter().for_each(|h| h.join().unwrap());
    });
    ran.unwrap();
    println!("done");
}

fn default_mode() {
    let mode = gort::run(runtime::thread_locals);
    println!("mode={mode:?} done");
    assert!(matches!(mode, ThreadLocals::PerGoroutine | ThreadLocals::Pinned));
}

fn mode_is_fixed() {
    Config::new().thread_locals(ThreadLocals::Pinned).run(|| ()).unwrap();
    let other = Config::new().thread_locals(ThreadLocals::PerGoroutine).run(|| ());
    assert!(other.unwrap_err().to_string().contains("another configuration"));
    println!("done");
}
