//! Progress on standard error: a bar where it is a terminal, now and then a line where it is not.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Cells of the bar.
const CELLS: usize = 24;

/// The bar is redrawn, and a line repeated, not more often than this.
const REDRAW: Duration = Duration::from_millis(80);
const NEXT_LINE: Duration = Duration::from_secs(2);

/// Columns of a terminal the bar may use.
const COLUMNS: usize = 100;

/// How far the whole run has come.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    began: Instant,
    shown: Option<Instant>,
    section: &'static str,
    done: u64,
    total: u64,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            began: Instant::now(),
            shown: None,
            section: "",
            done: 0,
            total: total.max(1),
        }
    }

    pub(crate) fn advance(&mut self, weight: u64) {
        self.done = (self.done + weight).min(self.total);
    }

    /// Says what is being done now.
    pub(crate) fn show(&mut self, section: &'static str, step: &str) {
        let pause = if self.terminal { REDRAW } else { NEXT_LINE };
        let same = self.section == section;
        if same && self.shown.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        (self.section, self.shown) = (section, Some(Instant::now()));
        let percent = self.done * 100 / self.total;
        let line = format!("{percent:3}%  {}  {section}: {step}", self.remaining());
        let mut err = io::stderr().lock();
        // Progress that cannot be shown is not worth failing for.
        let _ = if self.terminal {
            let full = CELLS * usize::try_from(percent).unwrap_or(0) / 100;
            let bar: String = (0..CELLS).map(|i| if i < full { '█' } else { '░' }).collect();
            let line: String = format!("{bar} {line}").chars().take(COLUMNS).collect();
            write!(err, "\r\x1b[2K{line}").and_then(|()| err.flush())
        } else {
            writeln!(err, "{line}")
        };
    }

    /// "ETA 1:05", once enough has been done to tell.
    fn remaining(&self) -> String {
        if self.done * 50 < self.total {
            return "ETA  -:--".to_owned();
        }
        let left = self.total - self.done;
        let seconds = self.began.elapsed().as_secs_f64() * left as f64 / self.done as f64;
        let seconds = seconds.round() as u64;
        format!("ETA {:2}:{:02}", seconds / 60, seconds % 60)
    }

    /// Clears the bar.
    pub(crate) fn finish(&self) {
        let mut err = io::stderr().lock();
        let took = self.began.elapsed().as_secs_f64();
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        let _ = writeln!(err, "{clear}measured in {took:.1} s");
    }
}
