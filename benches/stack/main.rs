//! What depth costs: a goroutine's stack that grows in place next to a plain thread's and to Go's
//! copying ones; `ensure`; an overflow that is recovered; memory that comes back.
//!
//!     cargo bench --bench stack                 # gort, threads and, if there is a `go` command, Go
//!     cargo bench --bench stack -- --quick      # without 1 GiB, fewer rounds, a small crowd
//!
//! Every figure of the first part comes from a process of its own, this program started again: a
//! stack is fresh only once. All sides are measured in turn, then the next round; the table shows the
//! medians, and the ratio of the best rounds beside that of the medians where they differ.

#![allow(clippy::print_stdout)]

mod crowd;
mod programs;

use std::process::{Command, ExitCode};

/// Who runs a recursion.
const SIDES: [&str; 3] = ["gort", "thread", "go"];

struct Options {
    quick: bool,
    go: Option<String>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", name, n] => programs::serve(name, n),
        [] | ["--quick"] => {
            let quick = words == ["--quick"];
            let go = build_go();
            if go.is_none() {
                println!("no `go` command: Go is left out\n");
            }
            report(&Options { quick, go });
            ExitCode::SUCCESS
        }
        _ => {
            println!("usage: cargo bench --bench stack [-- --quick]");
            ExitCode::from(2)
        }
    }
}

fn report(options: &Options) {
    let sizes: &[usize] = if options.quick { &[64] } else { &[64, 1000] };
    println!(
        "recursion, frames of 1 KiB            gort      thread          Go   thread/gort   Go/gort"
    );
    for mib in sizes {
        depth(options, *mib);
    }
    println!();
    let rounds = if options.quick { 3 } else { 9 };
    for (name, what, n) in programs::SINGLE {
        let ns = median(&mut samples(rounds, || ask("gort", name, *n, options)[0]));
        println!("{what:<58} {ns:>12.1} ns");
    }
    println!();
    crowd::report(options.quick);
}

/// First and second time down to `mib` MiB.
fn depth(options: &Options, mib: usize) {
    let rounds = match (options.quick, mib) {
        (true, _) => 3,
        (false, 64) => 15,
        _ => 5,
    };
    let mut times = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for _ in 0..rounds {
        for (side, times) in SIDES.iter().zip(&mut times) {
            if *side == "go" && options.go.is_none() {
                continue;
            }
            let got = ask(side, &format!("depth-{side}"), mib * 1024, options);
            times[0].push(got[0]);
            times[1].push(got[1]);
        }
    }
    for (i, turn) in ["first", "second"].iter().enumerate() {
        let [gort, thread, go] = &mut times;
        let best = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
        let (g, t, o) = (&mut gort[i], &mut thread[i], &mut go[i]);
        let bests = (best(t) / best(g), best(o) / best(g));
        let (g, t, o) = (median(g), median(t), median(o));
        let label = format!("{mib} MiB, {turn} time");
        println!(
            "{label:<32} {:>8.2} ms {:>8.2} ms {:>8.2} ms   {:>5.2} ({:.2})  {:>5.2} ({:.2})",
            g / 1e6,
            t / 1e6,
            o / 1e6,
            t / g,
            bests.0,
            o / g,
            bests.1
        );
    }
}

fn samples(rounds: usize, f: impl FnMut() -> f64) -> Vec<f64> {
    std::iter::repeat_with(f).take(rounds).collect()
}

/// The middle one; no figure of none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a program in a process of its own; the numbers it prints.
fn ask(side: &str, name: &str, n: usize, options: &Options) -> Vec<f64> {
    let me = std::env::current_exe().expect("a bench has a path");
    let mut command = match (side, &options.go) {
        ("go", Some(go)) => Command::new(go),
        _ => Command::new(me),
    };
    let out = command.args(["serve", name, &n.to_string()]).output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&out.stderr));
    text.split_whitespace().map(|n| n.parse().expect("a number")).collect()
}

/// Builds the twin; `None` without Go.
fn build_go() -> Option<String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/stack/go");
    let program = format!("{}/stack-go", env!("CARGO_TARGET_TMPDIR"));
    let built = Command::new("go").args(["build", "-o", &program]).current_dir(source).status();
    built.is_ok_and(|status| status.success()).then_some(program)
}
