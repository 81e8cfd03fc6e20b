//! Who is compared: how each side's programs are built and asked for a figure.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any program takes: a side that hangs has no figure.
const PATIENCE: Duration = Duration::from_secs(20);

/// One side of the comparison.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    program: PathBuf,
    /// Words before those that say what to measure.
    words: &'static [&'static str],
}

impl Side {
    /// gort, and whoever else can be built here.
    pub(crate) fn all(quick: bool, peers: bool) -> Vec<Self> {
        let own = std::env::current_exe().expect("the path of this program");
        let target = own.ancestors().nth(2).unwrap_or(&own).to_path_buf();
        let mut sides = vec![Self { name: "gort", program: own, words: &["serve"] }];
        if quick {
            return sides;
        }
        if let Some(program) = go(&target) {
            sides.push(Self { name: "Go", program, words: &[] });
        }
        if let Some(program) = peers.then(|| peer(&target)).flatten() {
            let side = |name, words: &'static [_]| Self { name, program: program.clone(), words };
            sides.push(side("tokio", &["tokio"]));
            sides.push(side("may", &["may"]));
            sides.push(side("threads", &["threads"]));
        }
        sides
    }

    /// A figure of the program with this name; none if the side has no such program, or fails.
    pub(crate) fn measure(&self, procs: usize, name: &str, n: u32) -> Option<f64> {
        let mut command = Command::new(&self.program);
        command.args(self.words).arg(procs.to_string()).args([name, &n.to_string()]);
        command.env("GOMAXPROCS", procs.to_string());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let start = Instant::now();
        while child.try_wait().ok()?.is_none() {
            if start.elapsed() > PATIENCE {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let out = child.wait_with_output().ok()?;
        String::from_utf8(out.stdout).ok()?.trim().parse().ok()
    }
}

fn build(command: &mut Command, dir: &str) -> Option<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(dir);
    command.current_dir(dir).stdout(Stdio::null()).status().ok()?.success().then_some(())
}

fn go(target: &Path) -> Option<PathBuf> {
    let program = target.join("channels-go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".");
    go.env("GOTOOLCHAIN", "local").env("GOWORK", "off");
    build(&mut go, "channels/go").map(|()| program)
}

fn peer(target: &Path) -> Option<PathBuf> {
    let target = target.join("peers");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--target-dir"]).arg(&target);
    cargo.env_remove("RUSTFLAGS");
    build(&mut cargo, "peers").map(|()| target.join("release/gort-bench-peers"))
}
