//! The parent's side of a measurement: one child process, asked one line at a time.
//!
//! A child that dies, hangs or talks nonsense costs its own figure only: every failure is an `Err`
//! with the reason and what the child wrote to standard error last.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::reply::Reply;
use crate::serve::Role;

/// How long a child whose input has ended may take to leave before it is killed.
const FAREWELL: Duration = Duration::from_secs(2);

/// So much of a child's standard error is kept for the error message.
const LAST_WORDS: usize = 400;

/// Who a measurement is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Player {
    /// A copy of this program.
    Own(Role),
    /// The Go twin with so many Ps.
    Go { procs: usize },
}

/// The executables behind the players.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) own: PathBuf,
    /// Absent when there is no Go here or the user does not want it.
    pub(crate) go: Option<PathBuf>,
}

impl Programs {
    fn command(&self, player: Player) -> Result<Command, String> {
        match player {
            Player::Own(role) => {
                let mut command = Command::new(&self.own);
                command.args(role.arguments());
                Ok(command)
            }
            Player::Go { procs } => {
                let go = self.go.as_ref().ok_or("the Go twin was not built")?;
                let mut command = Command::new(go);
                command.arg(procs.to_string());
                Ok(command)
            }
        }
    }
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    /// None once the child has been told to leave.
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    /// Collects standard error; gives it back when the child has gone.
    errors: Option<JoinHandle<String>>,
}

impl Worker {
    pub(crate) fn start(programs: &Programs, player: Player) -> Result<Self, String> {
        let mut child = programs
            .command(player)?
            .env_remove("GOMAXPROCS")
            // The reason is enough for the report.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("starting a worker: {e}"))?;
        let output = child.stdout.take().ok_or("no output from the worker")?;
        let errors = child.stderr.take().ok_or("no error output from the worker")?;
        let (lines, answers) = channel();
        thread::spawn(move || {
            // The receiver is gone when nobody wants the answers any more.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Ok(Self { child, input, answers, errors: Some(thread::spawn(move || drain(errors))) })
    }

    /// Sends one request and waits for its answer, at most `limit`.
    pub(crate) fn ask(&mut self, name: &str, n: u64, limit: Duration) -> Result<Reply, String> {
        let input = self.input.as_mut().ok_or("the worker was told to leave")?;
        if writeln!(input, "{name} {n}").and_then(|()| input.flush()).is_err() {
            return Err(self.post_mortem());
        }
        match self.answers.recv_timeout(limit) {
            Ok(line) => Reply::decode(&line),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                Err(format!("no answer within {:.1} s ({name} {n})", limit.as_secs_f64()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.post_mortem()),
        }
    }

    /// Why the child is gone.
    fn post_mortem(&mut self) -> String {
        self.input = None;
        let status = self.wait(FAREWELL).map_or("closed its output".to_owned(), |s| s.to_string());
        let _ = self.child.kill();
        let said = self.errors.take().and_then(|e| e.join().ok()).unwrap_or_default();
        let said = said.trim().replace('\n', " / ");
        if said.is_empty() {
            format!("the worker ended ({status})")
        } else {
            format!("the worker ended ({status}): {said}")
        }
    }

    fn wait(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                _ => return None,
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.input = None;
        if self.wait(FAREWELL).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads to the end and keeps the first `LAST_WORDS` bytes: reports begin with the reason.
fn drain(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = from.by_ref().take(LAST_WORDS as u64).read_to_end(&mut kept);
    let _ = io::copy(&mut from, &mut io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}
