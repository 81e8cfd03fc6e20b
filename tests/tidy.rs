//! The house rules, kept by a test: layers, sizes, who may name what, and what must be written
//! next to `unsafe`. Each rule has two tests: one holds the tree to it, one shows that it bites.
//!
//! Plain Rust without dependencies. The rules are in `tidy/rules.rs`, the layer line in
//! `tidy/layers.rs`, the small lexer they stand on in `tidy/scan.rs`.

#[path = "tidy/arch.rs"]
mod arch;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/scan.rs"]
mod scan;

use layers::Layers;
use scan::Source;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

/// What is wrong at a line, and how to mend it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) says: String,
}

type Rule = fn(&Source) -> Vec<Fault>;

static TREE: LazyLock<Vec<Source>> = LazyLock::new(read_tree);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every text file of ours that a rule may look at, in a fixed order.
fn read_tree() -> Vec<Source> {
    let mut paths = Vec::new();
    for top in ["src", "arch", "tests", "benches", "examples", "docs", ".ci", ".config"] {
        walk(&root().join(top), &mut paths);
    }
    let files = std::fs::read_dir(root()).expect("the repository's root can be read");
    paths.extend(files.filter_map(|f| f.ok().map(|f| f.path())).filter(|p| p.is_file()));
    paths.sort();
    let relative = |p: &Path| {
        let inside = p.strip_prefix(root()).expect("walked from the root");
        inside.to_str().expect("our paths are UTF-8").replace('\\', "/")
    };
    let written_by_hand = |p: &String| p != "Cargo.lock" && !p.ends_with(".snap");
    let names = paths.iter().map(|p| relative(p)).filter(written_by_hand);
    names
        .filter_map(|name| {
            let text = std::fs::read_to_string(root().join(&name)).ok()?;
            Some(Source::new(&name, &text))
        })
        .collect()
}

fn walk(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(|e| e.ok().map(|e| e.path())) {
        if path.is_dir() {
            walk(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// Fails with every fault of the tree, each on a line an editor can jump to.
fn report(faults: impl IntoIterator<Item = (String, Fault)>) {
    let mut text = String::new();
    let mut count = 0;
    for (path, fault) in faults {
        let _ = writeln!(text, "{path}:{}: {}", fault.line, fault.says);
        count += 1;
    }
    assert!(count == 0, "{count} fault(s):\n{text}");
}

/// Holds every file of the tree to `rule`.
fn keep(rule: Rule) {
    report(TREE.iter().flat_map(|s| rule(s).into_iter().map(|f| (s.path.clone(), f))));
}

/// Shows that `rule` finds exactly the faults of `text`, at `lines`.
fn bites(rule: Rule, path: &str, text: &str, lines: &[usize]) {
    let mut found: Vec<_> = rule(&Source::new(path, text)).iter().map(|f| f.line).collect();
    found.sort_unstable();
    assert_eq!(found, lines, "in {path}:\n{text}");
}

fn layer_faults(source: &Source) -> Vec<Fault> {
    layers::check(&Layers::parse(layers::LINE), &[], source, &mut Vec::new())
}

#[test]
fn the_tree_is_read() {
    let has = |path: &str| TREE.iter().any(|s| s.path == path);
    for path in ["src/lib.rs", "src/base/atomic.rs", "tests/tidy/scan.rs", "build.rs", "deny.toml"]
    {
        assert!(has(path), "the rules would pass without having looked at {path}");
    }
}

#[test]
fn strings_and_comments_are_told_from_code() {
    let text =
        "a('x', '\\'', 'static, b\"q\\\"\", r\"\\\"); /* /* é */ */ 'l: r#fn // c\"\n\"é\" z";
    let (code, comments) = scan::mask(text);
    assert_eq!((code.len(), comments.len()), (text.len(), text.len()));
    let words = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&code), "a(' ', ' ', 'static, b\" \", r \"); 'l: r#fn \" \" z");
    assert_eq!(words(&comments), "/* /* é */ */ // c\"");
}

#[test]
fn rooms_use_only_lower_rooms() {
    let line = Layers::parse(layers::LINE);
    let exceptions = layers::exceptions(layers::EXCEPTIONS);
    let mut used = Vec::new();
    let mut faults = Vec::new();
    for s in TREE.iter().filter(|s| s.path.ends_with(".rs")) {
        let found = layers::check(&line, &exceptions, s, &mut used);
        faults.extend(found.into_iter().map(|f| (s.path.clone(), f)));
    }
    for (from, to, _) in exceptions {
        if !used.iter().any(|(f, t)| (f.as_str(), t.as_str()) == (from, to)) {
            let says = format!("the exception `{from} -> {to}` is no longer needed: take it out");
            faults.push(("tests/tidy/layers.rs".to_owned(), Fault { line: 1, says }));
        }
    }
    report(faults);
}

#[test]
fn the_layer_rule_bites() {
    let upward = "//! x\nuse crate::sched::park;\nfn f() { crate::stack::take() }\n";
    bites(layer_faults, "src/g/entry.rs", upward, &[2]);
    let neighbour = "use crate::{base::rng, timer::Heap, poll::{self, Desc}};";
    bites(layer_faults, "src/runq/local.rs", neighbour, &[1, 1]);
    bites(layer_faults, "src/runq.rs", "use crate::runq::global::Q;\nuse crate::g::G;", &[]);
    bites(layer_faults, "src/sys/lock.rs", "use super::super::sched::P;\nuse super::sched;", &[1]);
    bites(layer_faults, "src/cellar/mod.rs", "", &[1]);
    bites(layer_faults, "src/chan/core.rs", "use crate::Goexit;\nfn f() { crate::throw!() }", &[1]);
    bites(layer_faults, "src/api/mod.rs", "use crate::{Goexit, chan::Chan};", &[]);
    bites(layer_faults, "src/lib.rs", "pub use crate::api::go;", &[]);
    bites(layer_faults, "src/g/mod.rs", "macro_rules! m { () => { $crate::api::go() } }", &[]);
    let quoted = "// crate::sched::x\nconst S: &str = \"crate::sched::x\";";
    bites(layer_faults, "src/g/mod.rs", quoted, &[]);
}

#[test]
fn a_layer_exception_must_name_a_reason() {
    let rows = layers::exceptions("  sync -> chan: the semaphore is a channel\n");
    assert_eq!(rows, [("sync", "chan", "the semaphore is a channel")]);
    let line = Layers::parse(layers::LINE);
    let source = Source::new("src/sync/a.rs", "use crate::chan::Chan;\n");
    let mut used = Vec::new();
    assert!(layers::check(&line, &rows, &source, &mut used).is_empty());
    assert_eq!(used.len(), 1);
    assert!(std::panic::catch_unwind(|| layers::exceptions("sync -> chan")).is_err());
}

#[test]
fn the_architecture_page_shows_the_layer_line() {
    let words = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = words(&read("ARCHITECTURE.md"));
    let line = words(layers::LINE);
    assert!(page.contains(&line), "write the layer line into ARCHITECTURE.md:\n{line}");
}

#[test]
fn files_are_short() {
    keep(|s| {
        if s.path.ends_with(".rs") || s.path.ends_with(".s") {
            rules::file_length(s)
        } else {
            Vec::new()
        }
    });
}

#[test]
fn the_file_length_rule_bites() {
    bites(rules::file_length, "src/g/mod.rs", &"//\n".repeat(600), &[]);
    bites(rules::file_length, "src/g/mod.rs", &"//\n".repeat(601), &[601]);
}

#[test]
fn functions_are_short() {
    keep(|s| if s.path.ends_with(".rs") { rules::function_length(s) } else { Vec::new() });
}

#[test]
fn the_function_length_rule_bites() {
    let long = format!("fn f(a: [u8; 4], g: fn(u8)) -> u8\n{{\n{}}}\n", "//\n".repeat(58));
    bites(rules::function_length, "src/g/mod.rs", &long, &[1]);
    let braces = "let s = \"}\"; let c = '}'; let r = r#\"}\"}\"#; /* } */ // }\n";
    let hidden = format!("\nfn f<'a>() {{\n{}}}\n", braces.repeat(59));
    bites(rules::function_length, "src/g/mod.rs", &hidden, &[2]);
    let short = format!("fn f() {{\n{}}}\nfn g();\nfn h() {{}}\n", "x;\n".repeat(58));
    bites(rules::function_length, "src/g/mod.rs", &short, &[]);
}

#[test]
fn files_open_with_what_they_own() {
    keep(rules::head);
}

#[test]
fn the_head_rule_bites() {
    bites(rules::head, "src/g/mod.rs", "// G.\n//! G.\n", &[1]);
    bites(rules::head, "tests/x.rs", "//! X.\n", &[]);
}

#[test]
fn assembly_stays_in_its_room() {
    keep(rules::assembly);
}

#[test]
fn the_assembly_rule_bites() {
    let text = "use core::arch::asm;\nfn f() { asm!(\"\") }\nglobal_asm!(\"\");\n";
    bites(rules::assembly, "src/sched/run.rs", text, &[2, 3]);
    bites(rules::assembly, "src/switch/native.rs", text, &[]);
}

fn assembly_files() -> Vec<&'static Source> {
    TREE.iter().filter(|s| s.path.starts_with("arch/") && s.path.ends_with(".s")).collect()
}

#[test]
fn assembly_routines_are_whole_and_alike() {
    keep(arch::routines);
    report(arch::same_exports(&assembly_files()));
}

#[test]
fn the_routine_rules_bite() {
    let whole = "# CPU.\n.globl gort_f\n.hidden gort_f\n.type gort_f, @function\ngort_f:\n\
                 .cfi_startproc\nendbr64\nret\n.cfi_endproc\n.size gort_f, . - gort_f\n";
    bites(arch::routines, "arch/x86_64.s", whole, &[]);
    for (piece, line) in [
        ("# CPU.\n", 1),
        (".hidden gort_f\n", 4),
        (".type gort_f, @function\n", 4),
        (".cfi_endproc\n", 5),
        ("endbr64\n", 5),
        (".size gort_f, . - gort_f\n", 5),
        ("gort_f:\n", 1),
    ] {
        bites(arch::routines, "arch/x86_64.s", &whole.replace(piece, ""), &[line]);
    }
    bites(arch::routines, "arch/x86_64.s", &whole.replace("gort_f", "f"), &[5]);
    let one = Source::new("arch/a.s", whole);
    let other = Source::new("arch/b.s", ".globl gort_g\n");
    assert!(arch::same_exports(&[&one, &one]).is_empty());
    assert_eq!(arch::same_exports(&[&one, &other]).len(), 1);
}

#[test]
fn the_backend_table_lists_the_assembly_files() {
    let (missing, unnamed) = arch::table(&read("build.rs"), &assembly_files());
    assert!(missing.is_empty(), "build.rs names files that arch/ lacks: {missing:?}");
    assert!(unnamed.is_empty(), "give these a row in build.rs: {unnamed:?}");
    let gone = Source::new("arch/b.s", "");
    let (missing, unnamed) = arch::table("&[(\"x\", \"a.s\")]", &[&gone]);
    assert_eq!((missing, unnamed), (vec!["a.s".to_owned()], vec!["b.s".to_owned()]));
}

#[test]
fn thread_locals_stay_in_one_file() {
    keep(rules::thread_locals);
}

#[test]
fn the_thread_local_rule_bites() {
    let text = "thread_local! { static X: u8 = 0; }\n#[thread_local]\nstatic Y: u8 = 0;\n";
    bites(rules::thread_locals, "src/sched/m.rs", text, &[1, 2]);
    bites(rules::thread_locals, "src/sched/current.rs", text, &[]);
    bites(rules::thread_locals, "src/sched/m.rs", "//! No `thread_local!` here.\n", &[]);
}

#[test]
fn dependencies_are_named_in_their_room() {
    keep(rules::dependencies);
    keep(rules::no_leaked_dependency);
}

#[test]
fn the_dependency_rule_bites() {
    let text = "use libc as c;\nfn f() { libc::getpid(); crate::sys::libc::x(); }\n";
    bites(rules::dependencies, "src/sched/m.rs", text, &[1, 2]);
    bites(rules::dependencies, "src/sys/thread.rs", text, &[]);
    bites(rules::dependencies, "src/g/mod.rs", "use corosensei::Coroutine;", &[1]);
    bites(rules::dependencies, "src/runq/model.rs", "use loom::thread;", &[]);
    bites(rules::dependencies, "src/sched/run.rs", "use loom::thread;", &[1]);
    let test = "#[cfg(test)]\nmod tests {\n    fn f() { backtrace::trace(); libc::getpid(); }\n}\n";
    bites(rules::dependencies, "src/switch/mod.rs", test, &[3]);
    bites(rules::no_leaked_dependency, "src/switch/mod.rs", "pub use corosensei::Yielder;", &[1]);
}

#[test]
fn every_dependency_has_a_room() {
    let manifest = read("Cargo.toml");
    let start = manifest.find("\n[dependencies]\n").expect("Cargo.toml has dependencies") + 16;
    let section = manifest[start..].split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n.trim());
    let rows = rules::dependency_rows(rules::DEPENDENCIES);
    let homeless: Vec<_> =
        names.filter(|n| !rows.iter().any(|(row, _)| *row == n.replace('-', "_"))).collect();
    assert!(homeless.is_empty(), "give each a row in tests/tidy/rules.rs: {homeless:?}");
}

#[test]
fn pure_rooms_use_the_atomics_facade() {
    keep(rules::pure_atomics);
}

#[test]
fn the_atomics_rule_bites() {
    let text = "use std::sync::atomic::AtomicBool;\n\
                #[cfg(test)]\nmod tests { use core::sync::atomic::AtomicU8; }\n";
    bites(rules::pure_atomics, "src/runq/local.rs", text, &[1]);
    bites(rules::pure_atomics, "src/chan/mod.rs", text, &[]);
}

#[test]
fn wide_atomics_stay_where_32_bit_targets_have_something_else() {
    keep(rules::no_wide_atomics);
    let text = "use std::sync::atomic::{AtomicU64, Ordering};\nstatic N: AtomicI64 = zero();\n";
    bites(rules::no_wide_atomics, "src/sched/m.rs", text, &[1, 2]);
    bites(rules::no_wide_atomics, "src/base/wide.rs", text, &[]);
    bites(rules::no_wide_atomics, "tests/stress.rs", text, &[]);
}

#[test]
fn unsafe_says_why() {
    keep(rules::safety_comments);
    keep(rules::safety_sections);
}

#[test]
fn the_safety_rule_bites() {
    let text = "// SAFETY: a is live.\nlet x = unsafe { *a };\nlet y = unsafe { *b };\n\
                unsafe impl Send for X {}\n";
    bites(rules::safety_comments, "src/g/mod.rs", text, &[3, 4]);
    let fine = "// SAFETY: long reason\n// on two lines.\n#[inline]\nlet x = f(\n    a,\n    \
                unsafe { *a },\n);\nlet y = unsafe { *b }; // SAFETY: here.\n";
    bites(rules::safety_comments, "src/g/mod.rs", fine, &[]);
    let doc = "/// Reads.\nunsafe fn f() {}\n/// # Safety\n/// Live.\n#[inline]\n\
               pub unsafe extern \"C\" fn g() {}\nunsafe impl T for X {\n    unsafe fn h() {}\n}\n";
    bites(rules::safety_sections, "src/g/mod.rs", doc, &[2]);
}

#[test]
fn nothing_is_left_unfinished() {
    keep(rules::finished);
    keep(rules::no_commented_out_code);
}

#[test]
fn the_unfinished_rules_bite() {
    let text = "fn f() { todo!() }\nfn g() { dbg!(1); }\n// FIXME: later\n#[ignore = \"slow\"]\n\
                fn h() { \"todo!()\"; unimplemented!() }\n";
    bites(rules::finished, "src/g/mod.rs", text, &[1, 2, 3, 4, 5]);
    let code = "// let x = 1;\n// if a {\n// }\n// Let the M sleep; then return.\n/// let y = 1;\n";
    bites(rules::no_commented_out_code, "src/g/mod.rs", code, &[1, 2, 3]);
}

#[test]
fn text_is_plain() {
    keep(rules::plain_text);
}

#[test]
fn the_plain_text_rule_bites() {
    bites(rules::plain_text, "arch/x86_64.s", "nop \nret\r\nx", &[1, 2, 3]);
    bites(rules::plain_text, "README.md", "# gort\n", &[]);
}
