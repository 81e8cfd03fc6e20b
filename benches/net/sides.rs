//! Who is compared: how each side's server is built, started, and looked at.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// One side of the comparison.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    program: PathBuf,
    /// Words before the number of processors.
    words: &'static [&'static str],
}

/// A server that runs. Its drop ends it.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

fn target() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this program");
    own.ancestors().nth(2).unwrap_or(&own).to_path_buf()
}

/// gort, the loop by hand, and whoever else can be built here.
pub(crate) fn echo(peers: bool) -> Vec<Side> {
    let own = std::env::current_exe().expect("the path of this program");
    let side = |name, words| Side { name, program: own.clone(), words };
    let mut sides = vec![side("gort", &["serve", "gort"][..]), side("epoll", &["serve", "epoll"])];
    sides.extend(go().map(|program| Side { name: "Go", program, words: &["echo"] }));
    if let Some(program) = peers.then(peer).flatten() {
        let side = |name, words| Side { name, program: program.clone(), words };
        sides.extend([side("tokio", &["tokio"][..]), side("may", &["may"])]);
    }
    sides
}

/// Who serves HTTP: the example, Go's net/http, hyper.
pub(crate) fn http(peers: bool) -> Vec<Side> {
    let mut sides = Vec::new();
    sides.extend(example().map(|program| Side { name: "gort", program, words: &["serve"] }));
    sides.extend(go().map(|program| Side { name: "Go", program, words: &["http"] }));
    let peer = peers.then(peer).flatten();
    sides.extend(peer.map(|program| Side { name: "hyper", program, words: &["hyper"] }));
    sides
}

impl Side {
    /// The same program, told otherwise.
    pub(crate) fn told(&self, name: &'static str, words: &'static [&'static str]) -> Self {
        Self { name, program: self.program.clone(), words }
    }

    /// Starts the server on so many processors.
    pub(crate) fn start(&self, procs: usize) -> io::Result<Server> {
        let mut command = Command::new(&self.program);
        command.args(self.words).arg(procs.to_string());
        command.env("GOMAXPROCS", procs.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line)?;
        match line.trim().parse() {
            Ok(addr) => Ok(Server { child, addr }),
            Err(_) => {
                child.kill()?;
                child.wait()?;
                Err(io::Error::other(format!("{} says `{}`", self.name, line.trim())))
            }
        }
    }
}

impl Server {
    fn read(&self, file: &str) -> io::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
    }

    /// Resident memory and page tables, in bytes.
    pub(crate) fn memory(&self) -> io::Result<[u64; 2]> {
        let status = self.read("status")?;
        let field = |name: &str| {
            let line = status.lines().find(|l| l.starts_with(name));
            let kb = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
            kb.map(|kb| kb * 1024).ok_or(io::ErrorKind::InvalidData)
        };
        Ok([field("VmRSS:")?, field("VmPTE:")?])
    }

    /// CPU time of all threads that live, so far.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut ns = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            ns += stat.split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(ns))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn build(command: &mut Command, dir: &str) -> Option<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    command.current_dir(dir).stdout(Stdio::null()).status().ok()?.success().then_some(())
}

fn go() -> Option<PathBuf> {
    let program = target().join("net-go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".");
    go.env("GOTOOLCHAIN", "local").env("GOWORK", "off");
    build(&mut go, "benches/net/go").map(|()| program)
}

fn cargo(words: &[&str], target: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(words).arg("--target-dir").arg(target).env_remove("RUSTFLAGS");
    cargo
}

fn peer() -> Option<PathBuf> {
    let target = target().join("peers-net");
    let mut cargo = cargo(&["build", "--release", "--locked"], &target);
    build(&mut cargo, "benches/peers-net").map(|()| target.join("release/gort-bench-peers-net"))
}

fn example() -> Option<PathBuf> {
    let target = target().join("example");
    // As the benches are built.
    let mut cargo = cargo(&["build", "--profile", "bench", "--example", "http"], &target);
    build(&mut cargo, ".").map(|()| target.join("release/examples/http"))
}
