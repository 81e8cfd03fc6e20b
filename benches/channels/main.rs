//! What channels, selects, locks and timers cost, next to Go, tokio, may, and crossbeam's channels
//! with std's locks on OS threads: one table for one processor and one for two.
//!
//!     cargo bench --bench channels                     # gort and, if there is a `go` command, Go
//!     cargo bench --bench channels -- --peers          # all; builds benches/peers first (needs crates.io)
//!     cargo bench --bench channels -- --only select    # rows whose names contain this
//!     cargo bench --bench channels -- --quick          # a few seconds, smaller, gort alone
//!
//! Every figure comes from a process of its own: this program started again, or the twin of the other
//! side, which runs the program once to warm up and once to measure. All sides are measured in turn,
//! then the next round, so that a disturbance of the machine meets all alike; the table shows the
//! best of the rounds, since what makes a short program slower comes from outside. Programs that share a name have the same shape on every side.

#![allow(clippy::print_stdout)]

mod clock;
mod locks;
mod programs;
mod sides;
mod table;

use sides::Side;
use std::process::ExitCode;

/// What a program does with a number of operations: it is timed, or measures something itself.
#[derive(Clone, Copy)]
enum Program {
    Timed(fn(u32)),
    Own(fn(u32) -> f64),
}

/// A row of the table.
struct Row {
    name: &'static str,
    /// Operations in one run.
    n: u32,
    program: Program,
}

fn rows() -> impl Iterator<Item = &'static Row> {
    programs::ROWS.iter().chain(locks::ROWS).chain(clock::ROWS)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|a| *a != "--bench").collect();
    match words[..] {
        ["serve", procs, name, n] => serve(procs, name, n),
        _ => compare(&words),
    }
}

/// One measurement; what the parent reads.
fn serve(procs: &str, name: &str, n: &str) -> ExitCode {
    let (Ok(procs), Ok(n)) = (procs.parse(), n.parse()) else { return ExitCode::from(2) };
    let Some(row) = rows().find(|row| row.name == name) else { return ExitCode::from(2) };
    // SAFETY: the bench's goroutines keep nothing of a thread's across what may block; Go's and the
    // other runtimes' share their threads' thread-locals, too.
    let config = unsafe { gort::Config::new().procs(procs).shared_thread_locals() };
    match config.run(|| row.program.measure(n)) {
        Ok(ns) => println!("{ns}"),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

impl Program {
    /// ns for each of `n` operations, once warm; or whatever it measures.
    fn measure(self, n: u32) -> f64 {
        match self {
            Self::Own(measure) => measure(n),
            Self::Timed(run) => {
                run(n / 10 + 1);
                let start = std::time::Instant::now();
                run(n);
                start.elapsed().as_nanos() as f64 / f64::from(n)
            }
        }
    }
}

fn compare(words: &[&str]) -> ExitCode {
    let after = |flag| words.iter().position(|w| *w == flag).and_then(|i| words.get(i + 1));
    let quick = words.contains(&"--quick");
    let only = after("--only").copied().unwrap_or("");
    let default_rounds = if quick { 1 } else { 5 };
    let rounds = after("--rounds").and_then(|r| r.parse().ok()).unwrap_or(default_rounds);
    let shrink = if quick { 50 } else { 1 };
    let sides = Side::all(quick, words.contains(&"--peers"));
    for procs in [1, 2] {
        let mut table = table::Table::new(procs, &sides);
        for row in rows().filter(|row| row.name.contains(only)) {
            let n = if row.n > 1000 { row.n / shrink } else { row.n };
            let mut figures = vec![Vec::new(); sides.len()];
            for _ in 0..rounds {
                for (side, figures) in sides.iter().zip(&mut figures) {
                    figures.extend(side.measure(procs, row.name, n));
                }
            }
            if figures[0].is_empty() {
                eprintln!("{}: no figure", row.name);
                return ExitCode::FAILURE;
            }
            table.row(row.name, figures);
        }
        println!("{table}");
    }
    ExitCode::SUCCESS
}
