//! The inaccessible low end of a slot.
//!
//! `MADV_GUARD_INSTALL` (Linux 6.13) marks page-table entries and costs no VMA, so a million
//! guarded slots remain one mapping; it is 64 KiB wide, because C code built without stack probes
//! can step over a single page. Where the kernel does not know it, `mprotect` guards one page,
//! splits the mapping in two VMAs per slot, and is counted against `vm.max_map_count`.

use crate::sys::mem::{self, PAGE};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Bytes of guard at the low end of a slot of `bytes`.
pub(crate) fn guard_len(bytes: usize) -> usize {
    match guard_kind() {
        GuardKind::Madvise => (64 << 10).min(bytes / 4),
        GuardKind::Mprotect => PAGE,
    }
}

/// Makes `[base, base + len)` fault.
///
/// # Errors
/// The kernel's; or, with `mprotect`, an error that names `vm.max_map_count` before the process
/// runs out of mappings (its own `mmap`s would fail next).
///
/// # Safety
/// The range is the low end of a slot nobody runs on.
pub(crate) unsafe fn install(base: usize, len: usize) -> io::Result<()> {
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
