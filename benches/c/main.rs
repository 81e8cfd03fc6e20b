//! What the C interface costs next to the crate itself, and next to Boost.Fiber where its headers are
//! installed (Debian: libboost-fiber-dev).
//!
//!     cargo bench --bench c
//!     cargo bench --bench c -- --rounds 21
//!
//! The same programs three times: in Rust here, in C in `sides.c`, linked with the libgort.a of this build,
//! and in C++ in `boost.cc`. Each figure comes from a process of its own, on one P (Boost.Fiber: on one
//! thread); the sides take turns, and the table shows medians and the median of the rounds' ratios.

#![allow(clippy::print_stdout)]

use gort::{Chan, go};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Name, what it is, how many.
const PROGRAMS: [(&str, &str, u64); 4] = [
    ("pingpong", "ping-pong over two channels, a round trip", 1_000_000),
    ("yield", "yield between two", 4_000_000),
    ("join", "start and join", 1_000_000),
    ("sieve", "prime sieve, for each of 1,000 primes", 1_000),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", program, n] => serve(program, n.parse().expect("a number")),
        [] => report(11),
        ["--rounds", n] => report(n.parse().expect("a number")),
        _ => {
            println!("usage: cargo bench --bench c [-- --rounds N]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// A side: its name, and the program that takes `PROGRAM N`.
type Side = (&'static str, Vec<PathBuf>);

fn report(rounds: usize) {
    let me = std::env::current_exe().expect("the bench's own path");
    let at = me.parent().expect("a directory");
    let mut sides: Vec<Side> = vec![("Rust", vec![me.clone(), "serve".into()])];
    let c = build("cc", &["-std=c11"], "sides.c", &[&at.join("libgort.a")]);
    sides.push(("C", vec![c.expect("a C compiler")]));
    let boost = [Path::new("-lboost_fiber"), Path::new("-lboost_context")];
    match build("c++", &["-std=c++17"], "boost.cc", &boost) {
        Some(program) => sides.push(("Boost.Fiber", vec![program])),
        None => println!("no Boost.Fiber (Debian: libboost-fiber-dev): it is left out\n"),
    }
    println!("{:<44}{:>12}{:>12}{:>14}   C/Rust  Boost/C", "", "Rust", "C", "Boost.Fiber");
    for (program, what, n) in PROGRAMS {
        let mut taken: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
        for _ in 0..rounds {
            for (side, taken) in sides.iter().zip(&mut taken) {
                taken.push(ask(&side.1, program, n));
            }
        }
        let figures: Vec<f64> = taken.iter().map(|t| median(t.clone())).collect();
        let boost = figures.get(2).map_or("-".to_owned(), |ns| format!("{ns:.1} ns"));
        let versus = taken.get(2).map_or("-".to_owned(), |b| format!("{:.2}", ratio(b, &taken[1])));
        println!(
            "{what:<44}{:>9.1} ns{:>9.1} ns{boost:>14}{:>9.2}{versus:>9}",
            figures[0],
            figures[1],
            ratio(&taken[1], &taken[0]),
        );
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// The median of the rounds' ratios.
fn ratio(a: &[f64], b: &[f64]) -> f64 {
    median(a.iter().zip(b).map(|(a, b)| a / b).collect())
}

fn ask(side: &[PathBuf], program: &str, n: u64) -> f64 {
    let mut command = Command::new(&side[0]);
    command.args(&side[1..]).arg(program).arg(n.to_string());
    let output = command.output().expect("a side runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a figure")
}

/// Compiles a file beside this one; `None` where that does not work.
fn build(compiler: &str, flags: &[&str], source: &str, libraries: &[&Path]) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.replace('.', "-"));
    let mut command = Command::new(compiler);
    command.args(flags).args(["-O2", "-I"]).arg(root.join("include"));
    command.arg(root.join("benches/c").join(source)).arg("-o").arg(&program).args(libraries);
    let output = command.args(["-lpthread", "-ldl", "-lm"]).output().ok()?;
    output.status.success().then_some(program)
}

/// Prints nanoseconds for each of `n`.
fn serve(program: &str, n: u64) {
    let config = gort::Config::new().procs(1);
    let ns = config.run(|| {
        let run: &dyn Fn(u64) = match program {
            "pingpong" => &pingpong(),
            "yield" => &yields(),
            "join" => &join,
            "sieve" => &sieve,
            _ => panic!("no such program: {program}"),
        };
        if program != "sieve" {
            run(n / 10);
        }
        let start = Instant::now();
        run(n);
        start.elapsed().as_nanos() as f64 / n as f64
    });
    println!("{}", ns.expect("the first run"));
}

fn pingpong() -> impl Fn(u64) {
    let (ping, pong): (Chan<u64>, Chan<u64>) = (gort::chan(0), gort::chan(0));
    let (from, to) = (ping.clone(), pong.clone());
    go!(move || from.iter().for_each(|value| to.send(value)));
    move |n| {
        for i in 0..n {
            ping.send(i);
            assert_eq!(pong.recv(), Some(i));
        }
    }
}

fn yields() -> impl Fn(u64) {
    go!(|| loop {
        gort::runtime::gosched();
    });
    |n| (0..n).for_each(|_| gort::runtime::gosched())
}

fn join(n: u64) {
    for _ in 0..n {
        gort::spawn(|| ()).join().expect("it returns");
    }
}

fn sieve(n: u64) {
    let mut numbers: Chan<u64> = gort::chan(0);
    let out = numbers.clone();
    go!(move || {
        for i in 2.. {
            out.send(i);
        }
    });
    for _ in 0..n {
        let prime = numbers.recv().expect("it is never closed");
        let out = gort::chan(0);
        let (from, to) = (numbers, out.clone());
        go!(move || from.iter().filter(|i| i % prime != 0).for_each(|i| to.send(i)));
        numbers = out;
    }
}
