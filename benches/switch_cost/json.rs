//! The raw numbers as JSON: every sample of every figure, for programs to read.

use std::fmt::Write as _;

use crate::figure::{Figure, Versus};
use crate::machine::Facts;

/// `{"machine":{..},"figures":[..],"comparisons":[..]}`, times in nanoseconds, memory in bytes.
pub(crate) fn document(facts: &Facts, figures: &[Figure], comparisons: &[&[Versus]]) -> String {
    let machine = facts.iter().map(|(k, v)| format!("{}:{}", text(k), text(v)));
    let listed = figures.iter().map(figure);
    let pairs = comparisons.iter().flat_map(|list| list.iter());
    let compared = pairs.filter_map(|versus| {
        let c = versus.compare(figures)?;
        let goal = versus.goal.map_or("null".to_owned(), number);
        Some(format!(
            "{{\"title\":{},\"theirs\":{},\"ours\":{},\"ratio\":{},\"best_ratio\":{},\"goal\":{goal}}}",
            text(&versus.title),
            text(&versus.theirs),
            text(&versus.ours),
            number(c.ratio),
            number(c.best_ratio),
        ))
    });
    format!(
        "{{\"machine\":{{{}}},\n\"figures\":[\n{}\n],\n\"comparisons\":[\n{}\n]}}\n",
        join(machine, ","),
        join(listed, ",\n"),
        join(compared, ",\n"),
    )
}

fn figure(f: &Figure) -> String {
    let samples = join(f.samples.iter().map(|&v| number(v)), ",");
    let spread = f.spread().map_or(String::new(), |s| {
        let [median, min, max] = [s.median, s.min, s.max].map(number);
        format!(",\"median\":{median},\"min\":{min},\"max\":{max}")
    });
    format!(
        "{{\"id\":{},\"section\":{},\"side\":{},\"title\":{},\"what\":{},\"unit\":{},\
         \"samples\":[{samples}]{spread},\"note\":{}}}",
        text(&f.id),
        text(f.section),
        text(f.side.name()),
        text(&f.title),
        text(f.what),
        text(f.unit.name()),
        text(&f.note),
    )
}

fn join(parts: impl Iterator<Item = String>, by: &str) -> String {
    parts.collect::<Vec<_>>().join(by)
}

/// JSON has no infinities.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { "null".to_owned() }
}

fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
