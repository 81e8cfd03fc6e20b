//! The report as one page: nothing outside the file is needed to read it.

use std::fmt::Write as _;

use crate::chart::{self, Bar};
use crate::figure::{Figure, Unit, Versus, ratio};
use crate::machine::Facts;
use crate::table::{self, Table, brief};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#222;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd}\
table{border-collapse:collapse;font-size:.87rem;margin:.6rem 0}\
th,td{padding:.15rem .7rem;text-align:right;white-space:nowrap}\
th{border-bottom:1px solid #999}tr:nth-child(even) td{background:#f5f5f5}\
.w{text-align:left}.note{color:#666;font-size:.82rem;margin:.1rem 0}\
svg{max-width:100%;height:auto}.met{color:#1a7f37}.missed{color:#b42318}\
dt{float:left;clear:left;width:6rem;color:#666}dd{margin-left:6.5rem}";

/// The page.
pub(crate) fn page(facts: &Facts, figs: &[Figure], threads: &[Versus], go: &[Versus]) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    let _ = write!(out, "<title>What a goroutine costs</title><style>{STYLE}</style></head><body>");
    out.push_str("<h1>What a goroutine costs</h1><dl>");
    for (name, value) in facts {
        let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    out.push_str("</dl>\n");
    for (title, list, names, first) in [
        (
            "OS thread against goroutine",
            threads,
            ["OS thread", "gort"],
            "How many times the OS \
          thread's median is the goroutine's; for the number alive, the other way round.",
        ),
        (
            "Go against gort",
            go,
            ["Go", "gort"],
            "How many times Go's median is gort's, measured \
          in turn in one run; red: the project's goal.",
        ),
    ] {
        let grid = table::comparison(list, figs, names);
        if grid.rows().len() > 1 {
            let _ = write!(out, "<h2>{title}</h2><p class=\"note\">{first}</p>");
            picture(&mut out, &chart::of_ratios(list, figs), "times", &ratio);
            write_table(&mut out, &grid);
        }
    }
    for (section, list) in table::by_section(figs) {
        let _ = write!(out, "<h2>{}</h2>", table::heading(section));
        for unit in [Unit::Time, Unit::Bytes, Unit::Count] {
            let bars = chart::of_figures(&list, unit);
            picture(&mut out, &bars, axis_name(unit), &|v| brief(unit, v));
        }
        write_table(&mut out, &table::figures(&list));
        for line in table::explanations(&list) {
            let _ = write!(out, "<p class=\"note\">{}</p>", escape(&line));
        }
    }
    out.push_str("</body></html>\n");
    out
}

fn axis_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "time",
        Unit::Bytes => "bytes",
        Unit::Count => "number",
    }
}

/// A chart and its caption; nothing where there is nothing to draw.
fn picture(out: &mut String, bars: &[Bar], what: &str, axis: &dyn Fn(f64) -> String) {
    if let Ok((svg, logarithmic)) = chart::draw(bars, axis) {
        let scale = if logarithmic { ", logarithmic axis" } else { "" };
        let _ = write!(out, "<figure style=\"margin:.5rem 0\">{svg}");
        let _ = write!(out, "<figcaption class=\"note\">{what}{scale}</figcaption></figure>");
    }
}

fn write_table(out: &mut String, table: &Table) {
    out.push_str("<table>");
    for (at, row) in table.rows().iter().enumerate() {
        let tag = if at == 0 { "th" } else { "td" };
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let class = match cell.rsplit(' ').next() {
                _ if i < table.words() => " class=\"w\"",
                Some("met") => " class=\"met\"",
                Some("missed") => " class=\"missed\"",
                _ => "",
            };
            let _ = write!(out, "<{tag}{class}>{}</{tag}>", escape(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
