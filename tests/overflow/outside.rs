//! Ends of a stack met by code that is not Rust's or not ours: C functions without stack probes, users
//! of alternate signal stacks.

use crate::life::forever;
use crate::tally::Tally;
use gort::Builder;
use std::hint::black_box;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const KIB: usize = 1 << 10;

/// Each touches the low end of a buffer of 256 KiB at once, without a probe on the way, then the high
/// end. One of them calls back, with that much stack between.
const SOURCE: &str = "
enum { SIZE = 256 << 10 };
unsigned long touch(unsigned long n)
{
    volatile unsigned char buffer[SIZE];
    buffer[0] = n;
    buffer[SIZE - 1] = 1;
    return buffer[0] + buffer[SIZE - 1];
}
unsigned long call(unsigned long (*back)(void *, unsigned long), void *with, unsigned long n)
{
    volatile unsigned char buffer[SIZE];
    buffer[0] = n;
    return back(with, n + 1) + buffer[0];
}
";

type Touch = unsafe extern "C-unwind" fn(u64) -> u64;
type Back = unsafe extern "C-unwind" fn(&'static Tally, u64) -> u64;
type Call = unsafe extern "C-unwind" fn(Back, &'static Tally, u64) -> u64;

/// The C functions, compiled as most of the C in the world is: without stack probes.
fn unprobed() -> (Touch, Call) {
    static LOADED: OnceLock<[usize; 2]> = OnceLock::new();
    let [touch, call] = *LOADED.get_or_init(|| {
        let me = std::process::id();
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unprobed-{me}.so"));
        let source = library.with_extension("c");
        std::fs::write(&source, SOURCE).expect("a file");
        let flags = ["-O1", "-shared", "-fPIC", "-fno-stack-clash-protection"];
        let flags = flags.iter().chain(&["-fno-stack-protector", "-fexceptions", "-o"]);
        let done = Command::new("cc").args(flags).arg(&library).arg(&source).status();
        assert!(done.expect("a C compiler").success());
        let name = std::ffi::CString::new(library.to_str().expect("text")).expect("no zero in it");
        // SAFETY: the library runs no code of its own when it is loaded.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "dlopen");
        for file in [&library, &source] {
            std::fs::remove_file(file).expect("just made");
        }
        // SAFETY: a handle and names that end in a zero.
        [c"touch", c"call"].map(|name| unsafe { libc::dlsym(handle, name.as_ptr()) }.addr())
    });
    assert!(touch != 0 && call != 0);
    // SAFETY: the two functions of the source, whose types these are; the library stays.
    unsafe {
        (std::mem::transmute::<usize, Touch>(touch), std::mem::transmute::<usize, Call>(call))
    }
}

/// Runs `f` on a stack of a MiB.
fn on_a_mebibyte(f: impl FnOnce() + Send + 'static) {
    let start = || Builder::new().stack_size(KIB * KIB).spawn(f).expect("a stack").join();
    gort::run(start).expect("it ends well");
}

/// Wherever the stack ends below the buffer: not one byte is written beyond the guard.
#[test]
fn a_buffer_of_256_kib_without_probes_meets_the_guard() {
    #[expect(unconditional_recursion, reason = "it is to overflow")]
    #[inline(never)]
    fn level(t: &'static Tally, touch: Touch, n: u64) -> u64 {
        let _guard = t.guard();
        let mut room = [n; 200];
        black_box(&mut room);
        // SAFETY: it takes any number.
        let touched = unsafe { touch(n) };
        level(t, touch, n + 1) + touched + room[7]
    }
    #[inline(never)]
    fn lower(pads: usize, f: &dyn Fn() -> u64) -> u64 {
        let pad = black_box([pads as u8; 400]);
        let r = if pads == 0 { f() } else { lower(pads - 1, f) };
        r + u64::from(black_box(&pad)[3])
    }
    let (touch, _) = unprobed();
    on_a_mebibyte(move || {
        for pads in 0..12 {
            let t = Tally::new();
            let end = catch_unwind(|| lower(pads, &|| level(t, touch, 0)));
            let text = end.expect_err("no end").downcast::<String>().expect("a text");
            assert!(text.contains("stack overflow"), "{text}");
            assert!(t.made() > 100 && t.made() == t.dropped(), "{} {}", t.made(), t.dropped());
            // SAFETY: it takes any number.
            assert_eq!(gort::stack::ensure(300 * KIB, || unsafe { touch(7) }), 8);
        }
    });
}

/// Some frames of C, each of 256 KiB, with Rust between.
#[test]
fn c_frames_of_256_kib_are_unwound() {
    unsafe extern "C-unwind" fn back(t: &'static Tally, n: u64) -> u64 {
        let _guard = t.guard();
        let (_, call) = unprobed();
        // SAFETY: `back` has the type that is called.
        unsafe { call(back, t, n) }
    }
    unprobed();
    on_a_mebibyte(|| {
        for _ in 0..10 {
            let t = Tally::new();
            // SAFETY: it takes any number.
            assert!(catch_unwind(|| unsafe { back(t, 0) }).is_err());
            assert!(t.made() > 3 && t.made() == t.dropped(), "{} {}", t.made(), t.dropped());
        }
    });
}

/// Puts an alternate signal stack into force; returns the one before.
fn set_alternate(new: &libc::stack_t) -> libc::stack_t {
    let mut before = std::mem::MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: the new one is memory of the caller's, which stays until it is taken away again.
    let done = unsafe { libc::sigaltstack(new, before.as_mut_ptr()) };
    assert_eq!(done, 0);
    // SAFETY: written by the call.
    unsafe { before.assume_init() }
}

/// A library that brings a signal stack of its own, and takes it away again.
#[test]
fn users_of_alternate_signal_stacks() {
    static HANDLED_AT: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handler(_: libc::c_int) {
        let here = 0_u8;
        HANDLED_AT.store((&raw const here).addr(), Relaxed);
    }
    on_a_mebibyte(|| {
        let overflows = || {
            let t = Tally::new();
            assert!(catch_unwind(|| forever(t, 0)).is_err());
            assert_eq!(t.made(), t.dropped());
        };
        let memory = vec![0_u8; 64 * KIB];
        let own = libc::stack_t {
            ss_sp: memory.as_ptr().cast_mut().cast(),
            ss_flags: 0,
            ss_size: memory.len(),
        };
        overflows();
        let ours = set_alternate(&own);
        assert_eq!(ours.ss_flags & libc::SS_DISABLE, 0, "the runtime has one");
        // SAFETY: zeroes are an action; its fields are set below.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        // SAFETY: the handler stores to an atomic and does nothing else.
        unsafe {
            assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
            assert_eq!(libc::raise(libc::SIGUSR1), 0);
        }
        let range = memory.as_ptr_range();
        let handled = HANDLED_AT.load(Relaxed);
        assert!((range.start.addr()..range.end.addr()).contains(&handled), "on that stack");
        overflows();
        set_alternate(&ours);
        drop(memory);
        overflows();
    });
}
