//! The machine and the build that the figures belong to.

use std::fs;

use crate::memory::kilobytes;
use crate::sys;

/// Name and value, in the order they are shown.
pub(crate) type Facts = Vec<(&'static str, String)>;

/// One allowed CPU of each physical core; all allowed CPUs when there are fewer than two cores.
pub(crate) fn distinct_cores() -> Vec<usize> {
    let allowed = sys::allowed_cpus();
    let mut seen = Vec::new();
    let mut cores = Vec::new();
    for &cpu in &allowed {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let siblings = fs::read_to_string(path).unwrap_or_else(|_| cpu.to_string());
        if !seen.contains(&siblings) {
            seen.push(siblings);
            cores.push(cpu);
        }
    }
    if cores.len() < 2 { allowed } else { cores }
}

/// What the report says about where it was made.
pub(crate) fn facts(go: Option<&str>) -> Facts {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|l| l.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpus = sys::allowed_cpus().len();
    let cores = distinct_cores().len();
    let memory = kilobytes(&read("/proc/meminfo"), "MemTotal:") >> 20;
    let mut facts = vec![
        ("CPU", field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())),
        ("CPUs", format!("{cpus} usable, {cores} physical core(s)")),
        ("Memory", format!("{memory} MiB")),
        ("Kernel", read("/proc/version").split(" (").next().unwrap_or_default().to_owned()),
        ("Load", read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ("Limits", limits()),
        (
            "gort",
            format!(
                "{}, {} switch, {} thread-locals",
                env!("CARGO_PKG_VERSION"),
                backend(),
                std::env::var("GORT_BENCH_THREAD_LOCALS").unwrap_or("shared".to_owned()),
            ),
        ),
    ];
    if let Some(go) = go {
        facts.push(("Go", go.to_owned()));
    }
    if field("flags").is_some_and(|f| f.split(' ').any(|f| f == "hypervisor")) {
        facts.push(("Virtual", "yes: wake-ups across cores and page faults cost more".to_owned()));
    }
    facts
}

/// What bounds the number of threads and mappings.
fn limits() -> String {
    let value = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    format!(
        "threads-max {}, pid_max {}, max_map_count {}",
        value("/proc/sys/kernel/threads-max"),
        value("/proc/sys/kernel/pid_max"),
        value("/proc/sys/vm/max_map_count"),
    )
}

/// The backend behind `switch`, as build.rs chose it.
fn backend() -> &'static str {
    if cfg!(gort_switch = "native") { "arch/" } else { "corosensei" }
}
