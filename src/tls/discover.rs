//! How the C library lays a thread's block out: found by looking at two threads that have done
//! nothing yet, on stacks of ours, and by small experiments in them. Offsets are from the thread
//! pointer; `struct pthread` begins there.
//!
//! Assumed are the x86-64 ABI (words 0 and 16 of a block hold its address, 8 the vector of modules,
//! 0x28 the stack guard) and the 16-byte entries of that vector. Everything else is searched for, must
//! be found exactly once, and must be found at the same place in the second thread.

use crate::switch::base;
use crate::sys::tls::{self, Private};
use std::alloc::{self, Layout as Memory};
use std::ffi::c_void;
use std::ops::Range;

const WORD: usize = size_of::<usize>();
/// Stack of a probe.
const PROBE: usize = 256 << 10;
/// A static block larger than this is a sanitizer's, and not for a goroutine.
const MOST: usize = 64 << 10;
/// Words of the descriptor that the ABI fixes.
const SELF: [usize; 2] = [0, 16];
pub(super) const VECTOR: usize = 8;
const STACK_GUARD: usize = 0x28;
const POINTER_GUARD: usize = 0x30;
/// Set in the word at this offset: the thread has a shadow stack or tracks indirect branches.
const CET_FEATURES: usize = 0x48;
/// Most words of a thread that the C library's allocator may have.
const MALLOC_WORDS: usize = 3;
/// `specific_1stblock` has 32 entries of 16 bytes, `specific` 32 pointers.
pub(super) const FIRST_KEYS: usize = 32;
/// What the probes store under a key, to be found again.
const MAGIC: usize = 0x6f72_7467_6b65_7973;

/// What a word of a new block is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// From the thread pointer.
    pub(super) at: isize,
    pub(super) value: usize,
    /// `value` is an offset within the block.
    pub(super) inside: bool,
}

/// Where things are in a block.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(super) private: Private,
    /// Bytes of static thread-locals below the thread pointer, and of the descriptor from it on.
    pub(super) below: usize,
    pub(super) above: usize,
    /// The words of a new block that are not zero.
    pub(super) words: Vec<Word>,
    /// The kernel's id of the thread, as a 32-bit number.
    pub(super) tid: usize,
    /// Its node in the list of all threads.
    pub(super) list: usize,
    /// Head of its robust mutexes.
    pub(super) robust: usize,
    /// Table of values under keys: 32 pointers, the first to the first block, then a flag.
    pub(super) specific: usize,
    /// Address and length of its stack.
    pub(super) stack: usize,
    /// Words that hold the state of its cancellation.
    pub(super) cancel: Vec<usize>,
    /// Words of the C library's allocator.
    pub(super) malloc: Vec<isize>,
    /// The area for restartable sequences.
    pub(super) rseq: Option<isize>,
}

/// One look at a thread.
struct Look {
    top: usize,
    len: usize,
    /// The C library's thread-locals: from the thread pointer.
    libc: Range<isize>,
    tp: usize,
    /// The block as it was at first.
    copy: Vec<usize>,
    /// As it was before an experiment; made beforehand, since to allocate is one.
    scratch: Vec<usize>,
    tid: usize,
    robust: Option<usize>,
    self_ok: bool,
    list: Option<usize>,
    specific: Option<usize>,
    cancel: Vec<usize>,
    malloc: Vec<isize>,
}

/// Finds the layout out.
pub(super) fn layout() -> Result<Layout, String> {
    let private = tls::private()?;
    for tool in [c"__tsan_create_fiber", c"__tsan_init"] {
        if tls::find(tool).is_some() {
            return Err("ThreadSanitizer keeps its own view of threads".to_owned());
        }
    }
    // SAFETY: every descriptor has these words.
    if unsafe { base::word(CET_FEATURES) } != 0 {
        return Err("the process has shadow stacks".to_owned());
    }
    let (mut size, mut align) = (0, 0);
    // SAFETY: writes the two words.
    unsafe { (private.static_info)(&raw mut size, &raw mut align) };
    if !(WORD..=MOST).contains(&size) || !align.is_power_of_two() || align > 128 {
        return Err(format!("a static block of {size} bytes, aligned to {align}"));
    }
    let libc = libc_part(size)?;
    let stacks = Stacks::new()?;
    // Both in boxes: what the threads are started with must differ, too.
    let first = Box::new(look(stacks.at(0), size, libc.clone())?);
    let second = Box::new(look(stacks.at(1), size, libc)?);
    let layout = agree(read(private, &first)?, &read(private, &second)?)?;
    thread_db_agrees(&layout)?;
    Ok(layout)
}

/// The C library's thread-locals, from the thread pointer.
fn libc_part(size: usize) -> Result<Range<isize>, String> {
    let (modules, _) = tls::modules();
    let libc = modules.iter().find(|m| m.is_libc).ok_or("the C library has no thread-locals")?;
    let from = libc.data.wrapping_sub(base::get()) as isize;
    let part = from..from + libc.size as isize;
    if part.start < -(size as isize) || part.end > 0 {
        return Err("the C library's thread-locals are not static".to_owned());
    }
    Ok(part)
}

/// The stacks of two probes.
struct Stacks(*mut u8);

impl Stacks {
    const MEMORY: Memory = match Memory::from_size_align(2 * PROBE, 4096) {
        Ok(memory) => memory,
        Err(_) => panic!("an alignment that is no power of two"),
    };

    fn new() -> Result<Self, String> {
        // SAFETY: the layout has a size.
        let stacks = unsafe { alloc::alloc_zeroed(Self::MEMORY) };
        if stacks.is_null() { Err("no memory for a probe".to_owned()) } else { Ok(Self(stacks)) }
    }

    fn at(&self, which: usize) -> *mut u8 {
        self.0.wrapping_add(which * PROBE)
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout; the probes have been joined.
        unsafe { alloc::dealloc(self.0, Self::MEMORY) };
    }
}

/// Looks at a new thread on `stack`.
fn look(stack: *mut u8, size: usize, libc: Range<isize>) -> Result<Look, String> {
    let mut look = Look {
        top: stack.expose_provenance() + PROBE,
        len: size,
        libc,
        tp: 0,
        copy: vec![0; size / WORD],
        scratch: vec![0; size / WORD],
        tid: 0,
        robust: None,
        self_ok: false,
        list: None,
        specific: None,
        cancel: Vec::with_capacity(8),
        malloc: Vec::with_capacity(MALLOC_WORDS + 1),
    };
    // SAFETY: the memory is the probe's alone until it has ended, and so is `look`.
    let ran = unsafe { tls::on_stack(stack.cast(), PROBE, probe, (&raw mut look).cast()) };
    ran.map_err(|e| format!("no thread for a probe: {e}"))?;
    if look.tp == 0 || !look.self_ok {
        return Err("the thread pointer is not where the stack ends".to_owned());
    }
    Ok(look)
}

/// Body of a probe. The copy comes before anything else that could change the block.
extern "C" fn probe(look: *mut c_void) -> *mut c_void {
    // SAFETY: `look` lends us a Look for the life of this thread.
    let look = unsafe { &mut *look.cast::<Look>() };
    let tp = base::get();
    let bottom = look.top - look.len;
    if !(bottom..look.top).contains(&tp) {
        return std::ptr::null_mut();
    }
    note(&mut look.copy, bottom);
    look.tp = tp;
    look.tid = crate::sys::thread::id() as usize;
    look.robust = tls::robust_list().map(|head| head.wrapping_sub(tp));
    look.self_ok = tls::pthread_self() == tp && SELF.iter().all(|&at| load(tp + at) == tp);
    look.list = find_tid(look).and_then(|tid| list_below(tp, tid));

    note(&mut look.scratch, bottom);
    tls::exercise_malloc();
    let libc = look.libc.clone();
    changed(&look.scratch, bottom, tp, |at| {
        if libc.contains(&at) && look.malloc.len() <= MALLOC_WORDS {
            look.malloc.push(at);
        }
    });
    look.specific = find_keys(look);

    note(&mut look.scratch, bottom);
    tls::disturb_cancellation();
    changed(&look.scratch, bottom, tp, |at| {
        if at >= 0 && look.cancel.len() < look.cancel.capacity() {
            look.cancel.push(at as usize);
        }
    });
    std::ptr::null_mut()
}

/// A word of the calling thread's own block or stack.
fn load(at: usize) -> usize {
    // SAFETY: the probe reads its own stack's memory, which nobody else writes meanwhile but the C
    // library (the links of its list of threads).
    unsafe { std::ptr::with_exposed_provenance::<usize>(at).read_volatile() }
}

/// Copies the block that begins at `bottom`.
fn note(copy: &mut [usize], bottom: usize) {
    for (i, word) in copy.iter_mut().enumerate() {
        *word = load(bottom + i * WORD);
    }
}

/// Calls `f` with the place of each word that is not as in `copy`.
fn changed(copy: &[usize], bottom: usize, tp: usize, mut f: impl FnMut(isize)) {
    for (i, word) in copy.iter().enumerate() {
        let at = bottom + i * WORD;
        if load(at) != *word {
            f(at.wrapping_sub(tp) as isize);
        }
    }
}

impl Look {
    /// Bytes of the descriptor.
    fn above(&self) -> usize {
        self.top - self.tp
    }

    /// A word of the copy, by its offset from the thread pointer.
    fn word(&self, at: usize) -> usize {
        self.copy[(self.tp + at - (self.top - self.len)) / WORD]
    }

    /// Offsets of the descriptor's words.
    fn places(&self) -> impl Iterator<Item = usize> {
        (0..self.above() / WORD).map(|i| i * WORD)
    }

    /// The one place where `is` holds.
    fn only(&self, is: impl Fn(usize) -> bool) -> Option<usize> {
        let mut hits = self.places().filter(|&at| is(at));
        let first = hits.next()?;
        hits.next().is_none().then_some(first)
    }
}

/// The 32-bit number in the descriptor that is the thread's kernel id.
fn find_tid(look: &Look) -> Option<usize> {
    let half = |at: usize| look.word(at & !(WORD - 1)) >> (8 * (at & (WORD - 1))) & 0xffff_ffff;
    let mut hits = (0..look.above()).step_by(4).filter(|&at| half(at) == look.tid);
    let first = hits.next()?;
    hits.next().is_none().then_some(first)
}

/// The node of the list of threads: the two words below the id, which the neighbours point back at.
/// Threads that come and go meanwhile change the links, so several times.
fn list_below(tp: usize, tid: usize) -> Option<usize> {
    let node = tid.checked_sub(2 * WORD).filter(|at| at.is_multiple_of(WORD))?;
    let linked = || {
        let (next, prev) = (load(tp + node), load(tp + node + WORD));
        tls::peek(next.wrapping_add(WORD)) == Some(tp + node) && tls::peek(prev) == Some(tp + node)
    };
    (0..100).any(|_| linked()).then_some(node)
}

/// The table of values: its first pointer points at the first block, which lies just below it; a
/// value stored under a key must turn up there, and the flag after the table be set.
fn find_keys(look: &Look) -> Option<usize> {
    let block = FIRST_KEYS * 2 * WORD;
    let table = look.only(|at| at >= block && look.word(at) == look.tp + at - block)?;
    let key = tls::Key::new(None)?;
    if !key.set(MAGIC) {
        return None;
    }
    let first = load(look.tp + table + key.index() / FIRST_KEYS * WORD);
    let value = tls::peek(first + key.index() % FIRST_KEYS * 2 * WORD + WORD);
    let flag = load(look.tp + table + FIRST_KEYS * WORD) & 0xff;
    key.set(0);
    (value == Some(MAGIC) && flag == 1 && look.word(table + FIRST_KEYS * WORD) & 0xff == 0)
        .then_some(table)
}

/// Reads a look as a layout.
fn read(private: Private, look: &Look) -> Result<Layout, String> {
    let not = |what: &str| format!("{what} is not to be found in a thread's descriptor");
    let tid = find_tid(look).ok_or_else(|| not("the thread's id"))?;
    let robust = look.robust.filter(|&at| at < look.above() && look.word(at) == look.tp + at);
    let base = look.top - PROBE;
    let stack = look.only(|at| {
        at + WORD < look.above() && look.word(at) == base && look.word(at + WORD) == PROBE
    });
    let rseq = tls::rseq().filter(|(_, size)| *size != 0).map(|(offset, _)| offset);
    if rseq.is_some_and(|at| at % 4 != 0 || at + 32 > look.above() as isize) {
        return Err("an area for restartable sequences outside the block".to_owned());
    }
    // SAFETY: (both) every descriptor has these words.
    let guards = unsafe { [base::word(STACK_GUARD), base::word(POINTER_GUARD)] };
    if guards != [look.word(STACK_GUARD), look.word(POINTER_GUARD)] {
        return Err("the stack guards of two threads differ".to_owned());
    }
    if look.cancel.is_empty() {
        return Err(not("the state of cancellation"));
    }
    let above = look.above();
    Ok(Layout {
        private,
        below: look.len - above,
        above,
        words: words(look),
        tid,
        list: look.list.ok_or_else(|| not("the list of threads"))?,
        robust: robust.ok_or_else(|| not("the list of robust mutexes"))?,
        specific: look.specific.ok_or_else(|| not("the table of keys"))?,
        stack: stack.ok_or_else(|| not("the stack's address"))?,
        cancel: look.cancel.clone(),
        // More, or none, and they are not shared: correct, only larger.
        malloc: if look.malloc.len() <= MALLOC_WORDS { look.malloc.clone() } else { Vec::new() },
        rseq,
    })
}

/// The words that are not zero. Pointers into the block move with it; pointers into the probe's
/// stack mean nothing to others.
fn words(look: &Look) -> Vec<Word> {
    let bottom = look.top - look.len;
    let mut words = Vec::new();
    for (i, &value) in look.copy.iter().enumerate() {
        let at = (bottom + i * WORD).wrapping_sub(look.tp) as isize;
        let inside = (bottom..look.top).contains(&value);
        let stack = (look.top - PROBE..bottom).contains(&value);
        if value != 0 && !stack && at != VECTOR as isize {
            let value = if inside { value.wrapping_sub(look.tp) } else { value };
            words.push(Word { at, value, inside });
        }
    }
    words
}

/// The layout in which both looks agree. Words that differ belong to one thread alone.
fn agree(mut first: Layout, second: &Layout) -> Result<Layout, String> {
    let offsets = |l: &Layout| {
        let places = [l.below, l.above, l.tid, l.list, l.robust, l.specific, l.stack];
        (places, l.cancel.clone(), l.rseq)
    };
    if offsets(&first) != offsets(second) {
        return Err("two threads are laid out differently".to_owned());
    }
    if first.malloc != second.malloc {
        first.malloc.clear();
    }
    first.words.retain(|word| second.words.contains(word));
    for at in [SELF[0], SELF[1], first.robust, first.specific] {
        if !first.words.iter().any(|w| w.at == at as isize && w.inside) {
            return Err("a pointer of the descriptor to itself has moved".to_owned());
        }
    }
    Ok(first)
}

/// Where the C library tells debuggers its offsets, they must be ours.
fn thread_db_agrees(layout: &Layout) -> Result<(), String> {
    let told = |name| {
        let at = std::ptr::with_exposed_provenance::<[u32; 3]>(tls::find(name)?);
        // SAFETY: such a symbol is three numbers: size in bits, count, offset.
        Some(unsafe { at.read() }[2] as usize)
    };
    for (name, ours) in [
        (c"_thread_db_pthread_tid", layout.tid),
        (c"_thread_db_pthread_list", layout.list),
        (c"_thread_db_pthread_specific", layout.specific),
    ] {
        if told(name).is_some_and(|told| told != ours) {
            let name = name.to_string_lossy();
            return Err(format!("{name} tells another offset than {ours}"));
        }
    }
    Ok(())
}
