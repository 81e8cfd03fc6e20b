//! Who waits: a goroutine, or a plain OS thread. Everything that blocks enqueues a [`Task`] and
//! parks it; whoever ends the wait calls `ready` on it, without knowing which it is.
//!
//! A goroutine that is unwinding counts as its thread, unless it has thread-locals of its own: the
//! standard library keeps its panic count in one, so such a goroutine must not move while it panics.
//! It blocks its M (whose P is handed on) instead of parking.

use super::current::current;
use crate::g::{G, GRef};
use crate::sys::futex;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// A parked or about-to-park party, as one word: the address of a `G`, or of a [`Sleeper`] with
/// the lowest bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task(NonNull<()>);

// SAFETY: the word is an address; what may be done with it is `ready`'s and `park`'s contract.
unsafe impl Send for Task {}
// SAFETY: as above.
unsafe impl Sync for Task {}

const THREAD: usize = 1;

/// Where an OS thread sleeps; lies on its stack for the length of one wait. 0 = waiting, 1 = woken.
#[derive(Debug)]
#[repr(align(4))]
pub(crate) struct Sleeper(AtomicU32);

/// What a task is.
pub(super) enum Kind {
    Goroutine(GRef),
    Thread(NonNull<Sleeper>),
}

/// The calling party before it waits: holds the sleeper if it is a thread.
#[derive(Debug)]
pub(crate) struct Me {
    g: Option<GRef>,
    sleeper: Sleeper,
}

/// Whether the caller must not leave its thread: it unwinds, and the count of that is the thread's.
#[inline]
pub(super) fn keeps_its_thread() -> bool {
    std::thread::panicking() && crate::tls::in_force().is_none()
}

impl Me {
    /// The calling goroutine or thread.
    #[inline]
    pub(crate) fn new() -> Self {
        let g = if keeps_its_thread() { None } else { current().and_then(|m| m.curg()) };
        Self { g, sleeper: Sleeper(AtomicU32::new(0)) }
    }

    /// The word to enqueue. `self` must stay where it is until the wait has ended.
    #[inline]
    pub(crate) fn task(&self) -> Task {
        match self.g {
            Some(g) => Task::of(g),
            None => {
                let at = NonNull::from(&self.sleeper).cast::<()>();
                Task(at.map_addr(|a| a | THREAD))
            }
        }
    }

    /// The goroutine, if it may park as one.
    #[inline]
    pub(super) fn goroutine(&self) -> Option<GRef> {
        self.g
    }

    pub(super) fn sleeper(&self) -> &Sleeper {
        &self.sleeper
    }
}

impl Task {
    /// The task of a goroutine.
    #[inline]
    pub(crate) fn of(g: GRef) -> Self {
        Self(g.as_ptr().cast())
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        if self.0.addr().get() & THREAD != 0 {
            let at = self.0.as_ptr().map_addr(|a| a & !THREAD).cast::<Sleeper>();
            Kind::Thread(NonNull::new(at).expect("a sleeper's address"))
        } else {
            // SAFETY: words without the bit are made from GRefs.
            Kind::Goroutine(unsafe { GRef::from_ptr(self.0.cast::<G>()) })
        }
    }

    /// As a word for a lock-free slot.
    pub(crate) fn as_ptr(self) -> NonNull<()> {
        self.0
    }

    /// # Safety
    /// `word` came from [`as_ptr`](Self::as_ptr).
    pub(crate) unsafe fn from_ptr(word: NonNull<()>) -> Self {
        Self(word)
    }
}

impl Sleeper {
    /// Blocks the OS thread until it is woken. Acquire: sees what the waker wrote.
    pub(super) fn sleep(&self) {
        while self.0.load(Ordering::Acquire) == 0 {
            futex::wait(&self.0, 0, None);
        }
    }

    /// As [`sleep`](Self::sleep), but not beyond `when`. False: time is up, and nobody woke it.
    pub(super) fn sleep_until(&self, when: u64) -> bool {
        while self.0.load(Ordering::Acquire) == 0 {
            let now = crate::sys::clock::now();
            if now >= when {
                return false;
            }
            futex::wait(&self.0, 0, Some(when - now));
        }
        true
    }

    /// Wakes the thread. After the store its frame may be gone; the address is then only a key.
    ///
    /// # Safety
    /// The sleeper's wait has not ended yet.
    pub(super) unsafe fn wake(this: NonNull<Self>) {
        // SAFETY: the wait has not ended, so the sleeper is there.
        let word = &raw const unsafe { this.as_ref() }.0;
        // SAFETY: as above.
        unsafe { &*word }.store(1, Ordering::Release);
        futex::wake(word, 1);
    }
}
