//! Where the code of [`func`](super::func) lies: by the addresses on a stack the hook tells whether a
//! panic can still be recovered. A mark that each call would have to set and clear would cost
//! more than the rest of it.

/// The linker puts every instance of `func` into one section, and says where that begins and ends.
#[cfg(target_os = "linux")]
pub(super) fn is_func(pc: usize) -> bool {
    unsafe extern "C" {
        #[link_name = "__start_gort_func_text"]
        static START: u8;
        #[link_name = "__stop_gort_func_text"]
        static STOP: u8;
    }
    // One instance at least, or the linker knows no such section.
    std::hint::black_box(super::func::<()> as fn(fn(&super::Frame<'static, ()>)));
    // A return address may be one past the end of the function.
    (&raw const START).addr() < pc && pc <= (&raw const STOP).addr()
}

/// By its name, where the linker does not do that. A stripped program prints the words of a panic
/// before it recovers from it.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_func(pc: usize) -> bool {
    let mut found = false;
    backtrace::resolve(std::ptr::without_provenance_mut(pc), |symbol| {
        let name = symbol.name().map(|n| n.to_string()).unwrap_or_default();
        found |= name.contains("gort::panic::defer::func");
    });
    found
}
