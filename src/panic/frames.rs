//! Stacks as numbers: taking them at a panic, and turning them into text when somebody reads them.
//!
//! Taking is bounded: of a deep stack only the innermost and the outermost addresses are kept, and
//! one so deep that the walk itself would be felt is not walked to its end, so that a panic costs
//! the same at any depth.

use std::collections::VecDeque;
use std::fmt::{self, Write};

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
    pub(super) fn write(&self, out: &mut dyn Write, all: bool) -> fmt::Result {
        let whole = self.skipped == 0 && !self.endless;
        let mut inner = resolve(self.inner.iter().copied(), all);
        let mut outer = resolve(self.outer.iter().copied(), all);
        if whole {
            inner.append(&mut outer);
            if inner.is_empty() && !all {
                // Better the runtime's frames than none (Go).
                return self.write(out, true);
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

/// The text of each frame, calls that were inlined included; the runtime's own left out unless `all`.
fn resolve(pcs: impl Iterator<Item = usize>, all: bool) -> Vec<String> {
    let mut texts = Vec::new();
    for pc in pcs {
        each_call(pc, &mut |name, place| {
            if all || !of_runtime(name) {
                texts.push(format!("{name}(...)\n{place}"));
            }
        });
    }
    texts
}

/// Calls `f` with name and place of each function that has code at the call before `pc`, innermost
/// first.
pub(super) fn each_call(pc: usize, f: &mut dyn FnMut(&str, &str)) {
    let at = std::ptr::without_provenance_mut(pc.saturating_sub(1));
    let mut found = false;
    backtrace::resolve(at, |symbol| {
        let Some(name) = symbol.name() else { return };
        found = true;
        let place = match (symbol.filename(), symbol.lineno()) {
            (Some(file), Some(line)) => format!("\t{}:{line}\n", file.display()),
            _ => String::new(),
        };
        f(&format!("{name:#}"), &place);
    });
    if !found {
        f(&format!("{pc:#x}"), "");
    }
}

/// Whether a function is machinery between the program's own functions: ours, the panic's, the
/// standard library's start of a thread.
pub(super) fn of_runtime(name: &str) -> bool {
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
        frames.write(&mut text, true).unwrap();
        let elided = 2 * KEPT + 10 - 2 * SHOWN;
        assert!(text.contains(&format!("...{elided} frames elided...\n")), "{text}");
    }

    #[test]
    fn a_walk_without_end_is_broken_off() {
        let mut frames = Frames::default();
        let walked = (0..usize::MAX).take_while(|pc| frames.push(pc + 2)).count();
        assert!(walked < WALKED + 3 * KEPT);
        let mut text = String::new();
        frames.write(&mut text, true).unwrap();
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
