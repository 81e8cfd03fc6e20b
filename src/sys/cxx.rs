//! The C++ runtime's record of the exceptions that a thread is handling: two words, which a goroutine
//! takes along when it shares its thread with others.

use std::sync::OnceLock;

/// Words of `__cxa_eh_globals`: the exceptions caught, and how many are in flight.
pub(crate) type Exceptions = [usize; 2];

type GetGlobals = unsafe extern "C" fn() -> *mut Exceptions;

/// The accessor, if the program has a C++ runtime when this is first asked. A static executable cannot
/// be asked.
fn globals() -> Option<GetGlobals> {
    static FOUND: OnceLock<Option<GetGlobals>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // ARM's own exception ABI keeps a third word that other threads' unwinds are linked by.
        if cfg!(target_arch = "arm") {
            return None;
        }
        // SAFETY: a lookup by a terminated name.
        let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__cxa_get_globals".as_ptr()) };
        // SAFETY: the Itanium C++ ABI declares it so.
        (!at.is_null()).then(|| unsafe { std::mem::transmute::<*mut libc::c_void, GetGlobals>(at) })
    })
}

/// Puts `new` into the calling thread's record and returns what was there.
#[inline]
pub(crate) fn exchange(new: Exceptions) -> Exceptions {
    match globals() {
        // SAFETY: the record is the calling thread's; no exception is thrown meanwhile.
        Some(get) => unsafe { get().replace(new) },
        None => new,
    }
}
