//! What is known of a panic beside its payload, while it travels: where it began, and which panics it
//! superseded.
//!
//! A payload must reach the user's `catch_unwind` as it is, so the rest travels beside it, in the
//! goroutine (or, off goroutines, the thread): the hook leaves a [`Known`] there, whoever of ours
//! catches the panic takes it and leaves it again when it raises the panic anew. Somebody else may
//! have caught the panic and raised another one meanwhile without the hook (`resume_unwind`); so what
//! lies there counts only if its [`mark`] fits the payload at hand. A destructor that runs while a
//! panic unwinds may panic and catch that itself: what is known of the outer panic lies below then.

use super::frames::Frames;
use super::pending::Pending;
use crate::base::width::Wide;
use crate::sched::current::{self, current};
use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

pub(super) type Payload = Box<dyn Any + Send>;

/// The panic on its way through a goroutine or thread.
#[derive(Default)]
pub(super) struct Known {
    /// Tells panics apart; one that is recovered and raised again with the same value keeps it.
    pub(super) serial: u64,
    /// Tells to which payload this belongs; 0 for any.
    mark: u64,
    /// `file:line:column` of the panic.
    pub(super) location: Option<Box<str>>,
    /// The stack at the panic.
    pub(super) frames: Frames,
    /// What it superseded.
    pub(super) earlier: Option<Box<Earlier>>,
    /// It was recovered, and raised again with the same value.
    pub(super) repanicked: bool,
    /// It came up during a goexit, which goes on once it is recovered.
    pub(super) goexit: bool,
    /// Nothing has been printed yet.
    pub(super) quiet: bool,
    /// What a `defer!` block raised while this one unwound; it takes this one's place.
    pub(super) superseded_by: Option<(Payload, Box<Known>)>,
    /// A main that returns waits a little for it.
    pub(super) pending: Option<Pending>,
    /// The payload in words that need no code of the user's, if the hook has seen it.
    pub(super) text: Option<String>,
    /// What lay in its place: an outer panic's, or one's that somebody else has caught.
    below: Option<Box<Self>>,
}

/// How many lie one below the other at most. Those of panics that others have caught stay there.
const DEEP: usize = 4;

/// A panic that a later one has superseded.
pub(super) struct Earlier {
    pub(super) text: String,
    pub(super) recovered: bool,
    pub(super) repanicked: bool,
    /// [`Known::serial`] of it.
    pub(super) serial: u64,
    pub(super) earlier: Option<Box<Earlier>>,
}

fn next_serial() -> u64 {
    static LAST: Wide = Wide::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Where a payload lies.
pub(super) fn address(payload: &(dyn Any + Send)) -> usize {
    std::ptr::from_ref(payload).cast::<()>().addr()
}

/// A payload's type, and its text if it is one. The box a payload lies in is made after the hook
/// has run, so its address cannot serve.
fn mark(payload: &(dyn Any + Send)) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.type_id().hash(&mut hasher);
    super::value::text(payload).hash(&mut hasher);
    hasher.finish() | 1
}

impl Known {
    /// Of the panic the hook is told about.
    pub(super) fn new(
        payload: &(dyn Any + Send),
        location: Option<Box<str>>,
        frames: Frames,
    ) -> Self {
        let (serial, mark) = (next_serial(), mark(payload));
        let text = Some(super::value::plain_words(payload));
        Self { serial, mark, location, frames, text, quiet: true, ..Self::default() }
    }

    /// Takes what is known of the panic whose payload has just been caught. The payload is replaced
    /// if the panic has been superseded on its way.
    pub(super) fn take(payload: &mut Payload) -> Box<Self> {
        let mut lying = lying();
        while let Some(known) = &mut lying
            && known.mark != 0
            && known.mark != mark(&**payload)
        {
            lying = known.below.take();
        }
        let Some(mut known) = lying else {
            return Box::new(Self { serial: next_serial(), ..Self::default() });
        };
        if let Some(outer) = known.below.take() {
            outer.leave();
        }
        let Some((newer, mut of_newer)) = known.superseded_by.take() else { return known };
        let older = std::mem::replace(payload, newer);
        of_newer.goexit |= known.goexit || crate::sched::goexit::is_exiting(&*older);
        of_newer.chain(known.into_earlier(&*older, false));
        of_newer
    }

    /// Leaves it for whoever catches the panic next.
    pub(super) fn leave(self: Box<Self>) {
        drop(swap(Some(self)));
    }

    /// From the hook: leaves it on top of what lies there.
    pub(super) fn leave_on_top(mut self: Box<Self>) {
        self.below = lying();
        let mut deepest = &mut self.below;
        for _ in 1..DEEP {
            let Some(next) = deepest else { break };
            deepest = &mut next.below;
        }
        *deepest = None;
        self.leave();
    }

    /// What is kept of a panic that is superseded or recovered.
    pub(super) fn into_earlier(
        self,
        payload: &(dyn Any + Send),
        recovered: bool,
    ) -> Option<Box<Earlier>> {
        if crate::sched::goexit::is_exiting(payload) {
            return self.earlier;
        }
        Some(Box::new(Earlier {
            text: super::value::words_anyway(payload),
            recovered,
            repanicked: self.repanicked,
            serial: self.serial,
            earlier: self.earlier,
        }))
    }

    /// A `defer!` block has raised another panic while this one unwinds.
    pub(super) fn superseded(&mut self, (payload, mut by): (Payload, Box<Self>)) {
        if let Some((older, of_older)) = self.superseded_by.take() {
            by.goexit |= of_older.goexit || crate::sched::goexit::is_exiting(&*older);
            by.chain(of_older.into_earlier(&*older, false));
        }
        self.superseded_by = Some((payload, by));
    }

    /// Links this panic to the one whose deferred call raised it.
    pub(super) fn supersede(
        &mut self,
        recovered: Option<Box<Earlier>>,
        current: Option<(Payload, Box<Self>)>,
    ) {
        if let Some(mut earlier) = recovered {
            if earlier.serial == self.serial && self.earlier.is_none() {
                self.repanicked = true;
                self.earlier = earlier.earlier.take();
            } else {
                self.chain(Some(earlier));
            }
        } else if let Some((older, of_older)) = current {
            self.chain(of_older.into_earlier(&*older, false));
            discard(older);
        }
    }

    /// Puts `earlier` at the far end of what this one superseded.
    pub(super) fn chain(&mut self, earlier: Option<Box<Earlier>>) {
        let mut end = &mut self.earlier;
        while let Some(e) = end {
            end = &mut e.earlier;
        }
        *end = earlier;
    }
}

/// Drops a payload; a panic of its destructor is one too many.
pub(super) fn discard(payload: Payload) {
    // The payload is gone either way.
    if let Err(mut worse) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        Known::take(&mut worse);
        std::mem::forget(worse);
    }
}

/// Takes what lies in the goroutine or thread.
fn lying() -> Option<Box<Known>> {
    swap(None).and_then(|any| any.downcast().ok())
}

/// The words of the panic that unwinds, as far as the hook has heard them. Leaves it there.
pub(super) fn text_of_unwinding() -> Option<String> {
    let known = lying()?;
    let text = known.text.clone();
    known.leave();
    text
}

/// The calling goroutine's function has ended well: panics of its that somebody else has caught are not
/// on their way any more.
#[cold]
pub(super) fn settle() {
    let Some(mut known) = lying() else { return };
    let mut next = Some(&mut known);
    while let Some(this) = next {
        this.pending = None;
        next = this.below.as_mut();
    }
    known.leave();
}

/// Exchanges what lies in the goroutine or thread.
pub(super) fn swap(new: Option<Box<Known>>) -> Option<Payload> {
    let new = new.map(|k| k as Payload);
    match current().and_then(|m| m.curg()) {
        Some(g) => g.panic.replace(new),
        None => current::swap_panic(new),
    }
}

/// Puts back what [`swap`] gave.
pub(super) fn put_back(lying: Option<Payload>) {
    if let Some(known) = lying.and_then(|any| any.downcast::<Known>().ok()) {
        known.leave();
    }
}

/// Changes what lies there, if anything does.
pub(super) fn amend(f: impl FnOnce(&mut Known)) {
    let mut known = lying().unwrap_or_default();
    f(&mut known);
    known.leave();
}
