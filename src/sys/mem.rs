//! Memory calls: guards, page advice, limits. No policy: which guard to use and when is the
//! stack room's decision.

use std::io;

/// The system page size in bytes; 4096 on every target the crate runs on today.
pub(crate) const PAGE: usize = 4096;

/// `MADV_GUARD_INSTALL`, Linux 6.13: a guard that lives in the page table and costs no VMA.
const MADV_GUARD_INSTALL: libc::c_int = 102;
/// `MADV_GUARD_REMOVE`: takes such guards away.
const MADV_GUARD_REMOVE: libc::c_int = 103;

fn check(rc: libc::c_int) -> io::Result<()> {
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes `[addr, addr + len)` fault on every access without splitting its mapping.
///
/// # Errors
/// `EINVAL` on kernels before 6.13.
///
/// # Safety
/// The range is page-aligned, lies in a private anonymous mapping of ours, and nobody uses it.
pub(crate) unsafe fn guard_install(addr: usize, len: usize) -> io::Result<()> {
    // SAFETY: the caller owns the range (see above); the call drops its contents.
    check(unsafe { libc::madvise(std::ptr::without_provenance_mut(addr), len, MADV_GUARD_INSTALL) })
}

/// Makes the range inaccessible with `mprotect`: works everywhere, splits the mapping (two VMAs).
///
/// # Safety
/// As for [`guard_install`].
pub(crate) unsafe fn protect_none(addr: usize, len: usize) -> io::Result<()> {
    // SAFETY: the caller owns the range.
    check(unsafe { libc::mprotect(std::ptr::without_provenance_mut(addr), len, libc::PROT_NONE) })
}

/// Whether a read of the eight bytes at `addr` would fault; asks the kernel, which reads a set of
/// signals there and then refuses the call for another reason.
pub(crate) fn faults(addr: usize) -> bool {
    const NO_SUCH_OPERATION: libc::c_int = -1;
    const BYTES: usize = 8;
    let set = std::ptr::without_provenance::<libc::sigset_t>(addr);
    let none = std::ptr::null_mut::<libc::sigset_t>();
    // SAFETY: the kernel checks the address, and an operation that it does not know changes nothing.
    let rc =
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, NO_SUCH_OPERATION, set, none, BYTES) };
    rc != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

/// Asks the kernel never to back the range with huge pages: one touched byte of a stack must not
/// commit 2 MiB. Kernels without transparent huge pages refuse; that is as good.
///
/// # Safety
/// The range is a mapping of ours.
pub(crate) unsafe fn no_huge_pages(addr: usize, len: usize) {
    // SAFETY: advice on our own mapping; failure leaves everything as it was.
    let _ = unsafe {
        libc::madvise(std::ptr::without_provenance_mut(addr), len, libc::MADV_NOHUGEPAGE)
    };
}

/// Makes a range that [`guard_install`] closed accessible again; it reads as zeroes.
///
/// # Errors
/// The kernel's.
///
/// # Safety
/// As for [`guard_install`]. Callable in a signal handler.
pub(crate) unsafe fn guard_remove(addr: usize, len: usize) -> io::Result<()> {
    // SAFETY: the caller owns the range.
    check(unsafe { libc::madvise(std::ptr::without_provenance_mut(addr), len, MADV_GUARD_REMOVE) })
}

/// Makes a range that [`protect_none`] closed accessible again, with what it held.
///
/// # Errors
/// The kernel's.
///
/// # Safety
/// As for [`guard_install`]. Callable in a signal handler.
pub(crate) unsafe fn protect_read_write(addr: usize, len: usize) -> io::Result<()> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the caller owns the range.
    check(unsafe { libc::mprotect(std::ptr::without_provenance_mut(addr), len, access) })
}

/// Gives the range's pages back: it keeps its place and its guards, and reads as zeroes. A refusal
/// (locked memory) leaves everything as it was.
///
/// # Safety
/// The range is page-aligned, lies in a private anonymous mapping of ours, and what it holds is
/// needed by nobody.
pub(crate) unsafe fn give_back(addr: usize, len: usize) {
    // SAFETY: the caller gives up what the range holds.
    let _ =
        unsafe { libc::madvise(std::ptr::without_provenance_mut(addr), len, libc::MADV_DONTNEED) };
}

/// Most pages that [`resident`] looks at in one go.
const LOOK: usize = 128;

/// How many of the range's pages are in memory, of the last [`LOOK`] at most. 0 where the kernel
/// does not say.
pub(crate) fn resident(addr: usize, len: usize) -> usize {
    let pages = (len / PAGE).min(LOOK);
    let from = addr + len - pages * PAGE;
    let mut seen = [0_u8; LOOK];
    // SAFETY: `seen` has a byte for each of the pages; the kernel checks the range.
    let rc = unsafe {
        libc::mincore(std::ptr::without_provenance_mut(from), pages * PAGE, seen.as_mut_ptr())
    };
    if rc == 0 { seen[..pages].iter().filter(|page| **page & 1 != 0).count() } else { 0 }
}

/// New zeroed memory, `None` if the system has none. May be called in a signal handler.
pub(crate) fn map(len: usize) -> Option<usize> {
    let (prot, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
    );
    // SAFETY: a new private mapping.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, -1, 0) };
    (at != libc::MAP_FAILED).then(|| at.expose_provenance())
}

/// Bytes that may still be mapped before `RLIMIT_AS` refuses; `None` where there is no such limit, or
/// no telling. Out of date when it arrives.
pub(crate) fn room_left() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes the struct it is given.
    check(unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) }).ok()?;
    if limit.rlim_cur == libc::RLIM_INFINITY {
        return None;
    }
    #[allow(clippy::useless_conversion, reason = "32 bits on some targets")]
    Some(u64::from(limit.rlim_cur).saturating_sub(super::proc::mapped()?))
}

/// `vm.max_map_count`, or the kernel's default where it cannot be read.
pub(crate) fn max_map_count() -> usize {
    std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|s| s.trim().parse().ok())
        .unwrap_or(65_530)
}
