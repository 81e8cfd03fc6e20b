//! Figures: what was measured, its samples, and how numbers are written.

use crate::reply::Reply;

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Thread,
    Gort,
    Go,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Thread => "OS thread",
            Self::Gort => "gort",
            Self::Go => "Go",
        }
    }
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds.
    Time,
    /// Bytes.
    Bytes,
    /// Pieces.
    Count,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Time => "ns",
            Self::Bytes => "B",
            Self::Count => "1",
        }
    }

    /// A number with its unit, three significant digits of time, every byte and piece.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Time => duration(value),
            Self::Bytes => format!("{} B", grouped(value)),
            Self::Count => grouped(value),
        }
    }
}

/// Nanoseconds in the unit that leaves one to three digits before the point.
pub(crate) fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        v if v < 1e3 => (v, "ns"),
        v if v < 1e6 => (v / 1e3, "µs"),
        v if v < 1e9 => (v / 1e6, "ms"),
        v => (v / 1e9, "s"),
    };
    let digits = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// A whole number with commas between the thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |d| ("-", d));
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    format!("{sign}{out}")
}

/// How many times one figure is another, two or three significant digits.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        v if !v.is_finite() => "-".to_owned(),
        v if v < 10.0 => format!("{v:.2}x"),
        v if v < 100.0 => format!("{v:.1}x"),
        v => format!("{}x", grouped(v)),
    }
}

/// One number of an answer: which key, and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) unit: Unit,
    /// Divide by the operations done.
    pub(crate) each: bool,
    /// Added to the entry's id and title.
    pub(crate) suffix: &'static str,
    pub(crate) title: &'static str,
}

impl Field {
    pub(crate) fn value(&self, reply: &Reply) -> Option<f64> {
        let value = reply.get(self.key)?;
        let ops = reply.get("ops")?;
        match (self.each, ops > 0.0) {
            (true, true) => Some(value / ops),
            (true, false) => None,
            (false, _) => Some(value),
        }
    }
}

/// A measured figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) id: String,
    pub(crate) section: &'static str,
    pub(crate) side: Side,
    pub(crate) title: String,
    /// What one unit of it is, in a sentence.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    /// One per round, in the order they were taken.
    pub(crate) samples: Vec<f64>,
    pub(crate) note: String,
}

impl Figure {
    /// None when there are no samples.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(&self.samples)
    }
}

/// Median and extremes of a figure's samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }
}

/// Two figures side by side: how many times `ours` fits into `theirs`.
#[derive(Debug, Clone)]
pub(crate) struct Versus {
    pub(crate) title: String,
    pub(crate) theirs: String,
    pub(crate) ours: String,
    /// More is better (numbers alive): the ratio is turned round.
    pub(crate) more_is_better: bool,
    /// The project's own goal for the ratio.
    pub(crate) goal: Option<f64>,
}

/// A comparison with its figures found.
#[derive(Debug, Clone)]
pub(crate) struct Compared<'a> {
    pub(crate) versus: &'a Versus,
    pub(crate) theirs: &'a Figure,
    pub(crate) ours: &'a Figure,
    pub(crate) medians: [f64; 2],
    /// Of the medians, the figure to quote.
    pub(crate) ratio: f64,
    /// Of the best rounds: less disturbed by other load on the machine.
    pub(crate) best_ratio: f64,
}

impl Versus {
    /// None when either side has no samples.
    pub(crate) fn compare<'a>(&'a self, figures: &'a [Figure]) -> Option<Compared<'a>> {
        let find = |id: &str| figures.iter().find(|f| f.id == id);
        let (theirs, ours) = (find(&self.theirs)?, find(&self.ours)?);
        let (t, o) = (theirs.spread()?, ours.spread()?);
        let (ratio, best_ratio) = if self.more_is_better {
            (o.median / t.median, o.max / t.max)
        } else {
            (t.median / o.median, t.min / o.min)
        };
        let medians = [t.median, o.median];
        Some(Compared { versus: self, theirs, ours, medians, ratio, best_ratio })
    }
}
