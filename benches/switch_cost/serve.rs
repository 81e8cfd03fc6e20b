//! The worker's side of a measurement: this program, started again by itself, answering requests.
//!
//! A worker measures one thing in a process of its own, so that no figure carries another one's
//! threads, stacks or heap. It ends when its standard input does.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use crate::goro::{self, Ladder};
use crate::os;
use crate::reply::Reply;

/// What a worker process is: hidden arguments of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// OS threads on so many cores.
    Threads { cores: usize },
    /// A gort runtime with so many Ps.
    Goroutines { procs: usize, ladder: Ladder },
}

impl Role {
    /// The arguments that make a copy of this program play the role.
    pub(crate) fn arguments(self) -> Vec<String> {
        let (kind, lanes) = match self {
            Self::Threads { cores } => ("threads", cores),
            Self::Goroutines { procs, ladder: Ladder::Default } => ("goroutines", procs),
            Self::Goroutines { procs, ladder: Ladder::Dense } => ("goroutines-dense", procs),
        };
        vec!["--worker".to_owned(), kind.to_owned(), lanes.to_string()]
    }

    /// Reads back what `arguments` wrote after `--worker`.
    pub(crate) fn parse(kind: &str, lanes: &str) -> Option<Self> {
        let lanes = lanes.parse().ok()?;
        match kind {
            "threads" => Some(Self::Threads { cores: lanes }),
            "goroutines" => Some(Self::Goroutines { procs: lanes, ladder: Ladder::Default }),
            "goroutines-dense" => Some(Self::Goroutines { procs: lanes, ladder: Ladder::Dense }),
            _ => None,
        }
    }

    pub(crate) fn measure(self, name: &str, n: u64) -> Result<Reply, String> {
        match self {
            Self::Threads { cores } => os::measure(name, n, cores),
            Self::Goroutines { procs, ladder } => goro::measure(name, n, procs, ladder),
        }
    }
}

/// Answers requests until standard input ends.
pub(crate) fn serve(role: Role) -> ExitCode {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let request = line.split_once(' ').and_then(|(name, n)| Some((name, n.parse().ok()?)));
        let answer = match request {
            Some((name, n)) => role.measure(name, n),
            None => Err(format!("a request that is none: {line:?}")),
        };
        let mut out = io::stdout().lock();
        if writeln!(out, "{}", Reply::encode(&answer)).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// One measurement in this process, for `benches/instructions.sh`: it runs under callgrind, where
/// times mean nothing, so none is printed. Dense, because valgrind has little address space to give.
pub(crate) fn once(name: &str, n: u64) -> ExitCode {
    let role = Role::Goroutines { procs: 1, ladder: Ladder::Dense };
    match role.measure(name, n) {
        Ok(_) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("switch_cost: {name}: {text}");
            ExitCode::FAILURE
        }
    }
}
