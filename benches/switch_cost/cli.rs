//! The command line: what may be asked for, and clear answers to what may not.

use std::path::PathBuf;

use crate::serve::Role;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
What a goroutine costs next to an OS thread, and next to a goroutine of Go's.

Usage: cargo bench --bench switch_cost -- [OPTIONS]

  --quick            everything, smaller: under 20 s
  --rounds N         samples of each figure (default 7; 3 with --quick)
  --round-ms N       length of one sample (default 100; 20 with --quick)
  --only A,B         these sections only:
                     switch, raw, join, many, programs, memory, alive
  --max-threads N    start at most so many OS threads (default 20000; 2000 with
                     --quick); the machine's own limits end a batch earlier
  --parked N         goroutines parked to measure memory
                     (default 1000000; 100000 with --quick)
  --max-alive N      stop counting the living at so many
                     (default 2000000; 100000 with --quick)
  --leaves N         leaves of skynet, a power of ten
                     (default 1000000; 100000 with --quick)
  --go               compare with Go; without a go command this is an error
  --no-go            do not compare with Go
                     (default: compare when a go command is found; with --quick
                     when its program has been built before)
  --json FILE        write the raw numbers too
  --html FILE        write the page there (default: target/switch_cost.html)
  --help             this text

Exit status: 0; 1 when a figure of gort's could not be measured; 2 for a bad
command line.
";

/// The sections of the report, in the order they are measured.
pub(crate) const SECTIONS: [&str; 7] =
    ["switch", "raw", "join", "many", "programs", "memory", "alive"];

/// Whether the Go twin takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithGo {
    Must,
    IfFound,
    No,
}

/// A whole run, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) round_ms: u64,
    /// Empty: all.
    pub(crate) only: Vec<String>,
    pub(crate) max_threads: u64,
    pub(crate) parked: u64,
    pub(crate) max_alive: u64,
    pub(crate) leaves: u64,
    pub(crate) go: WithGo,
    pub(crate) json: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
}

impl Options {
    fn new(quick: bool) -> Self {
        let pick = |full: u64, small: u64| if quick { small } else { full };
        Self {
            quick,
            rounds: if quick { 3 } else { 7 },
            round_ms: pick(100, 20),
            only: Vec::new(),
            max_threads: pick(20_000, 2_000),
            parked: pick(1_000_000, 100_000),
            max_alive: pick(2_000_000, 100_000),
            leaves: pick(1_000_000, 100_000),
            go: WithGo::IfFound,
            json: None,
            html: None,
        }
    }

    pub(crate) fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|s| s == section)
    }
}

/// What this process is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    Report(Options),
    Help,
    /// Hidden: answer requests of the process that makes the report.
    Serve(Role),
    /// Hidden: `--callgrind NAME N`, one measurement in this process.
    Once(String, u64),
    /// `--list`, asked by test runners of every program: there are no tests in this one.
    List,
}

/// Reads the arguments; the error is a sentence for the user.
pub(crate) fn parse(arguments: &[String]) -> Result<Task, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--worker", kind, lanes] => {
            return Role::parse(kind, lanes).map(Task::Serve).ok_or_else(|| bad("--worker", kind));
        }
        ["--callgrind", name, n] => {
            return Ok(Task::Once((*name).to_owned(), number("--callgrind", n)?));
        }
        _ => {}
    }
    if words.iter().any(|w| matches!(*w, "--help" | "-h")) {
        return Ok(Task::Help);
    }
    if words.contains(&"--list") {
        return Ok(Task::List);
    }
    let mut options = Options::new(words.contains(&"--quick"));
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        read_option(&mut options, word, &mut rest)?;
    }
    Ok(Task::Report(options))
}

fn read_option<'a>(
    options: &mut Options,
    word: &'a str,
    rest: &mut impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    let (name, attached) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let switch = matches!(name, "--bench" | "--quick" | "--go" | "--no-go");
    if switch && attached.is_some() {
        return Err(format!("{name} takes no value"));
    }
    let mut value = || {
        let given = attached.or_else(|| rest.next()).filter(|v| !v.is_empty());
        given.ok_or_else(|| format!("{name} needs a value"))
    };
    match name {
        // cargo bench passes --bench to every benchmark.
        "--bench" | "--quick" => {}
        "--go" => options.go = WithGo::Must,
        "--no-go" => options.go = WithGo::No,
        "--rounds" => options.rounds = in_range(name, value()?, 1, 1000)?,
        "--round-ms" => options.round_ms = in_range(name, value()?, 1, 60_000)?,
        "--max-threads" => options.max_threads = in_range(name, value()?, 1, 100_000_000)?,
        "--parked" => options.parked = in_range(name, value()?, 1, 1_000_000_000)?,
        "--max-alive" => options.max_alive = in_range(name, value()?, 1, 1_000_000_000)?,
        "--leaves" => options.leaves = leaves(value()?)?,
        "--only" => options.only = sections(value()?)?,
        "--json" => options.json = Some(value()?.into()),
        "--html" => options.html = Some(value()?.into()),
        _ => return Err(format!("unknown option {word:?}; --help tells them all")),
    }
    Ok(())
}

fn bad(option: &str, value: &str) -> String {
    format!("{option}: {value:?} is not a value it knows")
}

fn number(option: &str, value: &str) -> Result<u64, String> {
    let digits = value.replace(['_', ','], "");
    digits.parse().map_err(|_| format!("{option}: {value:?} is not a whole number"))
}

fn in_range<T: TryFrom<u64>>(option: &str, value: &str, low: u64, high: u64) -> Result<T, String> {
    let n = number(option, value)?;
    let fits = (low..=high).contains(&n).then(|| T::try_from(n).ok()).flatten();
    fits.ok_or_else(|| format!("{option}: {n} is not between {low} and {high}"))
}

fn leaves(value: &str) -> Result<u64, String> {
    let n: u64 = in_range("--leaves", value, 1, 100_000_000)?;
    let power = std::iter::successors(Some(1_u64), |p| p.checked_mul(10)).any(|p| p == n);
    if power { Ok(n) } else { Err(format!("--leaves: {n} is not a power of ten")) }
}

fn sections(value: &str) -> Result<Vec<String>, String> {
    let known = |name: &str| {
        let known = SECTIONS.contains(&name);
        let error = || format!("--only: no section {name:?}; there are {}", SECTIONS.join(", "));
        if known { Ok(name.to_owned()) } else { Err(error()) }
    };
    value.split(',').map(|name| known(name.trim())).collect()
}
