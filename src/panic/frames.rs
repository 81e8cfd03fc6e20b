//! Stacks as numbers: taking them at a panic, and turning them into text when somebody reads them.
//!
//! Taking is bounded: of a deep stack only the innermost and the outermost addresses are kept, and
//! one so deep that the walk itself would be felt is not walked to its end, so that a panic costs
//! the same at any depth.

use crate::g::Site;
use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::rc::Rc;

/// Frames printed at each end of a stack, as in Go; what lies between is elided.
const SHOWN: usize = 50;
/// Addresses kept at each end: frames of the runtime's own are among them and are not shown.
const KEPT: usize = SHOWN + 30;
/// Frames walked at most.
const WALKED: usize = 2000;

/// The return addresses of a stack, innermost first.
#[derive(Debug, Default)]
pub(super) struct Frames {
    inner: Vec<usize>,
    outer: VecDeque<usize>,
    /// Addresses between the two that were not kept.
    skipped: usize,
    /// The walk was broken off: there are more.
    endless: bool,
}

impl Frames {
    /// Adds the next outer frame; false when no more are wanted.
    pub(super) fn push(&mut self, pc: usize) -> bool {
        if pc == 0 {
            return false;
        }
        if self.inner.len() < KEPT {
            self.inner.push(pc);
            return true;
        }
        if self.outer.len() == KEPT {
            self.outer.pop_front();
            self.skipped += 1;
        }
        self.outer.push_back(pc);
        self.endless = self.skipped > WALKED;
        !self.endless
    }

    /// The stack of the caller.
    pub(super) fn here() -> Self {
        let mut frames = Self { inner: Vec::with_capacity(32), ..Self::default() };
        backtrace::trace(|frame| frames.push(frame.ip().addr()));
        frames
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Writes them in Go's layout. `all` shows the runtime's own frames, too.
    pub(super) fn write(&self, out: &mut dyn Write, names: &mut Names, all: bool) -> fmt::Result {
        let whole = self.skipped == 0 && !self.endless;
        let mut inner = names.resolve(self.inner.iter().copied(), all);
        let mut outer = names.resolve(self.outer.iter().copied(), all);
        if whole {
            inner.append(&mut outer);
            if inner.is_empty() && !all && !self.is_empty() {
                // Better the runtime's frames than none (Go).
                return self.write(out, names, true);
            }
        }
        if whole && inner.len() <= 2 * SHOWN {
            return inner.iter().try_for_each(|f| out.write_str(f));
        }
        if whole {
            outer = inner.split_off(inner.len() - SHOWN);
        }
        inner[..SHOWN.min(inner.len())].iter().try_for_each(|f| out.write_str(f))?;
        if self.endless {
            return writeln!(out, "...additional frames elided...");
        }
        let from = outer.len().saturating_sub(SHOWN);
        let elided = self.skipped + inner.len().saturating_sub(SHOWN) + from;
        writeln!(out, "...{elided} frames elided...")?;
        outer[from..].iter().try_for_each(|f| out.write_str(f))
    }
}

/// The functions behind addresses, each looked up once.
#[derive(Default)]
pub(super) struct Names(HashMap<usize, Rc<[Function]>>);

/// A function at an address: several share one where calls were inlined.
struct Function {
    name: String,
    file: Option<String>,
    text: Rc<str>,
    of_runtime: bool,
}

impl Names {
    /// The functions at the call before `pc`, innermost first.
    fn at(&mut self, pc: usize) -> Rc<[Function]> {
        let look_up = || {
            let mut all = Vec::new();
            each_call(pc, &mut |name, file, line| {
                let file_name = file.unwrap_or_default();
                let place = file.map_or(String::new(), |file| format!("\t{file}:{line}\n"));
                all.push(Function {
                    name: name.to_owned(),
                    text: format!("{name}(...)\n{place}").into(),
                    of_runtime: of_runtime(name) || in_runtime_file(file_name),
                    file: file.map(str::to_owned),
                });
            });
            all.into()
        };
        self.0.entry(pc).or_insert_with(look_up).clone()
    }

    /// The text of each frame, calls that were inlined included; the runtime's own left out unless
    /// `all`.
    fn resolve(&mut self, pcs: impl Iterator<Item = usize>, all: bool) -> Vec<Rc<str>> {
        let mut texts = Vec::new();
        for pc in pcs {
            let functions = self.at(pc);
            let shown = functions.iter().filter(|f| all || !f.of_runtime);
            texts.extend(shown.map(|f| f.text.clone()));
        }
        texts
    }

    /// `created by …`: who started a goroutine, and where.
    pub(super) fn write_creator(
        &mut self,
        out: &mut dyn Write,
        site: Option<Site>,
        parent: u64,
    ) -> fmt::Result {
        let Some(Site { location, pc }) = site else { return Ok(()) };
        // The innermost function that is not ours is the one the place is in.
        let functions = if pc == 0 { Rc::default() } else { self.at(pc + 1) };
        let function = functions.iter().find(|f| !f.of_runtime);
        write!(out, "created by {}", function.map_or("???", |f| f.name.as_str()))?;
        if parent != 0 {
            write!(out, " in goroutine {parent}")?;
        }
        // The compiler was given a path that may be relative; the debug information has the whole one.
        let file =
            function.and_then(|f| f.file.as_deref()).filter(|f| f.ends_with(location.file()));
        writeln!(out, "\n\t{}:{}", file.unwrap_or(location.file()), location.line())
    }
}

/// Calls `f` with name, file and line of each function that has code at the call before `pc`, innermost
/// first.
fn each_call(pc: usize, f: &mut dyn FnMut(&str, Option<&str>, u32)) {
    let at = std::ptr::without_provenance_mut(pc.saturating_sub(1));
    let mut found = false;
    backtrace::resolve(at, |symbol| {
        let Some(name) = symbol.name() else { return };
        found = true;
        let file = symbol.filename().map(|file| file.display().to_string());
        f(&format!("{name:#}"), file.as_deref(), symbol.lineno().unwrap_or(0));
    });
    if !found {
        f(&format!("{pc:#x}"), None, 0);
    }
}

/// As [`of_runtime`], by the source file: with line tables alone as debug information a name says
/// nothing of where its function belongs.
fn in_runtime_file(file: &str) -> bool {
    const MACHINERY: &[&str] = &[
        "/library/std/src/panic",
        "/library/core/src/panic",
        "/library/std/src/sys/",
        "/library/std/src/thread/",
        "/library/std/src/rt.rs",
        "/library/core/src/ops/function.rs",
        "/library/core/src/ptr/mod.rs",
        "/library/core/src/mem/mod.rs",
        "/library/alloc/src/boxed.rs",
        "/backtrace-0",
        "/corosensei-0",
    ];
    /// Where this crate was compiled; a build that remaps its paths shows our frames, too.
    const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
    MACHINERY.iter().any(|m| file.contains(m)) || file.starts_with(OWN)
}

/// Whether a function is machinery between the program's own functions: ours, the panic's, the
/// standard library's start of a thread.
fn of_runtime(name: &str) -> bool {
    const MACHINERY: &[&str] = &[
        "gort::",
        "corosensei::",
        "backtrace::",
        "std::panicking::",
        "std::panic::",
        "core::panicking::",
        "core::panic::",
        "std::sys::backtrace::",
        "std::sys::thread::",
        "std::thread::",
        "std::rt::",
        "core::ops::function::",
        "core::ptr::drop_in_place<",
        "core::mem::drop",
        "alloc::boxed::Box<",
        "__rust",
        "rust_panic",
        "_Unwind_",
        "gort_entry",
        "gort_outermost",
        "__libc_start",
        "_start",
        "clone3",
        "start_thread",
    ];
    let inner = name.trim_start_matches(['<', '&']);
    let path = inner.split_once(" as ").map_or(inner, |(of, _)| of);
    MACHINERY.iter().any(|m| name.starts_with(m) || path.starts_with(m))
        || name.contains("core::ops::function::FnOnce<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_deep_stack_is_counted_not_shown() {
        let mut frames = Frames::default();
        for pc in 0..(2 * KEPT + 10) {
            assert!(frames.push(pc + 2));
        }
        let mut text = String::new();
        frames.write(&mut text, &mut Names::default(), true).unwrap();
        let elided = 2 * KEPT + 10 - 2 * SHOWN;
        assert!(text.contains(&format!("...{elided} frames elided...\n")), "{text}");
    }

    #[test]
    fn a_walk_without_end_is_broken_off() {
        let mut frames = Frames::default();
        let walked = (0..usize::MAX).take_while(|pc| frames.push(pc + 2)).count();
        assert!(walked < WALKED + 3 * KEPT);
        let mut text = String::new();
        frames.write(&mut text, &mut Names::default(), true).unwrap();
        assert!(text.ends_with("...additional frames elided...\n"), "{text}");
    }

    #[test]
    fn machinery_is_told_from_the_program() {
        assert!(of_runtime("<gort::api::scope::Scope as core::fmt::Debug>::fmt"));
        assert!(of_runtime("core::ops::function::FnOnce::call_once"));
        assert!(!of_runtime("prog::main::{{closure}}"));
        assert!(!of_runtime("<prog::Guard as core::ops::drop::Drop>::drop"));
    }
}
