//! The panics of a goroutine that functions hold while their deferred calls run: for the report of a
//! fatal error that one of those calls makes (Go's: the panics first, without code of the user's).

use super::known::{Earlier, Known, Payload};
use super::report::{Fate, write_chain, write_panic};
use super::value::plain_words;
use crate::g::GRef;
use std::fmt::{self, Write};
use std::ptr;

/// What a function holds that something other than a return has left; one of the goroutine's list.
#[derive(Default)]
pub(super) struct Held {
    /// The panic that nobody has recovered.
    pub(super) panic: Option<(Payload, Box<Known>)>,
    /// The panic that the deferred call now running has recovered.
    pub(super) recovered: Option<Box<Earlier>>,
    /// The one of the function further out whose deferred call we are in.
    outer: Option<ptr::NonNull<Self>>,
}

impl Held {
    /// Enters the list of the calling goroutine. It stays where it is until [`leave`](Self::leave).
    pub(super) fn enter(&mut self) {
        let Some(g) = me() else { return };
        let this = ptr::NonNull::from(&mut *self);
        self.outer = ptr::NonNull::new(g.held.replace(this.as_ptr().cast()).cast());
    }

    /// Leaves the list, of which it is the innermost: what remains of it is the panic.
    pub(super) fn leave(self) -> Option<(Payload, Box<Known>)> {
        if let Some(g) = me() {
            g.held.set(self.outer.map_or(ptr::null_mut(), |outer| outer.as_ptr().cast()));
        }
        self.panic
    }

    fn write(&self, out: &mut dyn Write, lines: &mut Lines) -> fmt::Result {
        if let Some(outer) = self.outer {
            // SAFETY: functions leave the list before they end, inner ones first.
            unsafe { outer.as_ref() }.write(out, lines)?;
        }
        if let Some(recovered) = &self.recovered {
            lines.next(out)?;
            write_chain(out, recovered)?;
        }
        let Some((payload, known)) = &self.panic else { return Ok(()) };
        if let Some(earlier) = &known.earlier {
            lines.next(out)?;
            write_chain(out, earlier)?;
        }
        lines.next(out)?;
        write_panic(out, &plain_words(&**payload), Fate::of(known))
    }
}

fn me() -> Option<GRef> {
    crate::sched::current::current().and_then(|m| m.curg())
}

/// All lines but the first begin with a TAB.
struct Lines(bool);

impl Lines {
    fn next(&mut self, out: &mut dyn Write) -> fmt::Result {
        if std::mem::replace(&mut self.0, true) { out.write_char('\t') } else { Ok(()) }
    }
}

/// Writes the panics that are under way in the calling goroutine, the oldest first; what is written
/// next belongs after a TAB if this says so.
pub(super) fn write_panics(out: &mut dyn Write) -> Result<bool, fmt::Error> {
    let mut lines = Lines(false);
    let Some(g) = me() else { return Ok(false) };
    let held = ptr::NonNull::<Held>::new(g.held.get().cast());
    if let Some(held) = held {
        // SAFETY: as in `write`; this goroutine's calls are all still there.
        unsafe { held.as_ref() }.write(out, &mut lines)?;
    }
    // And the one whose destructors run now.
    if std::thread::panicking()
        && let Some(text) = super::known::text_of_unwinding()
    {
        lines.next(out)?;
        write_panic(out, &text, Fate::Unrecovered)?;
    }
    Ok(lines.0)
}
