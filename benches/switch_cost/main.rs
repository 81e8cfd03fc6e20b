//! What a goroutine costs next to an OS thread, measured on the machine it runs on; and, where Go is
//! installed, next to a goroutine of Go's in the same run.
//!
//! `plan` says what is measured, `rounds` measures it with one `worker` process per figure (this
//! program again, in `serve`, or the Go twin), and `table`, `html` and `json` write it down. The
//! measurements themselves are small programs: `os`, `goro`, `memory` and `benches/go`.
//! `benches/README.md` tells how to read the figures.

#[cfg(not(target_os = "linux"))]
compile_error!("switch_cost reads /proc and pins threads with sched_setaffinity: Linux only");

mod chart;
mod cli;
mod figure;
mod goro;
mod html;
mod json;
mod machine;
mod memory;
mod os;
mod plan;
mod progress;
mod reply;
mod rounds;
mod serve;
mod sys;
mod table;
mod twin;
mod worker;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cli::{Options, Task};
use figure::Figure;
use progress::Progress;
use rounds::Manner;
use worker::Programs;

/// `--quick` takes single rounds from the first time on, and waits for nobody beyond the second.
const HURRY: Duration = Duration::from_secs(9);
const QUICK_END: Duration = Duration::from_secs(18);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(240);
const QUICK_PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match cli::parse(&arguments) {
        Ok(Task::Serve(role)) => serve::serve(role),
        Ok(Task::Once(name, n)) => serve::once(&name, n),
        Ok(Task::List) => ExitCode::SUCCESS,
        Ok(Task::Help) => say(cli::HELP),
        Ok(Task::Report(options)) => match report(&options) {
            Ok(code) => code,
            Err(text) => complain(&text, 2),
        },
        Err(text) => complain(&text, 2),
    }
}

fn say(text: &str) -> ExitCode {
    // A reader that has gone away (a pager, head) is no failure.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(text: &str, code: u8) -> ExitCode {
    eprintln!("switch_cost: {text}");
    ExitCode::from(code)
}

/// The directory cargo builds into: it holds the directory that cargo names to benchmarks.
fn target_directory() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    scratch.parent().unwrap_or(scratch).to_owned()
}

/// The whole run. An error is of the command line or of what it names.
fn report(options: &Options) -> Result<ExitCode, String> {
    let target = target_directory();
    let html = options.html.clone().unwrap_or_else(|| target.join("switch_cost.html"));
    for path in [Some(&html), options.json.as_ref()].into_iter().flatten() {
        writable(path)?;
    }
    let began = Instant::now();
    let twin = twin::build(options, &target)?;
    let own = env::current_exe().map_err(|e| format!("finding this program: {e}"))?;
    let programs = Programs { own, go: twin.as_ref().map(|t| t.program.clone()) };
    let (figures, failures) = measure(options, &programs, began);

    let facts = machine::facts(twin.as_ref().map(|t| t.version.as_str()));
    let (threads, go) = (plan::against_threads(options), plan::against_go());
    say(&table::render(&facts, &figures, &threads, &go));
    save(&html, &html::page(&facts, &figures, &threads, &go))?;
    if let Some(json) = &options.json {
        save(json, &json::document(&facts, &figures, &[&threads, &go]))?;
    }
    for failure in &failures {
        eprintln!("switch_cost: not measured: {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures section by section.
fn measure(options: &Options, programs: &Programs, began: Instant) -> (Vec<Figure>, Vec<String>) {
    let lanes = machine::distinct_cores().len().clamp(1, 2);
    if lanes == 1 {
        eprintln!("one usable CPU: nothing is measured on two");
    }
    let sections = plan::sections(options, lanes, programs.go.is_some());
    // Building the Go twin, on request, is not charged to the time of a quick run.
    let from = if options.quick { Instant::now() } else { began };
    let manner = Manner {
        programs,
        rounds: options.rounds,
        round: Duration::from_millis(options.round_ms),
        patience: if options.quick { QUICK_PATIENCE } else { PATIENCE },
        hurry: options.quick.then(|| from + HURRY),
        end: options.quick.then(|| from + QUICK_END),
    };
    let weight = |s: &plan::Section| rounds::weight(s, manner.rounds, manner.round);
    let mut bar = Progress::new(sections.iter().map(weight).sum());
    let (mut figures, mut failures) = (Vec::new(), Vec::new());
    for section in &sections {
        let outcome = rounds::measure(section, &manner, &mut bar);
        figures.extend(outcome.figures);
        failures.extend(outcome.failures);
    }
    bar.finish();
    (figures, failures)
}

/// Says before a long run, not after it, that a file cannot be written.
fn writable(path: &Path) -> Result<(), String> {
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map(drop)
        .map_err(|e| format!("{}: {e}", path.display()))
}

fn save(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}
