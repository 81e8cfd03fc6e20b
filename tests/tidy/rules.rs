//! The rules that look at one file at a time. Each takes a [`Source`] and returns its faults;
//! each fault says what to do about it.

use crate::Fault;
use crate::layers::room;
use crate::scan::Source;

pub(crate) const MAX_FILE: usize = 600;
pub(crate) const MAX_FUNCTION: usize = 60;

/// Which room may name which dependency; every `[dependencies]` entry has its row. Test modules
/// may look at the world through any of them but libc.
pub(crate) const DEPENDENCIES: &str = "
    libc: sys
    corosensei: switch
    memmap2: stack
    crossbeam_queue: runq, stack
    crossbeam_utils: base, runq
    backtrace: stack, panic, debug
    gimli: panic
    socket2: net
    loom: base, runq, model.rs
    shuttle: base, runq, model.rs
";

/// Files that a model checker runs: their atomics come from `crate::base::atomic`.
pub(crate) const PURE: &[&str] = &[
    "src/base/",
    "src/runq/",
    "src/timer/",
    "src/poll/gate.rs",
    "src/sched/lease.rs",
    "src/sched/spin.rs",
    "src/sched/waitq.rs",
    "src/chan/core.rs",
    "src/chan/ops.rs",
    "src/chan/select.rs",
    "src/sync/once.rs",
    "src/sync/raw.rs",
    "src/sync/sema.rs",
    "src/sync/semaphore.rs",
];

/// Words that tell of unfinished work.
const UNFINISHED: &[&str] = &["FIXME", "XXX", "TODO", "HACK"];

fn fault(line: usize, says: impl Into<String>) -> Fault {
    Fault { line, says: says.into() }
}

fn is_rust(source: &Source) -> bool {
    source.path.ends_with(".rs")
}

fn in_src(source: &Source) -> bool {
    source.path.starts_with("src/")
}

pub(crate) fn file_length(source: &Source) -> Vec<Fault> {
    let lines = source.text.lines().count();
    if lines <= MAX_FILE {
        return Vec::new();
    }
    vec![fault(
        MAX_FILE + 1,
        format!("{lines} lines, at most {MAX_FILE}: split the file where it changes its subject"),
    )]
}

pub(crate) fn function_length(source: &Source) -> Vec<Fault> {
    let long = source.functions().into_iter().filter(|f| f.lines > MAX_FUNCTION);
    long.map(|f| {
        let says = format!(
            "`fn {}` has {} lines, at most {MAX_FUNCTION}: name a part of it and move it out",
            f.name, f.lines
        );
        fault(f.line, says)
    })
    .collect()
}

pub(crate) fn head(source: &Source) -> Vec<Fault> {
    if !is_rust(source) || source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![fault(1, "open the file with `//!`: what it owns, its invariants, what it must not do")]
}

/// A word that may stand only in the files `home` accepts.
fn only_in(
    source: &Source,
    pattern: &[&str],
    home: impl Fn(&str) -> bool,
    mend: &str,
) -> Vec<Fault> {
    if !is_rust(source) || !in_src(source) || home(&source.path) {
        return Vec::new();
    }
    source.find(pattern).map(|i| fault(source.line_of_token(i), mend)).collect()
}

pub(crate) fn assembly(source: &Source) -> Vec<Fault> {
    ["asm", "global_asm", "naked_asm"]
        .iter()
        .flat_map(|name| {
            let mend = format!(
                "`{name}!` belongs in src/switch (and long assembly in arch/): call a function of \
                 that room instead"
            );
            only_in(source, &[name, "!"], |p| room(p) == Some("switch"), &mend)
        })
        .collect()
}

pub(crate) fn thread_locals(source: &Source) -> Vec<Fault> {
    let home = |p: &str| p == "src/sched/current.rs";
    let mend = "thread-locals live in src/sched/current.rs alone: a goroutine changes threads, \
                and that file knows when; ask it, or keep the value in P or M";
    let mut faults = only_in(source, &["thread_local", "!"], home, mend);
    faults.extend(only_in(source, &["#", "[", "thread_local", "]"], home, mend));
    faults
}

/// Rows of [`DEPENDENCIES`]: crate name, where it may be named.
pub(crate) fn dependency_rows(table: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = table.lines().filter_map(|l| l.trim().split_once(':'));
    rows.map(|(name, homes)| (name, homes.split(',').map(str::trim).collect())).collect()
}

pub(crate) fn dependencies(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tests = source.test_spans();
    for (name, homes) in dependency_rows(DEPENDENCIES) {
        let home =
            |p: &str| homes.iter().any(|h| room(p) == Some(*h) || p.ends_with(&format!("/{h}")));
        let mend = format!(
            "`{name}` is named only in {}: wrap what you need there and use the wrapper",
            homes.join(", ")
        );
        let after_path = |i: &usize| *i >= 2 && source.spells(i - 2, &[":", ":"]);
        if !is_rust(source) || !in_src(source) || home(&source.path) {
            continue;
        }
        let pattern = [name];
        let uses = source.find(&pattern).filter(|i| {
            let path = source.spells(i + 1, &[":", ":"]);
            let import = source.word(i.wrapping_sub(1)) == "use" || source.word(i + 1) == "as";
            let test = name != "libc" && tests.iter().any(|span| span.contains(i));
            !test && !after_path(i) && (path || import)
        });
        faults.extend(uses.map(|i| fault(source.line_of_token(i), mend.clone())));
    }
    faults
}

/// `pub use` of a dependency would put its types into our signatures.
pub(crate) fn no_leaked_dependency(source: &Source) -> Vec<Fault> {
    if !in_src(source) {
        return Vec::new();
    }
    let rows = dependency_rows(DEPENDENCIES);
    source
        .find(&["pub", "use"])
        .filter(|i| rows.iter().any(|(name, _)| source.word(i + 2) == *name))
        .map(|i| {
            let says = format!(
                "`{}` would become part of our interface: wrap the type in one of ours",
                source.word(i + 2)
            );
            fault(source.line_of_token(i), says)
        })
        .collect()
}

pub(crate) fn pure_atomics(source: &Source) -> Vec<Fault> {
    let pure = PURE.iter().any(|p| source.path.starts_with(p));
    if !pure || source.path == "src/base/atomic.rs" {
        return Vec::new();
    }
    let tests = source.test_spans();
    ["std", "core"]
        .iter()
        .flat_map(|c| {
            source
                .find(&["sync", ":", ":", "atomic"])
                .filter(move |i| *i >= 3 && source.spells(i - 3, &[c, ":", ":"]))
        })
        .filter(|i| !tests.iter().any(|span| span.contains(i)))
        .map(|i| {
            let says = "take atomics from `crate::base::atomic`: loom and shuttle run this file";
            fault(source.line_of_token(i), says)
        })
        .collect()
}

/// 32-bit targets need not have them.
pub(crate) fn no_wide_atomics(source: &Source) -> Vec<Fault> {
    let home = |p: &str| matches!(p, "src/base/atomic.rs" | "src/base/wide.rs");
    let mend = "not every target has it: take `base::width::Wide`, or an `AtomicUsize` or `AtomicU32` \
                if the number fits";
    let names = ["AtomicU64", "AtomicI64"];
    names.iter().flat_map(|name| only_in(source, &[name], home, mend)).collect()
}

/// Every `unsafe { }` and `unsafe impl` has its reason on the lines above, or on its own line.
pub(crate) fn safety_comments(source: &Source) -> Vec<Fault> {
    let blocks = source.find(&["unsafe", "{"]).chain(source.find(&["unsafe", "impl"]));
    blocks
        .map(|i| source.line_of_token(i))
        .filter(|&line| is_rust(source) && !has_safety(source, line))
        .map(|line| {
            fault(line, "say above it `// SAFETY:`, the precondition and who guarantees it")
        })
        .collect()
}

/// Walks up from `line` through the statement it belongs to, its attributes and its comments.
fn has_safety(source: &Source, line: usize) -> bool {
    let nth = |text: &'_ str, n: usize| text.lines().nth(n - 1).unwrap_or("").trim().to_owned();
    for n in (1..=line).rev() {
        if nth(&source.comments, n).contains("SAFETY:") {
            return true;
        }
        let (code, whole) = (nth(&source.code, n), nth(&source.text, n));
        let ends = whole.is_empty() || code.ends_with([';', '{', '}']) && n != line;
        if ends {
            return false;
        }
    }
    false
}

/// Every `unsafe fn` with a body says what its caller owes. Methods of a trait implementation are
/// excused, since the trait's documentation speaks for them, and so are tests.
pub(crate) fn safety_sections(source: &Source) -> Vec<Fault> {
    let mut excused = trait_implementations(source);
    excused.extend(source.test_spans());
    let mut faults = Vec::new();
    for f in source.functions() {
        let mut first = f.token;
        let qualifier = |w: &str| matches!(w, "extern" | "\"" | "unsafe" | "const" | "async");
        while first > 0 && qualifier(source.word(first - 1)) {
            first -= 1;
        }
        let is_unsafe = (first..f.token).any(|i| source.word(i) == "unsafe");
        let excused = excused.iter().any(|span| span.contains(&f.token));
        if is_unsafe && !excused && !has_safety_section(source, f.line) {
            let says = format!("`unsafe fn {}` lacks a `# Safety` section in its doc", f.name);
            faults.push(fault(f.line, says));
        }
    }
    faults
}

fn trait_implementations(source: &Source) -> Vec<std::ops::Range<usize>> {
    source
        .find(&["impl"])
        .filter_map(|i| {
            let body = source.body(i)?;
            let named = |k: usize| source.word(k) == "for" && source.word(k + 1) != "<";
            (i..body).any(named).then_some(())?;
            Some(body..source.closing(body)?)
        })
        .collect()
}

/// Whether the doc comment directly above `line` (attributes between them skipped) has the section.
fn has_safety_section(source: &Source, line: usize) -> bool {
    let lines: Vec<&str> = source.text.lines().collect();
    let above = lines[..line - 1].iter().rev().map(|l| l.trim());
    let doc = above.take_while(|l| l.starts_with("///") || l.starts_with('#') || l.ends_with(']'));
    doc.into_iter().any(|l| l.starts_with("/// # Safety"))
}

/// No unfinished work, no ignored tests.
pub(crate) fn finished(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in ["todo", "unimplemented", "dbg"] {
        faults.extend(source.find(&[name, "!"]).map(|i| {
            fault(source.line_of_token(i), format!("`{name}!` is not for the main branch: do it"))
        }));
    }
    faults.extend(source.find(&["#", "[", "ignore"]).map(|i| {
        let says = "a test that is not run promises nothing: run it, or take it out";
        fault(source.line_of_token(i), says)
    }));
    for (n, line) in source.comments.lines().enumerate() {
        let word = |w: &&&str| line.split(|c: char| !c.is_alphanumeric()).any(|x| x == **w);
        if let Some(w) = UNFINISHED.iter().find(word) {
            let says = format!("`{w}`: do it now, or open an issue and say here what is so");
            faults.push(fault(n + 1, says));
        }
    }
    faults
}

/// A `//` comment that is a statement or opens a block is code somebody left behind.
pub(crate) fn no_commented_out_code(source: &Source) -> Vec<Fault> {
    const OPENINGS: &[&str] = &[
        "let ",
        "use ",
        "pub ",
        "fn ",
        "if ",
        "for ",
        "while ",
        "match ",
        "return",
        "self.",
        "impl ",
        "println!",
        "eprintln!",
        "assert",
        "#[",
        "unsafe {",
        "}",
    ];
    let mut faults = Vec::new();
    for (n, line) in source.comments.lines().enumerate() {
        let Some(text) = line.trim().strip_prefix("// ") else { continue };
        let opens = OPENINGS.iter().any(|o| text.starts_with(o));
        if opens && (text.ends_with([';', '{']) || text == "}") {
            let says = "commented-out code: delete it, the history keeps it";
            faults.push(fault(n + 1, says));
        }
    }
    faults
}

/// What rustfmt does not reach: assembly, manifests and documents.
pub(crate) fn plain_text(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (n, line) in source.text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            faults.push(fault(n + 1, "white space at the end of the line: take it out"));
        }
    }
    if !source.text.ends_with('\n') || source.text.ends_with("\n\n") {
        faults.push(fault(source.text.lines().count().max(1), "end the file with one newline"));
    }
    faults
}
