//! `GORT_DEBUG=schedtrace=MS`: Go's line about the scheduler's state, every MS milliseconds.

use super::SCHED;
use crate::base::fatal::Stderr;
use crate::sys::clock::now;
use std::fmt::Write as _;

/// When to print next; made by sysmon.
#[derive(Debug)]
pub(super) struct Trace {
    started: u64,
    every: u64,
    next: u64,
}

impl Trace {
    /// What the environment asks for, if anything.
    pub(super) fn from_env() -> Option<Self> {
        let debug = std::env::var("GORT_DEBUG").ok()?;
        let every = interval(&debug)?;
        let started = now();
        Some(Self { started, every, next: started + every })
    }

    /// Prints the line if it is time.
    pub(super) fn look(&mut self, now: u64) {
        if now >= self.next {
            self.next = now + self.every;
            // A line that cannot be written is no reason to stop the program.
            let _ = Stderr.write_str(&line((now - self.started) / 1_000_000));
        }
    }
}

/// Nanoseconds between lines: the value of `schedtrace`.
fn interval(debug: &str) -> Option<u64> {
    milliseconds(debug, "schedtrace").filter(|ns| *ns > 0)
}

/// The number of milliseconds given for `name` in a list of `name=value`, in ns.
fn milliseconds(debug: &str, name: &str) -> Option<u64> {
    let mut items = debug.split(',').filter_map(|item| item.trim().split_once('='));
    let (_, value) = items.find(|(n, _)| *n == name)?;
    value.parse::<u64>().ok().map(|ms| ms.saturating_mul(1_000_000))
}

/// As [`milliseconds`], from the environment.
pub(super) fn asked(name: &str) -> Option<u64> {
    milliseconds(&std::env::var("GORT_DEBUG").ok()?, name)
}

fn line(ms: u64) -> String {
    let (idle_ms, idle_ps, threads) = {
        let inner = SCHED.inner.lock();
        (
            inner.idle_ms.len(),
            inner.idle_ps.len(),
            inner.ms + inner.runners + super::threads::SYSTEM,
        )
    };
    let ps = || (0..SCHED.procs()).map(super::p_at);
    let mut line = format!(
        "SCHED {ms}ms: gomaxprocs={} idleprocs={idle_ps} threads={threads} spinningthreads={} \
         needspinning=0 idlethreads={idle_ms} runqueue={} [ ",
        SCHED.procs(),
        SCHED.spin.spinning(),
        SCHED.global.len(),
    );
    for p in ps() {
        let _ = write!(line, "{} ", p.ring.len() + usize::from(p.has_next()));
    }
    line.push_str("] schedticks=[ ");
    for p in ps() {
        let _ = write!(line, "{} ", p.tick());
    }
    line.push_str("]\n");
    line
}

#[cfg(test)]
mod tests {
    use super::interval;

    #[test]
    fn the_interval_is_found_among_other_settings() {
        assert_eq!(interval("schedtrace=1000"), Some(1_000_000_000));
        assert_eq!(interval("x=1, schedtrace=5,scheddetail=1"), Some(5_000_000));
        assert_eq!(interval("schedtrace=0"), None);
        assert_eq!(interval("schedtrace=soon"), None);
        assert_eq!(interval("trace=1"), None);
    }
}
