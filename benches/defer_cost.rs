//! What `func` and `recover` cost next to a plain call and to `catch_unwind`:
//! `cargo bench --bench defer_cost`.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use gort::func;
use std::hint::black_box;
use std::panic::{catch_unwind, resume_unwind};
use std::time::Instant;

/// Nanoseconds a call of `f` takes: the best of many short rounds, since others use the machine, too.
fn cost(calls: u32, mut f: impl FnMut()) -> f64 {
    let round = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        f();
        start.elapsed().as_nanos() as f64 / f64::from(calls)
    };
    let mut all = || {
        for _ in 0..calls {
            f();
        }
    };
    (0..500).map(|_| round(&mut all)).fold(f64::INFINITY, f64::min)
}

#[inline(never)]
fn plain(x: &mut u64) -> u64 {
    *x = black_box(*x + 1);
    *x
}

#[inline(never)]
fn deferring(x: &mut u64) -> u64 {
    func(|f| {
        f.defer(|_| *x = black_box(*x + 1));
        0
    })
}

#[inline(never)]
fn deferring_ten(x: &mut u64) {
    func(|f| {
        let x = std::cell::Cell::from_mut(x);
        for _ in 0..10 {
            f.defer(move |_| x.set(black_box(x.get() + 1)));
        }
    });
}

#[inline(never)]
fn recovering() {
    func::<()>(|f| {
        f.defer(|d| drop(black_box(d.recover())));
        panic!("{}", black_box("recovered"))
    });
}

fn main() {
    // A quick look is enough when the bench is only checked to work.
    let calls = if std::env::args().any(|a| a == "--quick") { 10 } else { 10_000 };
    let few = calls / 100 + 1;
    gort::spawn(move || {
        let mut x = 0;
        println!(
            "plain call                   {:9.2} ns",
            cost(calls, || _ = black_box(plain(&mut x)))
        );
        println!(
            "func, one deferred call      {:9.2} ns",
            cost(calls, || _ = black_box(deferring(&mut x)))
        );
        println!("func, ten in a loop          {:9.2} ns", cost(calls, || deferring_ten(&mut x)));
        let raw = || drop(catch_unwind(|| resume_unwind(Box::new(black_box(1)))));
        println!("resume_unwind, catch_unwind  {:9.2} ns", cost(few, raw));
        let hooked = || drop(catch_unwind(|| panic!("{}", black_box("caught"))));
        println!("panic!, catch_unwind         {:9.2} ns", cost(few, hooked));
        println!("panic!, recover              {:9.2} ns", cost(few, recovering));
    })
    .join()
    .expect("nothing panics unseen");
}
