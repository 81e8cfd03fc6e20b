//! Random programs against a reference that knows every legal outcome.
//!
//! A program is a tree of goroutines and threads, each with a script over a few channels
//! (`program.rs`). It runs for real (`real.rs`), on 1, 2 and 4 Ps, and every party writes down what it
//! saw. The reference (`reference.rs`), a few lines per operation and one thing at a time, then
//! looks for an order of steps that explains all of it. If there is none, something happened that
//! Go's rules forbid: a value lost, doubled, overtaken, a wait served out of turn, a wrong answer.
//!
//! `storm.rs` runs larger programs, for which it checks sums and orders instead.
//!
//! Programs that failed once are kept in `regressions.txt` and tried first. A seed fixes the program,
//! not the interleaving: each program runs several times, and a replay may need luck.
//! `PROPTEST_CASES=100000 cargo test --release --test model` looks longer.

#[path = "../support/mod.rs"]
mod support;

mod program;
mod real;
mod reference;
mod storm;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::sync::Once;

/// Where failures are kept, and how many programs are tried.
fn config(cases: usize) -> Config {
    quiet();
    let kept = FileFailurePersistence::Direct("tests/model/regressions.txt");
    // The environment's PROPTEST_CASES, if set, is what `Config::default` took over.
    let cases = std::env::var("PROPTEST_CASES").map_or(cases as u32, |_| Config::default().cases);
    Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() }
}

/// Keeps the panics that are part of the programs, on plain threads, from being printed.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let text = support::words(info.payload());
            if !text.ends_with("closed channel") && text != real::ON_PURPOSE {
                before(info);
            }
        }));
    });
}

/// Runs random programs on `procs` Ps, and looks for an order that explains what they saw.
fn legal(procs: usize) {
    let unclear = Cell::new(0);
    proptest!(config(support::scaled(60, 250)), |(program in program::programs())| {
        for _ in 0..3 {
            let logs = real::run(&program, procs);
            match reference::explain(&program, &logs) {
                reference::Verdict::Legal => {}
                reference::Verdict::Unclear => unclear.set(unclear.get() + 1),
                reference::Verdict::Illegal => prop_assert!(
                    false,
                    "no order explains this, GOMAXPROCS={procs}\n{}",
                    program.show(&logs)
                ),
            }
        }
    });
    eprintln!("{} outcomes were too hard to decide", unclear.get());
}

fn storms(procs: usize) {
    proptest!(config(support::scaled(25, 100)), |(storm in storm::storms())| {
        storm::blow(&storm, procs).map_err(TestCaseError::fail)?;
    });
}

/// A test for each number of Ps, so that each ends in time on a busy machine.
macro_rules! on {
    ($procs:literal, $legal:ident, $storms:ident) => {
        #[test]
        fn $legal() {
            legal($procs);
        }

        #[test]
        fn $storms() {
            storms($procs);
        }
    };
}

on!(1, what_happens_on_one_p_is_legal, storms_on_one_p_lose_and_reorder_nothing);
on!(2, what_happens_on_two_ps_is_legal, storms_on_two_ps_lose_and_reorder_nothing);
on!(4, what_happens_on_four_ps_is_legal, storms_on_four_ps_lose_and_reorder_nothing);
