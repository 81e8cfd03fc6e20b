//! What holds for assembly: every CPU exports the same routines, each routine is complete (hidden,
//! typed, sized, with unwind rules), and build.rs's table and `arch/` list the same files.

use crate::Fault;
use crate::scan::Source;
use std::collections::BTreeSet;

/// Arguments of a directive, e.g. the symbols of `.globl`.
fn arguments<'a>(text: &'a str, directive: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    text.lines().enumerate().filter_map(move |(n, line)| {
        let rest = line.trim().strip_prefix(directive)?.strip_prefix([' ', '\t'])?;
        Some((n + 1, rest.split([',', ' ', '\t', '#', '@', '/']).find(|w| !w.is_empty())?))
    })
}

/// The symbols a file exports to the crate.
pub(crate) fn exports(text: &str) -> BTreeSet<&str> {
    arguments(text, ".globl").chain(arguments(text, ".global")).map(|(_, s)| s).collect()
}

/// One assembly file on its own.
pub(crate) fn routines(source: &Source) -> Vec<Fault> {
    if !source.path.starts_with("arch/") || !source.path.ends_with(".s") {
        return Vec::new();
    }
    let text = &source.text;
    let mut faults = Vec::new();
    if !text.starts_with(['#', '/', '@']) {
        let says = "open the file with a comment: the CPU and ABI, the registers, the frame";
        faults.push(Fault { line: 1, says: says.to_owned() });
    }
    for symbol in exports(text) {
        let label = format!("{symbol}:");
        let Some(at) = text.lines().position(|l| l.starts_with(&label)) else {
            faults.push(Fault { line: 1, says: format!("`{symbol}` is exported but not here") });
            continue;
        };
        let says = |what: &str| Fault { line: at + 1, says: format!("`{symbol}` {what}") };
        if !symbol.starts_with("gort_") {
            faults.push(says("lacks the prefix `gort_`: it would meet other libraries' symbols"));
        }
        for directive in [".hidden", ".type", ".size"] {
            if !arguments(text, directive).any(|(_, s)| s == symbol) {
                faults.push(says(&format!("lacks `{directive}`")));
            }
        }
        let before: Vec<&str> = text.lines().take(at).map(str::trim).collect();
        let body: Vec<&str> = text.lines().skip(at + 1).map(str::trim).collect();
        let next = body.iter().position(|l| l.starts_with(".size")).unwrap_or(body.len());
        // The rules may begin before the label: unwinders look at the byte before an address.
        let open = before.iter().rfind(|l| l.starts_with(".cfi_") && l.ends_with("proc"));
        let started = open == Some(&".cfi_startproc") || body[..next].contains(&".cfi_startproc");
        for (directive, there) in
            [(".cfi_startproc", started), (".cfi_endproc", body[..next].contains(&".cfi_endproc"))]
        {
            if !there {
                faults.push(says(&format!("lacks `{directive}`: unwinders must know its frame")));
            }
        }
        let first = body.iter().find(|l| !l.is_empty() && !l.starts_with(['.', '#']));
        if source.path.contains("x86") && !first.is_some_and(|l| l.starts_with("endbr")) {
            faults.push(says("does not begin with endbr: linking it would turn IBT off"));
        }
    }
    faults
}

/// All assembly files together: the exports of each are those of the first.
pub(crate) fn same_exports(files: &[&Source]) -> Vec<(String, Fault)> {
    let Some((first, others)) = files.split_first() else { return Vec::new() };
    let wanted = exports(&first.text);
    let differ = others.iter().filter(|f| exports(&f.text) != wanted);
    differ
        .map(|f| {
            let says = format!(
                "exports {:?}, but {} exports {wanted:?}: every CPU has the same routines",
                exports(&f.text),
                first.path
            );
            (f.path.clone(), Fault { line: 1, says })
        })
        .collect()
}

/// build.rs's table against the directory: `(named but missing, present but not named)`.
pub(crate) fn table(build_rs: &str, files: &[&Source]) -> (Vec<String>, Vec<String>) {
    let quoted = build_rs.split('"').skip(1).step_by(2);
    let named: BTreeSet<_> = quoted.filter(|s| s.ends_with(".s")).map(str::to_owned).collect();
    let name = |f: &&Source| f.path.trim_start_matches("arch/").to_owned();
    let present: BTreeSet<_> = files.iter().map(name).collect();
    let missing = named.difference(&present).cloned().collect();
    (missing, present.difference(&named).cloned().collect())
}
