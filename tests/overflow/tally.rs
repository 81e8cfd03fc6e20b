//! Counting destructors: what was made must have been dropped.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many guards were made and dropped.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Tally {
    pub(crate) fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// A value that counts its end.
    pub(crate) fn guard(&'static self) -> Guard {
        self.made.fetch_add(1, Relaxed);
        Guard(self)
    }

    pub(crate) fn made(&self) -> usize {
        self.made.load(Relaxed)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Relaxed)
    }
}

/// See [`Tally::guard`].
#[derive(Debug)]
pub(crate) struct Guard(&'static Tally);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}
