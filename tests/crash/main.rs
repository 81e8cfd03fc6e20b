//! What a dying program says, and with which status it ends. Each case runs in a process of its own:
//! this very binary, told by the environment which program to be.
//!
//! No test harness of the standard library: its threads would count as the program's own, and the
//! runtime could never say that nobody is left who could wake a goroutine.

#![allow(clippy::print_stdout, reason = "the programs and the harness print")]

mod cases;
mod programs;
mod verdicts;

use std::process::{Command, ExitCode, Output};

/// Which program to be.
const PROGRAM: &str = "GORT_CRASH_PROGRAM";

/// How a program must end.
struct Case {
    name: &'static str,
    program: fn(),
    env: &'static [(&'static str, &'static str)],
    /// Exit status; `SIGNAL` and the number for a death by signal.
    status: i32,
    /// What standard error begins with.
    begins: &'static str,
    /// What follows, in this order; between them may be anything.
    then: &'static [&'static str],
    /// What must not appear.
    never: &'static [&'static str],
    /// What standard output is.
    stdout: &'static str,
}

const SIGNAL: i32 = 1000;

/// The case that is many programs.
const VERDICTS: &str = "verdicts";

impl Case {
    const fn new(name: &'static str, program: fn(), status: i32, begins: &'static str) -> Self {
        Self { name, program, env: &[], status, begins, then: &[], never: &[], stdout: "" }
    }

    const fn then(mut self, then: &'static [&'static str]) -> Self {
        self.then = then;
        self
    }

    const fn never(mut self, never: &'static [&'static str]) -> Self {
        self.never = never;
        self
    }

    const fn env(mut self, env: &'static [(&'static str, &'static str)]) -> Self {
        self.env = env;
        self
    }

    const fn stdout(mut self, stdout: &'static str) -> Self {
        self.stdout = stdout;
        self
    }

    /// Makes a command one that runs the program.
    fn prepare(&self, command: &mut Command) {
        command.env(PROGRAM, self.name).env_remove("RUST_BACKTRACE").env_remove("GORT_TRACEBACK");
        command.envs(self.env.iter().copied());
    }

    /// What is wrong, if anything.
    fn check(&self) -> Result<(), String> {
        if self.name == VERDICTS {
            return verdicts::check(|command| self.prepare(command));
        }
        let exe = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = Command::new(exe);
        self.prepare(&mut command);
        let output = command.output().map_err(|e| e.to_string())?;
        let stderr = renamed(&String::from_utf8_lossy(&output.stderr));
        self.judge(&output, &stderr).map_err(|fault| format!("{fault}\nstderr:\n{stderr}"))
    }

    fn judge(&self, output: &Output, stderr: &str) -> Result<(), String> {
        if status(output) != self.status {
            return Err(format!("status {}, not {}", status(output), self.status));
        }
        let begins = as_named(self.begins);
        let mut rest = stderr
            .strip_prefix(&*begins)
            .ok_or_else(|| format!("does not begin with {begins:?}"))?;
        for part in self.then {
            let part = &*as_named(part);
            let at = rest.find(part).ok_or_else(|| format!("{part:?} does not follow"))?;
            rest = &rest[at + part.len()..];
        }
        if let Some(part) = self.never.iter().find(|part| stderr.contains(**part)) {
            return Err(format!("{part:?} appears"));
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        if stdout != self.stdout {
            return Err(format!("stdout is {stdout:?}, not {:?}", self.stdout));
        }
        Ok(())
    }
}

/// A text without the part of names that a build with line tables alone may leave out: there a
/// function goes by the last part of its name, a closure by none that is certain.
fn as_named(text: &str) -> String {
    if cfg!(debug_assertions) {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("crash::programs::") {
        out += before;
        let end = after.find([' ', '(', '\n']).unwrap_or(after.len());
        out += after[..end].rsplit("::").next().unwrap_or_default();
        rest = &after[end..];
    }
    out + rest
}

/// Standard error with names as [`as_named`] has them.
fn renamed(stderr: &str) -> String {
    let same = ["{closure#0}", "{closure_env#0}"];
    let text = same.iter().fold(stderr.to_owned(), |s, name| s.replace(name, "{{closure}}"));
    as_named(&text).replace("{{closure}}<{{closure}}>", "{{closure}}")
}

fn all() -> impl Iterator<Item = &'static Case> {
    cases::CASES.iter().chain(cases::WITH_ENV)
}

fn status(output: &Output) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    let signal = output.status.signal().map(|s| SIGNAL + s);
    output.status.code().or(signal).expect("it ended one way or the other")
}

/// The arguments of the standard harness that cargo and nextest use.
fn main() -> ExitCode {
    if let Ok(name) = std::env::var(PROGRAM) {
        let case = all().find(|c| c.name == name).expect("a case of this name");
        (case.program)();
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|a| a == flag);
    let filters: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let fits = |case: &&Case, f: &String| {
        if has("--exact") { case.name == *f } else { case.name.contains(f.as_str()) }
    };
    let chosen = |case: &&Case| filters.is_empty() || filters.iter().any(|f| fits(case, f));
    if has("--list") {
        if !has("--ignored") {
            all().for_each(|case| println!("{}: test", case.name));
        }
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    let chosen: Vec<&Case> = all().filter(chosen).collect();
    for case in &chosen {
        match case.check() {
            Ok(()) => println!("test {} ... ok", case.name),
            Err(fault) => {
                println!("test {} ... FAILED: {fault}", case.name);
                failed += 1;
            }
        }
    }
    println!("{} cases, {failed} failed", chosen.len());
    ExitCode::from(u8::from(failed > 0))
}
