//! One rehearsal before the first goroutine: two blocks, the C library's functions that depend on a
//! thread's block, the end of a thread, and a block made new. A C library that CI has not seen is
//! rehearsed in a child process, so that a crash only means that the runtime pins.

use super::Scheme;
use crate::switch::base;
use crate::sys::tls;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

/// Versions on which CI runs the tests (`.ci/glibc`).
const KNOWN: &[&str] = &["2.36", "2.41", "2.43"];
/// Stack of the thread that rehearses.
const STACK: usize = 64 << 10;

/// Tries blocks.
///
/// # Errors
/// What does not work.
pub(super) fn run(scheme: &Scheme) -> Result<(), String> {
    let version = tls::libc_version();
    if !KNOWN.contains(&version.as_str()) && !in_child(scheme) {
        return Err(format!("glibc {version} failed the rehearsal in a child process"));
    }
    rehearse(scheme).map_err(|what| format!("rehearsal on glibc {version}: {what}"))
}

/// The rehearsal where a crash does no harm.
pub(super) fn in_child(scheme: &Scheme) -> bool {
    tls::in_child(|| rehearse(scheme).is_ok())
}

struct Rehearsal<'a> {
    scheme: &'a Scheme,
    blocks: [usize; 2],
    result: Result<(), &'static str>,
}

fn rehearse(scheme: &Scheme) -> Result<(), &'static str> {
    let room = scheme.room();
    // The blocks stay for ever, as all do; the stack could be freed, but lies beside them.
    let words = (2 * room + STACK + 4096) / size_of::<u128>();
    let memory = Box::leak(vec![0_u128; words].into_boxed_slice());
    let start = memory.as_mut_ptr().expose_provenance().next_multiple_of(4096);
    let (stack, area) = (start, start + STACK);
    // SAFETY: two areas of leaked zeroes, the first aligned and `room` a multiple of 128.
    let first = unsafe { scheme.create(area, stack..stack + STACK) };
    // SAFETY: as above.
    let second = unsafe { scheme.create(area + room, stack..stack + STACK) };
    let blocks = [first.ok_or("no block")?, second.ok_or("no block")?];
    let mut rehearsal = Rehearsal { scheme, blocks, result: Err("it did not run") };
    let at = std::ptr::with_exposed_provenance_mut(stack);
    // SAFETY: the memory is leaked; the rehearsal outlives the thread, which is waited for.
    unsafe { tls::on_stack(at, STACK, body, (&raw mut rehearsal).cast()) }
        .map_err(|_| "no thread")?;
    rehearsal.result
}

extern "C" fn body(arg: *mut c_void) -> *mut c_void {
    // SAFETY: `rehearse` lends it for the life of this thread.
    let r = unsafe { &mut *arg.cast::<Rehearsal<'_>>() };
    r.result = r.all();
    std::ptr::null_mut()
}

static DESTROYED: AtomicU32 = AtomicU32::new(0);

/// # Safety
/// Asks nothing of its argument.
unsafe extern "C" fn count(_: *mut c_void) {
    DESTROYED.fetch_add(1, Ordering::Relaxed);
}

impl Rehearsal<'_> {
    /// Runs `f` with one of the blocks.
    fn on(&self, which: usize, mut f: impl FnMut() -> bool) -> bool {
        let (to, own) = (self.blocks[which], base::get());
        let mut ok = false;
        // SAFETY: this thread alone uses the blocks; as the scheduler does at a switch.
        unsafe { self.scheme.hand_over(own, to) };
        // SAFETY: as above; `f` neither unwinds nor suspends.
        unsafe { base::with(to, &mut || ok = f()) };
        // SAFETY: as above.
        unsafe { self.scheme.hand_over(to, own) };
        ok
    }

    fn all(&self) -> Result<(), &'static str> {
        let check = |ok: bool, what| if ok { Ok(()) } else { Err(what) };
        let outside = tls::errno_place().addr();
        let mut places = [0; 2];
        for (which, place) in places.iter_mut().enumerate() {
            let own = self.blocks[which];
            let same = self.on(which, || {
                *place = tls::errno_place().addr();
                tls::pthread_self() == own
            });
            check(same, "pthread_self")?;
        }
        check(places[0] != outside && places[0] != places[1], "errno")?;
        self.keys().and_then(|()| self.mutexes())?;
        let plain = self.on(0, || {
            tls::exercise_malloc();
            tls::tables_work()
        });
        check(plain, "malloc, ctype or sched_getcpu")?;
        self.end()
    }

    fn keys(&self) -> Result<(), &'static str> {
        let key = tls::Key::new(None).ok_or("no key")?;
        let stored = self.on(0, || key.set(7) && key.get() == 7);
        let apart = self.on(1, || key.get() == 0) && key.get() == 0;
        let cleared = self.on(0, || key.set(0));
        if stored && apart && cleared { Ok(()) } else { Err("values under keys") }
    }

    fn mutexes(&self) -> Result<(), &'static str> {
        for robust in [false, true] {
            let mutex = tls::Owned::new(robust);
            let ok = self.on(0, || mutex.try_lock() && mutex.try_lock())
                && self.on(1, || !mutex.try_lock())
                && self.on(0, || mutex.unlock() && mutex.unlock())
                && self.on(1, || mutex.try_lock() && mutex.unlock());
            if !ok {
                return Err("mutexes that know their owner");
            }
        }
        Ok(())
    }

    /// The end of a goroutine, and its block's next life.
    fn end(&self) -> Result<(), &'static str> {
        DESTROYED.store(0, Ordering::Relaxed);
        let key = tls::Key::new(Some(count)).ok_or("no key")?;
        let ran = self.on(0, || {
            // SAFETY: `count` takes anything.
            unsafe { tls::at_thread_exit(count, std::ptr::null_mut()) };
            // SAFETY: errno of whoever runs.
            unsafe { tls::errno_place().write(5) };
            let stored = key.set(9);
            super::leave(self.scheme);
            stored && key.get() == 0
        });
        // SAFETY: nobody points at the block.
        unsafe { self.scheme.renew(self.blocks[0]) };
        let clean = self.on(0, || {
            // SAFETY: errno of whoever runs.
            key.get() == 0 && unsafe { tls::errno_place().read() } == 0
        });
        let both = DESTROYED.load(Ordering::Relaxed) == 2;
        if ran && clean && both { Ok(()) } else { Err("destructors, or a block used again") }
    }
}
