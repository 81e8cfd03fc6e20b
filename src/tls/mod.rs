//! Thread-locals of a goroutine's own: a block like the one the C library gives to each thread, which
//! the thread register points at while the goroutine runs.
//!
//! ```text
//!   slot.top                                 tp
//!    │ (reserve, never touched) │ libc, program │ thread descriptor │
//!    └──────────── static thread-locals ────────┴───────────────────┘
//! ```
//! The room knows blocks, not goroutines: it finds out how the C library lays a block out
//! (`discover.rs`; no offset is written down here), makes one and makes a used one new again
//! (`block.rs`), runs what ends with a thread (`end.rs`), keeps `setuid` working (`setxid.rs`), and
//! tries everything once before the first goroutine runs (`selftest.rs`). When a block is pointed at,
//! and by whom, is the scheduler's affair.
//!
//! Invariants:
//! * Memory of a block is never unmapped: the C library keeps pointers into it (robust lists, its
//!   vector of modules), and its own part stays warm from one goroutine to the next.
//! * A block is used by one kernel thread at a time. The one exception is the handler of signal 33,
//!   which touches only what the C library itself touches from other threads.
//! * A doubt is a refusal: each discovery is checked against a second one, and whatever does not fit
//!   makes [`start`] return the reason, after which the runtime pins goroutines to threads instead.

#[cfg(gort_own_tls)]
mod block;
#[cfg(gort_own_tls)]
mod discover;
#[cfg(gort_own_tls)]
mod end;
#[cfg(not(gort_own_tls))]
mod none;
#[cfg(gort_own_tls)]
mod selftest;
#[cfg(gort_own_tls)]
mod setxid;
#[cfg(all(test, gort_own_tls))]
mod tests;

use std::sync::atomic::{AtomicPtr, Ordering};

/// Whose thread-locals a goroutine uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadLocals {
    /// [`PerGoroutine`](Self::PerGoroutine) where that is to be had, else [`Pinned`](Self::Pinned), never
    /// [`Shared`](Self::Shared).
    #[default]
    Auto,
    /// Every goroutine has its own, which makes the API safe. Where they cannot be had the start is
    /// refused, with the reason.
    PerGoroutine,
    /// A goroutine that has started never changes its OS thread; only those that have not started are
    /// shared out. To be had everywhere.
    ///
    /// What a thread may keep in its thread-locals across a call that blocks, a goroutine may. But several
    /// goroutines have one thread in turn, and **two patterns that count on the frames of a thread nesting
    /// are not sound**: an initializer of a `thread_local!` that blocks while another goroutine initializes the
    /// same one, and scoped thread-locals whose scopes overlap. See [`thread_locals`](crate::thread_locals).
    Pinned,
    /// Those of the OS thread it happens to run on; only with [`crate::Config::shared_thread_locals`] is the
    /// contract that this needs acknowledged.
    Shared,
}

/// The scheme that goroutines use, if they do.
static IN_FORCE: AtomicPtr<Scheme> = AtomicPtr::new(std::ptr::null_mut());

/// How goroutines get blocks of their own; `None` if they use their threads'.
#[inline]
pub(crate) fn in_force() -> Option<&'static Scheme> {
    // Relaxed: a goroutine, and a thread of the scheduler, starts after this was set.
    // SAFETY: `put_in_force` stores references for ever.
    unsafe { IN_FORCE.load(Ordering::Relaxed).as_ref() }
}

/// From now on goroutines get blocks: before there is one.
pub(crate) fn put_in_force(scheme: &'static Scheme) {
    IN_FORCE.store(std::ptr::from_ref(scheme).cast_mut(), Ordering::Release);
}

#[cfg(all(not(gort_own_tls), debug_assertions))]
pub(crate) use none::statics;
#[cfg(not(gort_own_tls))]
pub(crate) use none::{Detached, Scheme, leave, own, point_at, start, with};

#[cfg(all(gort_own_tls, not(target_feature = "crt-static")))]
pub(crate) use self::end::lend_id;
#[cfg(all(gort_own_tls, debug_assertions))]
pub(crate) use self::own::statics;
#[cfg(gort_own_tls)]
pub(crate) use self::{
    block::{Detached, Scheme},
    end::leave,
    own::{own, point_at, start, with},
};

#[cfg(gort_own_tls)]
mod own {
    use super::{Scheme, discover, selftest, setxid};
    use crate::switch::base;
    use crate::sys::tls;
    use std::sync::OnceLock;

    /// Finds out how blocks are made and tries it, once in the life of the process.
    ///
    /// # Errors
    /// Why it cannot be had here, in words.
    pub(crate) fn start() -> Result<&'static Scheme, &'static str> {
        static FOUND: OnceLock<Result<Scheme, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            base::use_instruction(tls::have_fsgsbase());
            let scheme = Scheme::new(discover::layout()?)?;
            setxid::wrap(scheme.layout().robust)?;
            selftest::run(&scheme)?;
            Ok(scheme)
        });
        found.as_ref().map_err(String::as_str)
    }

    /// The block that the thread register points at.
    #[inline]
    pub(crate) fn own() -> usize {
        base::get()
    }

    /// Where the calling thread's static thread-locals are.
    #[cfg(debug_assertions)]
    pub(crate) fn statics() -> Option<std::ops::Range<usize>> {
        static BELOW: OnceLock<usize> = OnceLock::new();
        let tp = base::get();
        let below = *BELOW.get_or_init(|| {
            let (modules, _) = tls::modules();
            let distances = modules.iter().map(|m| tp.wrapping_sub(m.data));
            // Those that are allocated on first use are elsewhere.
            distances.filter(|&d| d < 1 << 16).max().unwrap_or(0)
        });
        Some(tp - below..tp)
    }

    /// Calls `f` with the thread register at a block.
    ///
    /// # Safety
    /// As for `switch::base::with`.
    #[inline]
    pub(crate) unsafe fn with(block: usize, f: &mut dyn FnMut()) {
        // SAFETY: passed on.
        unsafe { base::with(block, f) };
    }

    /// Points the thread register at a block.
    ///
    /// # Safety
    /// As for `switch::base::set`.
    #[inline]
    pub(crate) unsafe fn point_at(block: usize) {
        // SAFETY: passed on.
        unsafe { base::set(block) };
    }
}
