//! Blocks: made on memory of a slot, and made new again for the next goroutine.
//!
//! A new block gets the words of an untouched thread's (`discover.rs`), its own vector of modules
//! from the C library, and the initial contents of all static modules. A used one gets these again,
//! except for the C library's own part, which stays warm: its buffers are the block's for ever, so
//! nothing is lost and nothing need be freed. In a static executable that part cannot be told apart;
//! there everything but the allocator's words begins anew.

use super::discover::{FIRST_KEYS, Layout, VECTOR, Word};
use crate::base::width::Wide;
use crate::switch::base;
use crate::sys::lock::Lock;
use crate::sys::tls::{self, Module};
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicIsize, AtomicPtr, AtomicU32, Ordering};

/// Kernel ids of threads are below 2^22, and bit 30 means a dead owner: between are ours.
pub(super) const FIRST_ID: u32 = 1 << 23;
/// An area for restartable sequences that the kernel has refused.
const RSEQ_REFUSED: u64 = 0xffff_fffe_0000_0000;
/// Entries of the vector of modules whose block has not been allocated.
const UNALLOCATED: usize = usize::MAX;

/// The static modules, as of a generation.
struct Modules {
    parts: Vec<Part>,
    /// The C library and the program are one.
    merged: bool,
    /// Any module whose thread-locals are allocated on first use.
    dynamic: bool,
}

/// A static module's part of a block.
struct Part {
    at: isize,
    module: Module,
}

/// How blocks are made here.
pub(crate) struct Scheme {
    layout: Layout,
    modules: AtomicPtr<Modules>,
    generation: Wide,
    renewing: Lock<()>,
    next_id: AtomicU32,
    /// Offset of the runtime's own word; 0 (which is the C library's) if blocks differ in it.
    current: AtomicIsize,
    /// The cancellation words of a new block.
    cancel: Vec<(usize, usize)>,
}

impl std::fmt::Debug for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheme").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// A word of a block.
fn at(block: usize, offset: isize) -> *mut usize {
    ptr::with_exposed_provenance_mut(block.wrapping_add_signed(offset))
}

impl Scheme {
    pub(super) fn new(layout: Layout) -> Result<Self, String> {
        let of = |at: usize| layout.words.iter().find(|w| w.at == at as isize);
        let cancel = layout.cancel.iter().map(|&at| (at, of(at).map_or(0, |w| w.value))).collect();
        let (modules, generation) = Modules::read(&layout);
        Ok(Self {
            layout,
            modules: AtomicPtr::new(Box::into_raw(Box::new(modules))),
            generation: Wide::new(generation),
            renewing: Lock::new(()),
            next_id: AtomicU32::new(FIRST_ID),
            current: AtomicIsize::new(0),
            cancel,
        })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes that a block takes at the top of a slot: a multiple of 128.
    pub(crate) fn room(&self) -> usize {
        (self.layout.below + self.layout.above).next_multiple_of(128)
    }

    /// Makes a block in the `room()` bytes at `area`, which are zero, for a goroutine whose stack is
    /// `stack`. `None` when memory has run out.
    ///
    /// # Safety
    /// The area is aligned to 128 bytes and belongs to the block for ever.
    pub(crate) unsafe fn create(&self, area: usize, stack: Range<usize>) -> Option<usize> {
        let l = &self.layout;
        let tp = area + self.room() - l.above;
        let place = ptr::with_exposed_provenance_mut(tp);
        // SAFETY: the block's memory is ours and zero, which is what the function takes.
        if unsafe { (l.private.allocate)(place) }.is_null() {
            return None;
        }
        let put = |offset: isize, value: usize| {
            // SAFETY: an aligned word of the block, which nobody else knows yet.
            unsafe { at(tp, offset).write(value) };
        };
        for &Word { at, value, inside } in &l.words {
            put(at, if inside { tp.wrapping_add(value) } else { value });
        }
        put(l.list as isize, tp + l.list);
        put((l.list + size_of::<usize>()) as isize, tp + l.list);
        put(l.stack as isize, stack.start);
        put((l.stack + size_of::<usize>()) as isize, stack.len());
        self.reset_rseq(tp);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as for `put`; ids are 32 bits wide.
        unsafe { at(tp, l.tid as isize).cast::<u32>().write(id) };
        Some(tp)
    }

    /// Tells the C library that the kernel does not keep the block's area up to date.
    fn reset_rseq(&self, tp: usize) {
        let Some(area) = self.layout.rseq else { return };
        for (i, value) in [RSEQ_REFUSED, 0, 0, 0].into_iter().enumerate() {
            let word = at(tp, area + 8 * i as isize).cast::<u64>();
            // SAFETY: the area has 32 bytes; only the thread itself and the kernel use it.
            unsafe { word.write_unaligned(value) };
        }
    }

    /// Makes a block whose goroutine has ended as good as new.
    ///
    /// # Safety
    /// No thread points at the block, and what ended ran [`leave`](super::leave) last.
    #[inline]
    pub(crate) unsafe fn renew(&self, tp: usize) {
        self.refresh();
        // SAFETY: `refresh` and `new` store only leaked boxes.
        let modules = unsafe { &*self.modules.load(Ordering::Acquire) };
        for part in &modules.parts {
            if !part.module.is_libc || modules.merged {
                // SAFETY: a static module has this part in every block, ours alone now.
                unsafe { part.fill(tp) };
            }
        }
        if modules.merged {
            core::hint::cold_path();
            self.refill(tp);
        }
        if modules.dynamic {
            // SAFETY: passed on.
            unsafe { free_dynamic(tp) };
        }
        for &(offset, value) in &self.cancel {
            let word = at(tp, offset as isize);
            // SAFETY: (both) a word of the block's descriptor.
            if unsafe { word.read() } != value {
                // SAFETY: as above.
                unsafe { word.write(value) };
            }
        }
    }

    /// The words of a new block below the thread pointer.
    #[cold]
    fn refill(&self, tp: usize) {
        for &Word { at: offset, value, inside } in self.layout.words.iter().filter(|w| w.at < 0) {
            let value = if inside { tp.wrapping_add(value) } else { value };
            // SAFETY: an aligned word of the block, which is the caller's alone.
            unsafe { at(tp, offset).write(value) };
        }
    }

    /// Looks whether modules have come or gone.
    #[inline]
    fn refresh(&self) {
        let now = tls::generation();
        if now != self.generation.load(Ordering::Acquire) {
            self.renew_modules();
        }
    }

    #[cold]
    fn renew_modules(&self) {
        let _one = self.renewing.lock();
        let (modules, generation) = Modules::read(&self.layout);
        // The old list leaks: another thread may be reading it, and modules rarely come.
        self.modules.store(Box::into_raw(Box::new(modules)), Ordering::Release);
        self.generation.store(generation, Ordering::Release);
    }

    /// Lends the allocator's state of one block to another: both are used by this thread only, one
    /// after the other.
    ///
    /// # Safety
    /// Both are blocks, and neither is used by another thread.
    #[inline]
    pub(crate) unsafe fn hand_over(&self, from: usize, to: usize) {
        for &offset in &self.layout.malloc {
            // SAFETY: (both) a word of a block.
            let word = unsafe { at(from, offset).read() };
            // SAFETY: as above.
            unsafe { at(to, offset).write(word) };
        }
    }

    /// Tells where the runtime's own word is in the calling thread's block: it is at the same offset in
    /// every block, unless it is in a module whose thread-locals are allocated on first use.
    pub(crate) fn current_is_at(&self, addr: usize) {
        let offset = addr.wrapping_sub(base::get()) as isize;
        if (-(self.layout.below as isize)..0).contains(&offset) {
            self.current.store(offset, Ordering::Relaxed);
        }
    }

    /// Where that word is in a block; 0 if it must be asked for on the block.
    #[inline]
    pub(crate) fn current_in(&self, block: usize) -> usize {
        match self.current.load(Ordering::Relaxed) {
            0 => 0,
            offset => block.wrapping_add_signed(offset),
        }
    }

    /// The kernel stops writing into the calling thread's block, so that another thread may use it.
    /// False if it will not.
    pub(crate) fn detach_kernel(&self) -> Option<Detached> {
        let Some(area) = self.layout.rseq else { return Some(Detached(None)) };
        let area = base::get().wrapping_add_signed(area);
        let len = tls::rseq_unregister(area)?;
        Some(Detached(Some((area, len))))
    }
}

/// A thread whose block the kernel does not write to.
#[derive(Debug)]
pub(crate) struct Detached(Option<(usize, u32)>);

impl Detached {
    /// The calling thread, which detached it, has its block for itself again.
    pub(crate) fn attach(self) {
        if let Some((area, len)) = self.0 {
            tls::rseq_register(area, len);
        }
    }
}

impl Modules {
    fn read(layout: &Layout) -> (Self, u64) {
        let (all, generation) = tls::modules();
        let tp = base::get();
        let offset = |m: &Module| m.data.wrapping_sub(tp) as isize;
        let is_static = |m: &Module| (-(layout.below as isize)..0).contains(&offset(m));
        let dynamic = !all.iter().all(is_static);
        let parts: Vec<Part> = all
            .into_iter()
            .filter(is_static)
            .map(|module| Part { at: offset(&module), module })
            .collect();
        let merged = cfg!(target_feature = "crt-static");
        (Self { parts, merged, dynamic }, generation)
    }
}

impl Part {
    /// Writes the module's initial contents.
    ///
    /// # Safety
    /// The block is the caller's alone, and the module is still loaded.
    #[inline]
    unsafe fn fill(&self, tp: usize) {
        let Module { image, file, size, .. } = self.module;
        let to = at(tp, self.at).cast::<u8>();
        // SAFETY: (both) the image has `file` bytes and the part `size`.
        unsafe { ptr::copy_nonoverlapping(ptr::with_exposed_provenance(image), to, file) };
        // SAFETY: as above.
        unsafe { to.add(file).write_bytes(0, size - file) };
    }
}

/// Frees the thread-locals of modules that are allocated on first use.
///
/// # Safety
/// The block is the caller's alone.
unsafe fn free_dynamic(tp: usize) {
    /// An entry of the vector: where the module's part is, and what to free.
    #[repr(C)]
    struct Entry {
        at: usize,
        free: usize,
    }
    // SAFETY: the word was written by the C library's `_dl_allocate_tls`.
    let vector = unsafe { at(tp, VECTOR as isize).read() };
    let vector = ptr::with_exposed_provenance_mut::<Entry>(vector);
    // SAFETY: the entry before the first holds their number.
    let count = unsafe { vector.sub(1).read() }.at;
    for i in 1..=count {
        // SAFETY: entry 0 is the generation, then one for each module.
        let entry = unsafe { &mut *vector.add(i) };
        if entry.free != 0 {
            // SAFETY: the C library allocated it for the goroutine that has ended.
            unsafe { tls::free(entry.free) };
            *entry = Entry { at: UNALLOCATED, free: 0 };
        }
    }
}

/// Values stored under keys: sequence number and value.
pub(super) type KeyBlock = [(usize, usize); FIRST_KEYS];
