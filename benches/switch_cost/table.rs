//! The report as text: every figure, then the two comparisons.

use std::fmt::Write as _;

use crate::figure::{Figure, Unit, Versus, grouped, ratio};
use crate::machine::Facts;

/// Remarks below a table are wrapped at so many columns.
const NOTE_WIDTH: usize = 92;

/// The heading of a section.
pub(crate) fn heading(section: &str) -> &'static str {
    match section {
        "switch" => "Switching",
        "raw" => "Raw switch of each backend",
        "join" => "Start one and wait for it",
        "many" => "Start many and wait for all",
        "programs" => "Whole programs",
        "memory" => "Memory of a parked one",
        "alive" => "The largest number alive",
        _ => "Other",
    }
}

/// A table whose first columns are words and whose others are numbers.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// So many columns are words: they line up left.
    words: usize,
}

impl Table {
    pub(crate) fn new(words: usize, head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&h| h.to_owned()).collect()], words }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    pub(crate) fn words(&self) -> usize {
        self.words
    }

    fn render(&self, out: &mut String) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |i: usize| {
            self.rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (at, row) in self.rows.iter().enumerate() {
            let mut line = String::from(" ");
            for (i, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                let _ = if i < self.words {
                    write!(line, " {cell:<width$} ")
                } else {
                    write!(line, " {cell:>width$} ")
                };
            }
            let _ = writeln!(out, "{}", line.trim_end());
            if at == 0 {
                let total: usize = widths.iter().map(|w| w + 2).sum();
                let _ = writeln!(out, "  {}", "─".repeat(total.saturating_sub(2)));
            }
        }
    }
}

/// The figures of one section.
pub(crate) fn figures(figures: &[&Figure]) -> Table {
    let mut table = Table::new(2, &["", "", "median", "min", "max", "rounds"]);
    for figure in figures {
        let mut cells = vec![figure.side.name().to_owned(), figure.title.clone()];
        match figure.spread() {
            Some(s) => {
                cells.extend([s.median, s.min, s.max].map(|v| figure.unit.show(v)));
                cells.push(figure.samples.len().to_string());
            }
            None => cells.extend(["-", "-", "-", "0"].map(str::to_owned)),
        }
        table.row(cells);
    }
    table
}

/// A comparison; `names` are the two sides.
pub(crate) fn comparison(list: &[Versus], figures: &[Figure], names: [&str; 2]) -> Table {
    let quotient = format!("{}/{}", names[0], names[1]);
    let with_goals = list.iter().any(|v| v.goal.is_some());
    let mut head = vec!["", names[0], names[1], quotient.as_str(), "best rounds"];
    if with_goals {
        head.push("goal");
    }
    let mut table = Table::new(1, &head);
    for compared in list.iter().filter_map(|v| v.compare(figures)) {
        let mut cells = vec![compared.versus.title.clone()];
        let units = [compared.theirs.unit, compared.ours.unit];
        cells.extend(units.iter().zip(compared.medians).map(|(unit, v)| unit.show(v)));
        cells.push(ratio(compared.ratio));
        cells.push(ratio(compared.best_ratio));
        if with_goals {
            cells.push(compared.versus.goal.map_or(String::new(), |goal| {
                let word = if compared.ratio >= goal { "met" } else { "missed" };
                format!("{} {word}", ratio(goal))
            }));
        }
        table.row(cells);
    }
    table
}

/// Sections in the order of their first figure, with their figures.
pub(crate) fn by_section(figures: &[Figure]) -> Vec<(&'static str, Vec<&Figure>)> {
    let mut sections: Vec<(&'static str, Vec<&Figure>)> = Vec::new();
    for figure in figures {
        match sections.last_mut().filter(|(name, _)| *name == figure.section) {
            Some((_, list)) => list.push(figure),
            None => sections.push((figure.section, vec![figure])),
        }
    }
    sections
}

/// The whole report for the terminal.
pub(crate) fn render(facts: &Facts, figs: &[Figure], threads: &[Versus], go: &[Versus]) -> String {
    let mut out = String::from("\nWhat a goroutine costs\n");
    for (name, value) in facts {
        let _ = writeln!(out, "  {name:<8} {value}");
    }
    for (section, list) in by_section(figs) {
        let _ = writeln!(out, "\n{}", heading(section));
        figures(&list).render(&mut out);
        notes(&mut out, &list);
    }
    for (title, list, names) in [
        ("OS thread against goroutine (medians)", threads, ["OS thread", "gort"]),
        ("Go against gort (medians, same run)", go, ["Go", "gort"]),
    ] {
        let table = comparison(list, figs, names);
        if !table.is_empty() {
            let _ = writeln!(out, "\n{title}");
            table.render(&mut out);
        }
    }
    out
}

/// What the figures of a section are, and what there is to say about single ones.
fn notes(out: &mut String, list: &[&Figure]) {
    for text in explanations(list) {
        let mut line = String::new();
        for word in text.split(' ') {
            if line.chars().count() + word.chars().count() > NOTE_WIDTH {
                let _ = writeln!(out, "    {line}");
                line = "  ".to_owned();
            }
            line.push_str(if line.trim().is_empty() { "" } else { " " });
            line.push_str(word);
        }
        let _ = writeln!(out, "    {line}");
    }
}

pub(crate) fn explanations(list: &[&Figure]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut said: Vec<&str> = Vec::new();
    for figure in list {
        if !said.contains(&figure.what) {
            said.push(figure.what);
            lines.push(format!("{}.", figure.what));
        }
    }
    for figure in list.iter().filter(|f| !f.note.is_empty()) {
        lines.push(format!("{} {}: {}.", figure.side.name(), figure.title, figure.note));
    }
    lines
}

/// The value shown at a bar: shorter than in the table.
pub(crate) fn brief(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count | Unit::Bytes if value >= 1e9 => format!("{:.1} G", value / 1e9),
        Unit::Count => grouped(value),
        _ => unit.show(value),
    }
}
