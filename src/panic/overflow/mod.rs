//! The end of a goroutine's stack: a panic, where one can be raised, else Go's fatal report.
//!
//! The stack ends in a guard whose upper part is a *reserve*. A fault there is looked at in the
//! SIGSEGV handler (`policy.rs`): is it a goroutine's own stack that has ended, and can the code that
//! faulted be taken for a call that was not made (`code.rs`, `rollback.rs`)? Would an unwind from
//! there arrive (`frames.rs`, `lsda.rs`)? Then the reserve is opened for the panic's machinery and
//! the destructors, and the code goes on in a function that panics (`raise.rs`), *as if it had been
//! called instead of the one that did not fit*. When all frames up to the catching one have been
//! unwound, the reserve is closed again.
//!
//! Otherwise the code gets a page of the reserve and goes on, instruction by instruction, until a
//! call at which all that holds, or until it is out of the reserve again. When half of the reserve
//! is used up so, the process ends with Go's report (`report.rs`).
//!
//! Invariants: no frame's destructors are skipped; nothing is changed for a fault that is not ours;
//! everything the handlers need was allocated when the watch began.
//!
//! Where this is not to be had (another CPU, another system, `panic = "abort"`), and with
//! `OnOverflow::Fatal`, every overflow is reported. That choice is made here and nowhere else.

mod report;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod code;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod expression;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod frames;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod lsda;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod policy;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod raise;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rollback;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;

use crate::g::GRef;
use crate::sched::cap;
use crate::sched::current::current;
use crate::stack::{Slot, class_bytes};
use crate::sys::fault::{self, Interrupted};

/// Starts to watch for overflows, once.
pub(crate) fn watch() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    policy::prepare();
    fault::take_faults(on_fault);
}

/// In the handler of SIGSEGV: whether the fault is the end of a goroutine's stack, and dealt with.
fn on_fault(at: &mut Interrupted<'_>, addr: usize) -> bool {
    let Some(g) = current().and_then(|m| m.curg()) else { return false };
    let slot = g.stack();
    if !ends(slot, addr, at.sp()) {
        return false;
    }
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if let Some(done) = policy::deal(at, addr, g, slot) {
        return done;
    }
    report::fatal(g, slot, at)
}

/// Whether an access at `addr` is one beyond the stack's end, and not a stray pointer into the guard:
/// code writes at most a page below its stack pointer (a probe), and that only near the end.
fn ends(slot: Slot, addr: usize, sp: usize) -> bool {
    const PROBE: usize = 4096 + 128;
    (slot.base..slot.limit).contains(&addr) && (sp < slot.limit || addr.saturating_add(PROBE) >= sp)
}

/// A panic has been caught by us: the stack may be usable as a whole again.
pub(super) fn recover() {
    if let Some(g) = current().and_then(|m| m.curg()).filter(|g| g.strain.get().is_some()) {
        g.recover();
    }
}

/// Marks the goroutine as one that runs a panic hook, where no panic can be raised.
pub(super) struct Hook(Option<GRef>);

impl Hook {
    pub(super) fn begin() -> Self {
        let g = current().and_then(|m| m.curg());
        if let Some(g) = g {
            g.strain().hooks.update(|n| n + 1);
        }
        Self(g)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        if let Some(g) = self.0 {
            g.strain().hooks.update(|n| n - 1);
        }
    }
}

/// Whether a panic is not meant, but asks which functions panic.
pub(super) fn is_probe(payload: &(dyn std::any::Any + Send)) -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if let Some(probe) = payload.downcast_ref::<policy::Probe>() {
        probe.answer();
        return true;
    }
    let _ = payload;
    false
}

/// The panic for a stack that would end if a call were made: one that can be seen coming.
///
/// # Panics
/// With the message of an overflow; with `OnOverflow::Fatal` it ends the process instead.
pub(crate) fn overflow_at_call(why: &dyn std::fmt::Display) -> ! {
    let message = format!("stack overflow: {why}");
    if crate::sched::boot::settings().overflow_is_fatal {
        crate::base::fatal::fatal(format_args!("{message}"));
    }
    std::panic::panic_any(message)
}

/// What the goroutine was allowed to use, in bytes: its slot's size, or the cap if it has grown further.
fn limit(g: GRef) -> usize {
    let home = g.stack().base == g.slot.base;
    if home { class_bytes(g.slot.class).min(cap::of(g)) } else { cap::of(g) }
}

/// What the panic says.
fn message(g: GRef) -> String {
    let advice = cap::Advice::of(g);
    format!("stack overflow: goroutine stack exceeds {}-byte limit{advice}", limit(g))
}
