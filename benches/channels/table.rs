//! The table: a Markdown table, so that it can go into a document as it is.

use crate::sides::Side;
use std::fmt;

/// The figures for one number of processors.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(procs: usize, sides: &[Side]) -> Self {
        let mut text = format!("\n| {procs} P |");
        sides.iter().for_each(|side| text += &format!(" {} |", side.name));
        text += " Go/gort | next best/gort |\n|---|";
        text += &"---:|".repeat(sides.len() + 2);
        Self { text }
    }

    /// Adds a row: for each side its figures, one for each round; gort's first, Go's second.
    pub(crate) fn row(&mut self, name: &str, figures: Vec<Vec<f64>>) {
        let best = |figures: Vec<f64>| figures.into_iter().reduce(f64::min);
        let best: Vec<Option<f64>> = figures.into_iter().map(best).collect();
        self.text += &format!("\n| {name} |");
        for figure in &best {
            self.text += &format!(" {} |", figure.map_or("-".into(), show));
        }
        let (own, others) = (best[0].unwrap_or(f64::NAN), &best[1..]);
        let ratio = |other: Option<f64>| other.map_or("-".into(), |o| format!("{:.2}", o / own));
        let next = others.iter().flatten().copied().reduce(f64::min);
        self.text += &format!(" {} | {} |", ratio(others.first().copied().flatten()), ratio(next));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)
    }
}

/// Nanoseconds with a unit that fits.
fn show(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.1} ns"),
        ..1e6 => format!("{:.1} µs", ns / 1e3),
        _ => format!("{:.1} ms", ns / 1e6),
    }
}
