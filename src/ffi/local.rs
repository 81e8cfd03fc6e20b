//! Goroutine-local values.

use super::entry::state;
use super::status;
use crate::sys::errno::{EINVAL, ENOMEM};
use crate::sys::lock::Lock;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::ptr;

type Destructor = Option<unsafe extern "C-unwind" fn(value: *mut c_void)>;

/// The destructor of each key.
static KEYS: Lock<Vec<Destructor>> = Lock::new(Vec::new());

/// Most keys there can be.
const MOST: usize = 4096;

/// Makes a key for goroutine-local values, to be kept for ever. `destructor` (or null) is called with
/// each goroutine's value, unless that is null, when the goroutine ends.
///
/// The key, 0 or more; -ENOMEM after 4096 keys.
#[unsafe(no_mangle)]
pub extern "C" fn gort_local_new(
    destructor: Option<unsafe extern "C-unwind" fn(value: *mut c_void)>,
) -> c_int {
    let mut keys = KEYS.lock();
    match c_int::try_from(keys.len()) {
        Ok(key) if keys.len() < MOST => {
            keys.push(destructor);
            key
        }
        _ => -ENOMEM,
    }
}

/// Sets the calling goroutine's value. The value before is not destroyed.
///
/// -EINVAL for a key that is none; -EPERM in a goroutine that was not started from C, and on plain
/// threads.
#[unsafe(no_mangle)]
pub extern "C" fn gort_local_set(key: c_int, value: *mut c_void) -> c_int {
    let set = || {
        let key = usize::try_from(key).ok().filter(|key| *key < KEYS.lock().len()).ok_or(EINVAL)?;
        let mut locals = state()?.locals.borrow_mut();
        if locals.len() <= key {
            locals.resize(key + 1, ptr::null_mut());
        }
        locals[key] = value;
        Ok(())
    };
    status(set())
}

/// The calling goroutine's value; null if none was set.
#[unsafe(no_mangle)]
pub extern "C" fn gort_local_get(key: c_int) -> *mut c_void {
    let Ok(state) = state() else { return ptr::null_mut() };
    let locals = state.locals.borrow();
    usize::try_from(key).ok().and_then(|key| locals.get(key).copied()).unwrap_or(ptr::null_mut())
}

/// Ends a goroutine's values. Destructors may set values again; four rounds are run, as for POSIX
/// threads.
pub(super) fn destroy(locals: &RefCell<Vec<*mut c_void>>) {
    for _ in 0..4 {
        let values = locals.take();
        if values.is_empty() {
            return;
        }
        for (key, value) in values.into_iter().enumerate() {
            let destructor = KEYS.lock()[key];
            if let Some(destructor) = destructor.filter(|_| !value.is_null()) {
                // SAFETY: the header's contract: it takes the key's values.
                unsafe { crate::switch::call_foreign(destructor, value) };
            }
        }
    }
}
