//! The programs, each for a process of its own.

use std::hint::black_box;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

/// Programs of one figure in ns: name, what it is, how often it is done.
pub(crate) const SINGLE: &[(&str, &str, usize)] = &[
    ("ensure", "ensure, enough there", 20_000_000),
    ("grow", "grow: a call on a further segment and back", 2_000_000),
    ("grow-first", "grow on a fresh goroutine: segment from the system", 200),
    ("grow-thread", "grow on a plain thread", 2_000_000),
    ("panic", "a panic caught 64 frames up, for comparison", 2_000),
    ("ensure-refused", "ensure past the cap, caught", 2_000),
    ("overflow", "overflow of 256 KiB, recovered: 250 frames of 1 KiB", 50),
    ("overflow-small", "the same in small frames, each with a destructor", 20),
];

pub(crate) fn serve(name: &str, n: &str) -> ExitCode {
    let Ok(n) = n.parse::<usize>() else { return ExitCode::from(2) };
    if let Some(crowd) = name.strip_prefix("crowd-") {
        return super::crowd::serve(crowd, n);
    }
    let figures = match name {
        "depth-gort" => gort::run(|| {
            let size = (n + n / 4 + 1024) * 1024;
            let own = gort::Builder::new().stack_size(size.min(1 << 30));
            own.spawn(move || twice(n)).expect("a stack").join().expect("no panic")
        }),
        "depth-thread" => {
            let thread = std::thread::Builder::new().stack_size(1100 << 20);
            thread.spawn(move || twice(n)).expect("a thread").join().expect("no panic")
        }
        "grow-thread" => vec![per(n, || gort::stack::grow(|| black_box(1)))],
        "ensure" => gort::run(|| vec![per(n, || gort::stack::ensure(4096, || black_box(1)))]),
        "grow" => gort::run(|| vec![per(n, || gort::stack::grow(|| black_box(1)))]),
        "grow-first" => gort::run(|| vec![fresh_segments(n)]),
        "panic" => gort::run(|| vec![per(n, || drop(catch_unwind(|| sink(64))))]),
        "ensure-refused" => gort::run(|| {
            let refused = || drop(catch_unwind(|| gort::stack::ensure(8 << 30, || black_box(1))));
            std::panic::set_hook(Box::new(|_| {}));
            vec![per(n, refused)]
        }),
        "overflow" => on_a_small_stack(move || overflows(n, endless)),
        "overflow-small" => on_a_small_stack(move || overflows(n, endless_small)),
        _ => return ExitCode::from(2),
    };
    let words: Vec<String> = figures.iter().map(ToString::to_string).collect();
    println!("{}", words.join(" "));
    ExitCode::SUCCESS
}

/// A level of the recursion: a frame of 1 KiB of which two words are used.
#[inline(never)]
fn down(levels: usize) -> usize {
    let frame = black_box(std::mem::MaybeUninit::<[usize; 118]>::uninit());
    let words = frame.as_ptr().cast::<usize>().cast_mut();
    // SAFETY: the word lies in the frame.
    unsafe { words.write_volatile(levels) };
    if levels > 0 { down(levels - 1) + 1 } else { black_box(0) }
}

/// Nanoseconds of the first and the second time.
fn twice(levels: usize) -> Vec<f64> {
    let once = || {
        let start = Instant::now();
        assert_eq!(black_box(down(black_box(levels))), levels);
        start.elapsed().as_nanos() as f64
    };
    vec![once(), once()]
}

/// Nanoseconds each.
fn per<T>(n: usize, mut f: impl FnMut() -> T) -> f64 {
    for _ in 0..n / 10 + 1 {
        black_box(f());
    }
    let start = Instant::now();
    for _ in 0..n {
        black_box(f());
    }
    start.elapsed().as_nanos() as f64 / n as f64
}

/// Segments that nobody had before: each inside the others.
fn fresh_segments(n: usize) -> f64 {
    fn nest(n: usize) -> usize {
        if n == 0 { 0 } else { gort::stack::grow(|| nest(n - 1)) + 1 }
    }
    let start = Instant::now();
    assert_eq!(nest(n), n);
    start.elapsed().as_nanos() as f64 / n as f64
}

#[inline(never)]
fn sink(levels: usize) -> usize {
    if levels == 0 {
        std::panic::resume_unwind(Box::new(1));
    }
    black_box(sink(levels - 1)) + 1
}

/// Figures of a goroutine with a stack of 256 KiB.
fn on_a_small_stack(f: impl FnOnce() -> f64 + Send + 'static) -> Vec<f64> {
    let own = gort::Builder::new().stack_size(256 << 10);
    gort::run(|| vec![own.spawn(f).expect("a stack").join().expect("caught")])
}

/// Nanoseconds of a round trip: down to the end of the stack, the panic, and back.
fn overflows(n: usize, f: fn(usize) -> usize) -> f64 {
    per(n, || assert!(catch_unwind(|| f(0)).is_err()))
}

/// [`down`] without an end.
#[expect(unconditional_recursion, reason = "it is to overflow")]
#[inline(never)]
fn endless(level: usize) -> usize {
    let frame = black_box(std::mem::MaybeUninit::<[usize; 118]>::uninit());
    let words = frame.as_ptr().cast::<usize>().cast_mut();
    // SAFETY: the word lies in the frame.
    unsafe { words.write_volatile(level) };
    endless(level + 1) + 1
}

/// A small frame with a destructor.
#[expect(unconditional_recursion, reason = "it is to overflow")]
#[inline(never)]
fn endless_small(level: usize) -> usize {
    let owned = black_box(Box::new([level; 4]));
    let r = endless_small(level + 1);
    r + black_box(owned)[1]
}
