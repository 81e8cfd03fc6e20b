//! The program and its shared libraries as they lie in memory: where their code is, and the tables
//! by which its frames are found.

use std::ops::Range;

#[cfg(target_pointer_width = "32")]
use libc::Elf32_Phdr as Header;
#[cfg(target_pointer_width = "64")]
use libc::Elf64_Phdr as Header;

/// A loaded module that has unwind tables.
#[derive(Debug)]
pub(crate) struct Module {
    /// Everything that is mapped of it.
    pub(crate) memory: Range<usize>,
    /// Its `.eh_frame_hdr`, as bytes.
    pub(crate) index: &'static [u8],
    segments: Vec<Range<usize>>,
}

impl Module {
    /// The bytes from `start` to the end of the segment it lies in.
    pub(crate) fn from(&self, start: usize) -> Option<&'static [u8]> {
        let segment = self.segments.iter().find(|s| s.contains(&start))?;
        let len = segment.end - start;
        // SAFETY: a read-only segment of a module that is loaded; modules are assumed to stay.
        Some(unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(start), len) })
    }
}

/// Every module of the process that has unwind tables.
pub(crate) fn all() -> Vec<Module> {
    /// # Safety
    /// Called by `dl_iterate_phdr` with what it was given below.
    unsafe extern "C" fn each(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        all: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the loader passes a valid description.
        let info = unsafe { &*info };
        // SAFETY: `all` is what `dl_iterate_phdr` was given below.
        let all = unsafe { &mut *all.cast::<Vec<Module>>() };
        // SAFETY: the loader's table of so many headers.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        all.extend(module(info.dlpi_addr as usize, headers));
        0
    }
    let mut modules = Vec::new();
    // SAFETY: the callback keeps nothing of what it is shown but addresses of loaded segments.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut modules).cast()) };
    modules
}

fn module(base: usize, headers: &[Header]) -> Option<Module> {
    let range = |h: &Header| {
        let start = base.wrapping_add(h.p_vaddr as usize);
        start..start + h.p_memsz as usize
    };
    let of = |kind: u32| headers.iter().filter(move |h| h.p_type == kind);
    let segments: Vec<_> = of(libc::PT_LOAD).map(range).collect();
    let index = of(libc::PT_GNU_EH_FRAME).map(range).next()?;
    let memory = segments.iter().map(|s| s.start).min()?..segments.iter().map(|s| s.end).max()?;
    let start = std::ptr::with_exposed_provenance(index.start);
    // SAFETY: the loader says that the table is mapped there; see `from`.
    let index = unsafe { std::slice::from_raw_parts(start, index.end - index.start) };
    Some(Module { memory, index, segments })
}
