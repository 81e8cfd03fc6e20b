//! The inaccessible low end of a slot, and the reserve that lies in it.
//!
//! `MADV_GUARD_INSTALL` (Linux 6.13) marks page-table entries and costs no VMA, so a million
//! guarded slots remain one mapping. Where the kernel does not know it, `mprotect` splits the mapping
//! in two VMAs per slot, and is counted against `vm.max_map_count`.
//!
//! A guard is wide, because C code built without stack probes steps over a narrow one: [`WIDE`] stops
//! a buffer of 256 KiB. Dense slots have no room for that; theirs stops one of 60 KiB.
//!
//! ```text
//!   base                 limit - reserve            limit
//!    │ never opened        │ opened by an overflow   │ usable stack ...
//! ```

use super::arena::Slot;
use crate::sys::mem::{self, PAGE};
use std::io;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of guard where address space is no matter.
pub(super) const WIDE: usize = 320 << 10;
/// Most bytes of guard of a dense slot.
const DENSE: usize = 64 << 10;

/// How slots are guarded on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardKind {
    /// Page-table markers, no VMA.
    Madvise,
    /// `mprotect`, two VMAs a slot.
    Mprotect,
}

/// VMAs left to the rest of the program when guards are made by `mprotect`.
const SPARE_VMAS: usize = 4096;

static MPROTECTED: AtomicUsize = AtomicUsize::new(0);

/// The kind in force, found out once by trying it on a page of its own.
pub(crate) fn guard_kind() -> GuardKind {
    static KIND: OnceLock<GuardKind> = OnceLock::new();
    *KIND.get_or_init(|| {
        if std::env::var_os("GORT_GUARD").is_some_and(|v| v == "mprotect") {
            return GuardKind::Mprotect;
        }
        let probe = memmap2::MmapOptions::new().len(PAGE).map_anon();
        let works = probe.is_ok_and(|map| {
            let page = map.as_ptr().addr();
            // SAFETY: the page belongs to `map`, which lives until the end of this closure.
            let taken = unsafe { mem::guard_install(page, PAGE) }.is_ok();
            // Emulators of Linux take any advice for good and do nothing.
            taken && mem::faults(page)
        });
        if works { GuardKind::Madvise } else { GuardKind::Mprotect }
    })
}

/// Bytes of guard at the low end of a dense slot of `bytes`, of which they are a part.
pub(super) fn dense_len(bytes: usize) -> usize {
    DENSE.min(bytes / 4)
}

/// Makes `[base, base + len)` fault.
///
/// # Errors
/// The kernel's; or, with `mprotect`, an error that names `vm.max_map_count` before the process
/// runs out of mappings (its own `mmap`s would fail next).
///
/// # Safety
/// The range is the low end of a slot nobody runs on.
pub(super) unsafe fn install(base: usize, len: usize) -> io::Result<()> {
    match guard_kind() {
        // SAFETY: the caller owns the slot.
        GuardKind::Madvise => unsafe { mem::guard_install(base, len) },
        GuardKind::Mprotect => {
            let limit = mem::max_map_count();
            let made = MPROTECTED.fetch_add(1, Ordering::Relaxed) + 1;
            if made * 2 + SPARE_VMAS > limit.max(2 * SPARE_VMAS) {
                MPROTECTED.fetch_sub(1, Ordering::Relaxed);
                return Err(io::Error::other(format!(
                    "{} stacks are guarded by mprotect at two mappings each; \
                     vm.max_map_count={limit} admits no more (raise it, or use Linux 6.13)",
                    made - 1
                )));
            }
            // SAFETY: the caller owns the slot.
            unsafe { mem::protect_none(base, len) }
        }
    }
}

impl Slot {
    /// How many bytes of the guard can be opened for the panic that reports an overflow; what stays
    /// is a guard still.
    pub(crate) fn reserve(&self) -> usize {
        (self.limit - self.base) / 5 * 4 / PAGE * PAGE
    }

    /// Opens the part of the guard between two addresses, whole pages of the reserve. Callable in a
    /// signal handler.
    ///
    /// # Errors
    /// The kernel's.
    ///
    /// # Safety
    /// The caller runs on the slot or owns it.
    pub(crate) unsafe fn open(&self, part: Range<usize>) -> io::Result<()> {
        debug_assert!(self.limit - self.reserve() <= part.start && part.end <= self.limit);
        match guard_kind() {
            // SAFETY: the range is guard of a slot that is the caller's.
            GuardKind::Madvise => unsafe { mem::guard_remove(part.start, part.len()) },
            // SAFETY: as above.
            GuardKind::Mprotect => unsafe { mem::protect_read_write(part.start, part.len()) },
        }
    }

    /// Closes what `open` opened, and gives its pages back. Callable in a signal handler.
    ///
    /// # Errors
    /// The kernel's.
    ///
    /// # Safety
    /// As for `open`, and no frame lies there any more.
    pub(crate) unsafe fn close(&self, part: Range<usize>) -> io::Result<()> {
        debug_assert!(self.limit - self.reserve() <= part.start && part.end <= self.limit);
        match guard_kind() {
            // SAFETY: the range is part of a slot that is the caller's, and holds nothing.
            GuardKind::Madvise => unsafe { mem::guard_install(part.start, part.len()) },
            GuardKind::Mprotect => {
                // SAFETY: as above.
                unsafe { mem::give_back(part.start, part.len()) };
                // SAFETY: as above.
                unsafe { mem::protect_none(part.start, part.len()) }
            }
        }
    }
}
