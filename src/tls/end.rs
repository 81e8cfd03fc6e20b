//! What ends with a thread, in the order of the C library's `start_thread`: destructors of
//! thread-locals, then those of keys; locale and `errno` go back to the start. And what a goroutine is lent
//! of its thread's.

use super::Scheme;
use super::block::KeyBlock;
use super::discover::FIRST_KEYS;
use crate::switch::base;
use crate::sys::tls;
use std::ffi::c_void;
use std::ptr;

/// Rounds in which destructors of keys may store new values (`PTHREAD_DESTRUCTOR_ITERATIONS`).
const ROUNDS: usize = 4;

/// An entry of the C library's table of keys.
#[repr(C)]
#[derive(Clone, Copy)]
struct KeyInfo {
    sequence: usize,
    destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Ends what the running goroutine has in its block. On the goroutine; destructors are user code and
/// may block.
#[inline]
pub(crate) fn leave(scheme: &Scheme) {
    // SAFETY: runs on the thread, and with the block, whose destructors these are.
    unsafe { (scheme.layout().private.call_dtors)() };
    let table = base::get() + scheme.layout().specific;
    let flag = ptr::with_exposed_provenance::<u8>(table + FIRST_KEYS * size_of::<usize>());
    // SAFETY: the flag is a byte of the running goroutine's descriptor.
    if unsafe { flag.read_volatile() } != 0 {
        destroy_keys(scheme, table);
    }
    tls::global_locale();
    // SAFETY: errno of the running goroutine.
    unsafe { tls::errno_place().write(0) };
}

/// Calls the destructors of keys under which the goroutine has stored values.
#[cold]
fn destroy_keys(scheme: &Scheme, table: usize) {
    if let Some(keys) = scheme.layout().private.keys {
        for _ in 0..ROUNDS {
            if !one_round(table, keys) {
                break;
            }
        }
    } else {
        on_a_thread(table);
    }
    forget(table);
}

/// The blocks of values there are, with the number of the first key of each.
fn blocks(table: usize) -> impl Iterator<Item = (usize, *mut KeyBlock)> {
    (0..FIRST_KEYS).filter_map(move |i| {
        let place = ptr::with_exposed_provenance::<usize>(table + i * size_of::<usize>());
        // SAFETY: the table has that many pointers; it is the running goroutine's.
        let block = unsafe { place.read() };
        (block != 0).then(|| (i * FIRST_KEYS, ptr::with_exposed_provenance_mut(block)))
    })
}

/// One round of destructors; true if there were values.
fn one_round(table: usize, keys: usize) -> bool {
    let mut any = false;
    for (first, block) in blocks(table) {
        for i in 0..FIRST_KEYS {
            // SAFETY: a block has that many entries, the running goroutine's own.
            let (sequence, value) = unsafe { (*block)[i] };
            if value == 0 {
                continue;
            }
            any = true;
            // SAFETY: as above.
            unsafe { (*block)[i].1 = 0 };
            let info = ptr::with_exposed_provenance::<KeyInfo>(keys).wrapping_add(first + i);
            // SAFETY: the table has an entry for every key; a torn read of one that is deleted
            // just now is the race the C library itself runs.
            let info = unsafe { info.read_volatile() };
            if let Some(destroy) = info.destroy
                && info.sequence == sequence
            {
                // SAFETY: what the key was made for.
                unsafe { destroy(ptr::with_exposed_provenance_mut(value)) };
            }
        }
    }
    any
}

/// For C libraries whose table of keys cannot be seen: a thread takes the values over and ends.
fn on_a_thread(table: usize) {
    let mut values = Vec::new();
    for (first, block) in blocks(table) {
        for i in 0..FIRST_KEYS {
            // SAFETY: a block has that many entries, the running goroutine's own.
            let entry = unsafe { &mut (*block)[i] };
            if entry.1 != 0 {
                values.push((first + i, std::mem::take(&mut entry.1)));
            }
        }
    }
    let heir = move || {
        for (key, value) in values {
            // A key that has been deleted since has no destructor.
            tls::set_key(key, value);
        }
    };
    // Without a thread the values are lost, which is what a key without destructor does.
    if let Ok(thread) = std::thread::Builder::new().name("gort-keys".into()).spawn(heir) {
        let _ = thread.join();
    }
}

/// Leaves the table as a new thread has it.
fn forget(table: usize) {
    for (first, block) in blocks(table) {
        if first == 0 {
            // SAFETY: the first block lies in the descriptor.
            unsafe { *block = [(0, 0); FIRST_KEYS] };
            continue;
        }
        // SAFETY: the C library allocated it, and nothing refers to it but this pointer.
        unsafe { tls::free(block.expose_provenance()) };
        let place = table + first / FIRST_KEYS * size_of::<usize>();
        // SAFETY: the pointer to that block.
        unsafe { ptr::with_exposed_provenance_mut::<usize>(place).write(0) };
    }
    let flag = table + FIRST_KEYS * size_of::<usize>();
    // SAFETY: the flag is a byte of the running goroutine's descriptor.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(flag).write(0) };
}

/// The calling kernel thread's id in the place of the block's own; taken back when dropped.
#[cfg(not(target_feature = "crt-static"))]
#[derive(Debug)]
pub(crate) struct Lent {
    place: *mut u32,
    id: u32,
}

/// Lends the real id to the calling goroutine's block, if `thread` is that. A block of a thread of the
/// program's has the real one.
#[cfg(not(target_feature = "crt-static"))]
pub(crate) fn lend_id(thread: usize) -> Option<Lent> {
    let scheme = super::in_force()?;
    if thread != base::get() {
        return None;
    }
    let place = ptr::with_exposed_provenance_mut::<u32>(thread + scheme.layout().tid);
    // SAFETY: the id in the calling goroutine's own descriptor.
    let id = unsafe { place.read() };
    if id < super::block::FIRST_ID {
        return None;
    }
    // SAFETY: as above; nobody else reads it as long as the goroutine runs here.
    unsafe { place.write(crate::sys::thread::id()) };
    Some(Lent { place, id })
}

#[cfg(not(target_feature = "crt-static"))]
impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: as in `lend_id`: the goroutine has not been suspended meanwhile.
        unsafe { self.place.write(self.id) };
    }
}
