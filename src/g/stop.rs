//! Why a goroutine gave its thread back: the one value that travels from a goroutine to the
//! scheduler's loop, packed into the word that the switch carries.
//!
//! A park carries a *commit*: what makes the parked goroutine findable (usually: give a lock back).
//! It runs on the scheduler's stack, after the goroutine's registers are saved, so nobody can
//! resume a goroutine that still runs. Once it has run, the goroutine's stack belongs to whoever
//! resumes it; the commit is therefore moved out of that stack before it is called.

use std::mem::MaybeUninit;

/// The scheduler's side of a stop.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Its function has returned.
    Exited,
    /// It wants to run again, after the others.
    Yielded,
    /// It waits; the commit publishes it, or refuses.
    Parked(Commit),
}

/// A park's last step. Points into the parked goroutine's stack until it is run.
#[derive(Debug)]
pub(crate) struct Commit(*const Record);

#[repr(C)]
struct Record {
    run: unsafe fn(*const Record) -> bool,
}

#[repr(C)]
struct RecordOf<F> {
    head: Record,
    f: MaybeUninit<F>,
}

const EXITED: usize = 0;
const YIELDED: usize = 1;

impl Stop {
    /// The word for "my function has returned".
    pub(crate) const fn exited() -> usize {
        EXITED
    }

    /// The word for "let the others run".
    pub(crate) const fn yielded() -> usize {
        YIELDED
    }

    /// Reads a word that [`suspend_parked`] or the functions above made.
    #[inline]
    pub(crate) fn from_word(word: usize) -> Self {
        match word {
            EXITED => Self::Exited,
            YIELDED => Self::Yielded,
            record => Self::Parked(Commit(std::ptr::with_exposed_provenance(record))),
        }
    }
}

/// Packs `commit` into a word, hands the word to `suspend`, and returns what that returns. The
/// record lives on this frame, which stays until the goroutine is resumed.
#[inline]
pub(crate) fn suspend_parked<F: FnOnce() -> bool>(
    commit: F,
    suspend: impl FnOnce(usize) -> usize,
) -> usize {
    /// # Safety
    /// `record` is the head of a `RecordOf<F>` whose closure has not been run.
    unsafe fn run<F: FnOnce() -> bool>(record: *const Record) -> bool {
        // SAFETY: `record` is the head of a RecordOf<F> (see below), and `Commit::run` calls this
        // once; the closure is moved to this (the scheduler's) stack before it is called.
        let f = unsafe { record.cast::<RecordOf<F>>().read().f.assume_init() };
        f()
    }
    let record = RecordOf { head: Record { run: run::<F> }, f: MaybeUninit::new(commit) };
    suspend((&raw const record).expose_provenance())
}

impl Commit {
    /// Runs it: true leaves the goroutine parked (and perhaps already running elsewhere), false
    /// means that it must be resumed at once.
    #[inline]
    pub(crate) fn run(self) -> bool {
        // SAFETY: the record lies on the stack of a goroutine that is suspended and unpublished
        // until this call publishes it; `self` is consumed, so it runs once.
        unsafe { ((*self.0).run)(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_travels_through_the_word_and_runs_once() {
        let mut ran = 0;
        let word = suspend_parked(
            || {
                ran += 1;
                false
            },
            |word| match Stop::from_word(word) {
                Stop::Parked(commit) => usize::from(commit.run()) + 10,
                other => panic!("{other:?}"),
            },
        );
        assert_eq!((word, ran), (10, 1));
        assert!(matches!(Stop::from_word(Stop::exited()), Stop::Exited));
        assert!(matches!(Stop::from_word(Stop::yielded()), Stop::Yielded));
    }
}
