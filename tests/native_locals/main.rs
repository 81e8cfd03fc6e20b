//! C and C++ on goroutines with thread-locals of their own: what the C library and the C++ runtime keep
//! for a thread is the goroutine's. The tests are in `libc.c` and `cxx.cc`; they are built here, as
//! modules that are loaded after the runtime has started, so that their thread-locals are of the kind
//! that is allocated on first use.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]

use gort::{Config, ThreadLocals, runtime};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A row of the modules' tables.
#[repr(C)]
struct Row {
    name: *const c_char,
    run: Option<extern "C" fn(extern "C" fn()) -> c_int>,
    heavy: c_int,
}

extern "C" fn turn() {
    runtime::gosched();
}

/// Builds a module and returns its path; `None` without a compiler.
fn build(compiler: &str, source: &str) -> Option<PathBuf> {
    Command::new(compiler).arg("--version").output().ok()?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native_locals");
    let name = format!("{source}.{}.so", std::process::id());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let out = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-g", "-fstack-protector-all", "-Wall", "-pthread", "-o"])
        .arg(&target)
        .arg(here.join(source))
        .output()
        .expect("the compiler runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(target)
}

/// A module in this process, for good.
struct Module(*mut c_void);

impl Module {
    fn load(path: &Path) -> Self {
        let name = CString::new(path.to_str().expect("text")).expect("no zero");
        // SAFETY: loads a module of ours, whose constructors do nothing.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        std::fs::remove_file(path).expect("it was built");
        assert!(!handle.is_null(), "dlopen");
        Self(handle)
    }

    fn find(&self, name: &CStr) -> *mut c_void {
        // SAFETY: a lookup in a loaded module.
        let at = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!at.is_null(), "{name:?}");
        at
    }

    fn count(&self, name: &CStr) -> c_int {
        // SAFETY: the modules' counters are declared so.
        let f = unsafe {
            std::mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(self.find(name))
        };
        f()
    }

    /// The rows of a table, which ends with an empty one.
    fn rows(&self, name: &CStr) -> &'static [Row] {
        let first = self.find(name).cast::<Row>();
        let mut n = 0;
        // SAFETY: (both) the table is a static of a module that is never unloaded.
        while unsafe { !(*first.add(n)).name.is_null() } {
            n += 1;
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(first, n) }
    }
}

/// Runs every row on many goroutines at once.
fn all(rows: &'static [Row], crowd: usize) {
    for row in rows {
        // SAFETY: a terminated static string.
        let name = unsafe { CStr::from_ptr(row.name) }.to_string_lossy();
        let run = row.run.expect("a row has a function");
        let crowd = if row.heavy != 0 { 4 } else { crowd };
        let handles: Vec<_> = (0..crowd).map(|_| gort::spawn(move || run(turn))).collect();
        for handle in handles {
            let line = handle.join().expect("no panic");
            assert_eq!(line, 0, "{name}: what this line asks for is not so");
        }
    }
}

fn own(f: impl FnOnce() + Send) {
    let config = Config::new().thread_locals(ThreadLocals::PerGoroutine);
    config.run(f).expect("thread-locals of their own");
}

#[test]
fn c_sees_a_thread_in_each_goroutine() {
    let Some(path) = build("cc", "libc.c") else { return };
    own(|| {
        let module = Module::load(&path);
        let rows = module.rows(c"tests");
        assert!(rows.len() >= 24);
        for (round, procs) in [2, 4, 1].into_iter().enumerate() {
            runtime::gomaxprocs(procs);
            all(rows, 300);
            // Each of 300 goroutines has stored a value under 80 keys.
            let wanted = (round as c_int + 1) * 300 * 80;
            assert_eq!(module.count(c"values_destroyed"), wanted, "values under keys");
        }
    });
}

#[test]
fn cxx_sees_a_thread_in_each_goroutine() {
    let Some(path) = build("c++", "cxx.cc") else { return };
    own(|| {
        let module = Module::load(&path);
        for procs in [2, 4, 1] {
            runtime::gomaxprocs(procs);
            all(module.rows(c"cxx_tests"), 500);
            assert_eq!(module.count(c"cxx_alive"), 0, "thread_locals that were not destroyed");
        }
    });
}

/// The documented result: initial values are there for goroutines that begin later, also in places that
/// were used before; those alive find zeroes.
#[test]
fn a_late_module_is_whole_for_goroutines_that_begin_later() {
    let Some(path) = build("cc", "late.c") else { return };
    own(|| {
        let (gate, ready) = (gort::chan::<usize>(0), gort::chan::<()>(0));
        let (g, r) = (gate.clone(), ready.clone());
        let read = |at: usize| {
            // SAFETY: the module's functions are declared so.
            let f = unsafe { std::mem::transmute::<usize, extern "C" fn() -> c_int>(at) };
            f()
        };
        let alive = gort::spawn(move || {
            r.send(());
            read(g.recv().expect("an address"))
        });
        let _ = ready.recv();
        let module = Module::load(&path);
        let [initialized, zero] =
            [c"late_initialized", c"late_zero"].map(|name| module.find(name).expose_provenance());
        assert_eq!(read(initialized), 4321, "main has its thread's");
        gate.send(initialized);
        assert_eq!(alive.join().expect("no panic"), 0);
        for _ in 0..100 {
            let h = gort::spawn(move || (read(initialized), read(zero), read(zero)));
            assert_eq!(h.join().expect("no panic"), (4321, 0, 1));
        }
    });
}

#[test]
fn from_elsewhere_a_goroutine_is_no_thread() {
    own(|| {
        let gate = gort::chan::<()>(0);
        let told = gort::chan::<libc::pthread_t>(0);
        let (g, t) = (gate.clone(), told.clone());
        let h = gort::spawn(move || {
            // SAFETY: no preconditions.
            t.send(unsafe { libc::pthread_self() });
            let _ = g.recv();
        });
        let goroutine = told.recv().expect("its identity");
        // SAFETY: the descriptor is there for ever; the kernel does not know its thread.
        let rc = unsafe { libc::pthread_kill(goroutine, libc::SIGUSR2) };
        assert_eq!(rc, libc::ESRCH);
        gate.send(());
        h.join().expect("no panic");
    });
}
