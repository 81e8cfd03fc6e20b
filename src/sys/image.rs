//! The module (program or shared library) that an address lies in, found without allocating: for
//! signal handlers.

use std::ops::Range;

/// A loaded module, as far as unwinding is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Everything that is mapped of it.
    pub(crate) memory: Range<usize>,
    /// Its `.eh_frame_hdr`; empty if it has none.
    pub(crate) index: Range<usize>,
}

/// The module that `addr` lies in.
///
/// Asks the loader each time. Its lock is one that a thread may take twice, and that others hold for
/// a moment only, so a handler may ask even if it has interrupted the loader.
pub(crate) fn at(addr: usize) -> Option<Image> {
    struct Search {
        addr: usize,
        found: Option<Image>,
    }

    /// # Safety
    /// Called by `dl_iterate_phdr` with what it was given below.
    unsafe extern "C" fn each(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        search: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the loader passes a valid description.
        let info = unsafe { &*info };
        // SAFETY: what `dl_iterate_phdr` was given below.
        let search = unsafe { &mut *search.cast::<Search>() };
        // SAFETY: the loader's table of so many headers.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let (mut start, mut end) = (usize::MAX, 0);
        let mut index = 0..0;
        for h in headers {
            let from = (info.dlpi_addr as usize).wrapping_add(h.p_vaddr as usize);
            let to = from + h.p_memsz as usize;
            match h.p_type {
                libc::PT_LOAD => (start, end) = (start.min(from), end.max(to)),
                libc::PT_GNU_EH_FRAME => index = from..to,
                _ => {}
            }
        }
        let memory = start..end;
        if memory.contains(&search.addr) {
            search.found = Some(Image { memory, index });
        }
        search.found.is_some().into()
    }

    let mut search = Search { addr, found: None };
    // SAFETY: the callback keeps nothing but addresses.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut search).cast()) };
    search.found
}

/// Modules that unwinding must not begin in, although their tables say how: the C library may hold
/// its own locks there, and the loader and the unwinder are what an unwind itself stands on.
pub(crate) fn system() -> Vec<Range<usize>> {
    unsafe extern "C" {
        fn _Unwind_DeleteException();
    }
    // SAFETY: asks for a number.
    let loader = unsafe { libc::getauxval(libc::AT_BASE) } as usize;
    // SAFETY: as above.
    let vdso = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize;
    let own = at(system as *const () as usize);
    let anchors =
        [libc::malloc as *const () as usize, _Unwind_DeleteException as *const () as usize];
    let mut ranges: Vec<Range<usize>> = anchors
        .into_iter()
        .chain([loader, vdso])
        .filter_map(|a| at(a).map(|image| image.memory))
        .filter(|m| own.as_ref().is_none_or(|own| own.memory != *m))
        .collect();
    ranges.dedup();
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_and_other_memory_is_not() {
        let here = at(code_is_found_and_other_memory_is_not as *const () as usize).unwrap();
        assert!(here.index.start >= here.memory.start && !here.index.is_empty());
        let local = 0_u8;
        assert!(at((&raw const local).addr()).is_none());
        assert!(at(0).is_none());
    }

    #[test]
    fn the_c_library_is_a_system_module_and_the_program_is_not() {
        let system = system();
        let inside = |a: usize| system.iter().any(|m| m.contains(&a));
        assert!(inside(libc::free as *const () as usize) || cfg!(target_feature = "crt-static"));
        assert!(!inside(at as *const () as usize));
    }
}
