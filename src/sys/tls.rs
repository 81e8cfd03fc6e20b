//! What the thread-local room asks of the C library and the kernel: private symbols, the list of
//! modules with thread-locals, threads on a given stack, and small experiments. No policy.
//!
//! Private symbols are looked up at run time where there is a dynamic linker, so that a C library
//! without them is refused in words; a static executable binds them when it is linked.

#[cfg(target_feature = "crt-static")]
use std::ffi::c_char;
use std::ffi::{CStr, c_int, c_void};
use std::{io, ptr};

type Allocate = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type StaticInfo = unsafe extern "C" fn(*mut usize, *mut usize);
type CallDtors = unsafe extern "C" fn();

/// The C library's own functions for blocks of thread-locals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Private {
    /// Gives the block at the argument a vector of its own and initialises static modules' parts.
    pub(crate) allocate: Allocate,
    /// Writes size and alignment of a thread's static block, descriptor included.
    pub(crate) static_info: StaticInfo,
    /// Runs the calling thread's destructors of thread-locals.
    pub(crate) call_dtors: CallDtors,
    /// The table of `pthread_key_create`, if it can be seen.
    pub(crate) keys: Option<usize>,
}

#[cfg(target_feature = "crt-static")]
mod symbols {
    use super::{Private, c_char, c_void};

    unsafe extern "C" {
        fn _dl_allocate_tls(tp: *mut c_void) -> *mut c_void;
        fn _dl_get_tls_static_info(size: *mut usize, align: *mut usize);
        fn __call_tls_dtors();
        static __pthread_keys: c_char;
        static __rseq_offset: isize;
        static __rseq_size: u32;
    }

    pub(super) fn private() -> Result<Private, String> {
        Ok(Private {
            allocate: _dl_allocate_tls,
            static_info: _dl_get_tls_static_info,
            call_dtors: __call_tls_dtors,
            keys: Some((&raw const __pthread_keys).addr()),
        })
    }

    pub(super) fn rseq() -> Option<(isize, u32)> {
        // SAFETY: the C library sets both before it runs anything of ours.
        Some(unsafe { (__rseq_offset, __rseq_size) })
    }

    /// A static executable has no symbols to look up at run time.
    pub(super) fn find(_name: &std::ffi::CStr) -> Option<usize> {
        None
    }
}

#[cfg(not(target_feature = "crt-static"))]
mod symbols {
    use super::{Allocate, CStr, CallDtors, Private, StaticInfo};

    pub(super) fn find(name: &CStr) -> Option<usize> {
        // SAFETY: a lookup in all loaded modules, by a terminated name.
        let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        (!at.is_null()).then(|| at.expose_provenance())
    }

    fn must(name: &CStr) -> Result<usize, String> {
        find(name).ok_or_else(|| format!("the C library has no {}", name.to_string_lossy()))
    }

    pub(super) fn private() -> Result<Private, String> {
        let (allocate, info) = (must(c"_dl_allocate_tls")?, must(c"_dl_get_tls_static_info")?);
        let dtors = must(c"__call_tls_dtors")?;
        // SAFETY: glibc declares the three so since 2.26; the callers check that it is glibc.
        unsafe {
            Ok(Private {
                allocate: std::mem::transmute::<usize, Allocate>(allocate),
                static_info: std::mem::transmute::<usize, StaticInfo>(info),
                call_dtors: std::mem::transmute::<usize, CallDtors>(dtors),
                keys: find(c"__pthread_keys"),
            })
        }
    }

    pub(super) fn rseq() -> Option<(isize, u32)> {
        let offset = std::ptr::with_exposed_provenance::<isize>(find(c"__rseq_offset")?);
        let size = std::ptr::with_exposed_provenance::<u32>(find(c"__rseq_size")?);
        // SAFETY: both are public constants of these types.
        Some(unsafe { (offset.read(), size.read()) })
    }
}

/// The private functions, or which is missing.
///
/// # Errors
/// The name of a missing one.
pub(crate) fn private() -> Result<Private, String> {
    symbols::private()
}

/// Address of a symbol of any loaded module; `None` in a static executable.
pub(crate) fn find(name: &CStr) -> Option<usize> {
    symbols::find(name)
}

/// Address of the next symbol of a name after the module this is in.
#[cfg(not(target_feature = "crt-static"))]
pub(crate) fn find_next(name: &CStr) -> Option<usize> {
    // SAFETY: a lookup by a terminated name.
    let at = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    (!at.is_null()).then(|| at.expose_provenance())
}

/// Offset from the thread pointer of the area for restartable sequences, and its size (0: the C
/// library did not register one). `None` before glibc 2.35.
pub(crate) fn rseq() -> Option<(isize, u32)> {
    symbols::rseq()
}

/// The version of the C library, such as "2.36".
pub(crate) fn libc_version() -> String {
    // SAFETY: returns a static string.
    let text = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    text.to_string_lossy().into_owned()
}

/// Whether the CPU's instructions to write the thread register may be used.
pub(crate) fn have_fsgsbase() -> bool {
    const HWCAP2_FSGSBASE: u64 = 2;
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_FSGSBASE != 0 }
}

/// One module with thread-locals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module {
    /// The initial contents: address, bytes; then bytes in all.
    pub(crate) image: usize,
    pub(crate) file: usize,
    pub(crate) size: usize,
    /// Where the calling thread's copy is.
    pub(crate) data: usize,
    /// Whether it holds the C library's code.
    pub(crate) is_libc: bool,
}

#[cfg(not(target_feature = "crt-static"))]
#[repr(C)]
struct Index {
    module: usize,
    offset: usize,
}

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    #[cfg(not(target_feature = "crt-static"))]
    fn __tls_get_addr(index: *const Index) -> *mut c_void;
}

fn each_object(mut visit: impl FnMut(&libc::dl_phdr_info) -> bool) {
    /// # Safety
    /// `visit` is an `F` that nobody else uses, `info` the linker's record.
    unsafe extern "C" fn one<F: FnMut(&libc::dl_phdr_info) -> bool>(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        visit: *mut c_void,
    ) -> c_int {
        // SAFETY: `visit` is the closure passed below, used by one call at a time; the linker
        // passes a filled-in record.
        let go_on = unsafe { (*visit.cast::<F>())(&*info) };
        c_int::from(!go_on)
    }
    fn of<F: FnMut(&libc::dl_phdr_info) -> bool>(
        _: &F,
    ) -> unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int {
        one::<F>
    }
    let call = of(&visit);
    // SAFETY: the callback matches the closure it is given.
    unsafe { libc::dl_iterate_phdr(Some(call), (&raw mut visit).cast()) };
}

/// Counts the modules loaded and unloaded so far.
pub(crate) fn generation() -> u64 {
    let mut count = 0;
    each_object(|object| {
        count = object.dlpi_adds + object.dlpi_subs;
        false
    });
    count
}

/// Every module that has thread-locals, with the number [`generation`] had.
pub(crate) fn modules() -> (Vec<Module>, u64) {
    // Collected first, asked about later: `__tls_get_addr` may allocate, and the list is locked.
    let mut found: Vec<(Module, usize)> = Vec::with_capacity(16);
    let mut count = 0;
    let libc_code = libc::gnu_get_libc_version as *const () as usize;
    each_object(|object| {
        count = object.dlpi_adds + object.dlpi_subs;
        // SAFETY: the linker passes the object's table of segments.
        let segments =
            unsafe { std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
        let base = object.dlpi_addr as usize;
        let is_libc = segments.iter().any(|s| {
            let at = base.wrapping_add(s.p_vaddr as usize);
            s.p_type == libc::PT_LOAD && (at..at + s.p_memsz as usize).contains(&libc_code)
        });
        for s in segments.iter().filter(|s| s.p_type == libc::PT_TLS) {
            let module = Module {
                image: base.wrapping_add(s.p_vaddr as usize),
                file: s.p_filesz as usize,
                size: s.p_memsz as usize,
                data: object.dlpi_tls_data.expose_provenance(),
                is_libc,
            };
            found.push((module, object.dlpi_tls_modid));
        }
        true
    });
    let locate = |(mut module, id): (Module, usize)| {
        if module.data == 0 {
            module.data = touch(id);
        }
        module
    };
    (found.into_iter().map(locate).collect(), count)
}

/// Makes the calling thread have its copy of a module's thread-locals, and returns where it is: the
/// linker does not tell while the thread's vector is older than the module.
#[cfg(not(target_feature = "crt-static"))]
fn touch(module: usize) -> usize {
    let index = Index { module, offset: 0 };
    // SAFETY: the module was listed a moment ago.
    unsafe { __tls_get_addr(&raw const index).expose_provenance() }
}

/// In a static executable every module is there from the start, and told.
#[cfg(target_feature = "crt-static")]
fn touch(_module: usize) -> usize {
    0
}

/// Runs `body(arg)` on a thread of its own whose stack is `[at, at + len)`, and waits for its end.
///
/// # Errors
/// The system's, when it refuses the thread.
///
/// # Safety
/// The memory is page-aligned and unused; `body` may be called with `arg` on another thread.
pub(crate) unsafe fn on_stack(
    at: *mut c_void,
    len: usize,
    body: extern "C" fn(*mut c_void) -> *mut c_void,
    arg: *mut c_void,
) -> io::Result<()> {
    let check = |rc: c_int| if rc == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(rc)) };
    let mut attr = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = 0;
    // SAFETY: the attribute is initialised first, the stack is the caller's promise.
    unsafe {
        check(libc::pthread_attr_init(attr.as_mut_ptr()))?;
        check(libc::pthread_attr_setstack(attr.as_mut_ptr(), at, len))?;
        let made = check(libc::pthread_create(&raw mut thread, attr.as_ptr(), body, arg));
        libc::pthread_attr_destroy(attr.as_mut_ptr());
        made?;
        check(libc::pthread_join(thread, ptr::null_mut()))
    }
}

/// The kernel's record of the calling thread's robust mutexes: lies in its descriptor, whatever the
/// thread register says. Callable in a signal handler.
pub(crate) fn robust_list() -> Option<usize> {
    let (mut head, mut len) = (0_usize, 0_usize);
    // SAFETY: writes two words; 0 names the calling thread.
    let rc = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    (rc == 0 && head != 0).then_some(head)
}

/// Reads a word that may not be there.
pub(crate) fn peek(addr: usize) -> Option<usize> {
    let mut word = 0_usize;
    let here = libc::iovec { iov_base: (&raw mut word).cast(), iov_len: size_of::<usize>() };
    let there =
        libc::iovec { iov_base: ptr::without_provenance_mut(addr), iov_len: size_of::<usize>() };
    // SAFETY: copies within our own process; a bad address is an error.
    let n = unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const here, 1, &raw const there, 1, 0)
    };
    (n == size_of::<usize>() as isize).then_some(word)
}

/// `pthread_self` as a number.
pub(crate) fn pthread_self() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::pthread_self() as usize }
}

/// Where `errno` is for whoever the thread register points at.
pub(crate) fn errno_place() -> *mut c_int {
    // SAFETY: no preconditions.
    unsafe { __errno_location() }
}

/// Puts the C library's locale of the calling thread back to the process's.
pub(crate) fn global_locale() {
    const LC_GLOBAL_LOCALE: libc::locale_t = ptr::without_provenance_mut(usize::MAX);
    // SAFETY: the constant is valid for every thread.
    unsafe { libc::uselocale(LC_GLOBAL_LOCALE) };
}

/// Allocates and frees so that the C library's allocator has set up the calling thread.
pub(crate) fn exercise_malloc() {
    for bytes in [40, 2000] {
        // SAFETY: freed at once; the write keeps the pair from being optimized out.
        unsafe {
            let at = libc::malloc(bytes);
            if !at.is_null() {
                ptr::write_volatile(at.cast::<u8>(), 1);
                libc::free(at);
            }
        }
    }
}

/// Frees what the C library allocated.
///
/// # Safety
/// `at` came from its `malloc` and is not used any more.
pub(crate) unsafe fn free(at: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(ptr::with_exposed_provenance_mut(at)) };
}

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    fn pthread_setcanceltype(kind: c_int, old: *mut c_int) -> c_int;
}

/// Makes the calling thread one that cannot be cancelled, of the other type, so that a comparison
/// shows where the C library keeps both.
pub(crate) fn disturb_cancellation() {
    let mut old: c_int = 0;
    // SAFETY: (both) the constants are PTHREAD_CANCEL_DISABLE and PTHREAD_CANCEL_ASYNCHRONOUS.
    unsafe { pthread_setcancelstate(1, &raw mut old) };
    // SAFETY: as above; a disabled thread is not cancelled asynchronously either.
    unsafe { pthread_setcanceltype(1, &raw mut old) };
}

/// A key for per-thread values, deleted when dropped.
#[derive(Debug)]
pub(crate) struct Key(libc::pthread_key_t);

impl Key {
    /// A key without destructor, or with one.
    pub(crate) fn new(destroy: Option<unsafe extern "C" fn(*mut c_void)>) -> Option<Self> {
        let mut key = 0;
        // SAFETY: writes one key.
        let rc = unsafe { libc::pthread_key_create(&raw mut key, destroy) };
        (rc == 0).then_some(Self(key))
    }

    pub(crate) fn index(&self) -> usize {
        self.0 as usize
    }

    pub(crate) fn set(&self, value: usize) -> bool {
        set_key(self.index(), value)
    }

    pub(crate) fn get(&self) -> usize {
        // SAFETY: the key exists.
        unsafe { libc::pthread_getspecific(self.0) }.addr()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key exists.
        unsafe { libc::pthread_key_delete(self.0) };
    }
}

/// Sets the calling thread's value of a key.
pub(crate) fn set_key(key: usize, value: usize) -> bool {
    let value = ptr::with_exposed_provenance::<c_void>(value);
    // SAFETY: a key that does not exist is an error.
    unsafe { libc::pthread_setspecific(key as libc::pthread_key_t, value) == 0 }
}

/// Signature of the C library's registrations with the kernel ("RSEQ_SIG" of x86-64).
const RSEQ_SIGNATURE: u32 = 0x5305_3053;
const RSEQ_UNREGISTER: c_int = 1;

fn rseq_call(area: usize, len: u32, flags: c_int) -> bool {
    // SAFETY: the kernel checks area and signature against what is registered; a registration is
    // made only for the area the C library reserved in the calling thread's own block.
    unsafe { libc::syscall(libc::SYS_rseq, area, len, flags, RSEQ_SIGNATURE) == 0 }
}

/// Ends the kernel's writing into the calling thread's area at `area`; returns the length it had.
pub(crate) fn rseq_unregister(area: usize) -> Option<u32> {
    // Sizes the kernel has had: the original one, and multiples of its alignment since.
    (1..=8).map(|n| n * 32).find(|&len| rseq_call(area, len, RSEQ_UNREGISTER))
}

/// Registers the calling thread's area again.
pub(crate) fn rseq_register(area: usize, len: u32) -> bool {
    rseq_call(area, len, 0)
}

/// A mutex of the C library that remembers its owner: recursive, and robust on request.
#[derive(Debug)]
pub(crate) struct Owned(Box<std::cell::UnsafeCell<libc::pthread_mutex_t>>);

impl Owned {
    pub(crate) fn new(robust: bool) -> Self {
        let this = Self(Box::new(std::cell::UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER)));
        let mut attr = std::mem::MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        // SAFETY: the attribute is initialised first; the mutex is ours and unused.
        unsafe {
            libc::pthread_mutexattr_init(attr.as_mut_ptr());
            libc::pthread_mutexattr_settype(attr.as_mut_ptr(), libc::PTHREAD_MUTEX_RECURSIVE);
            if robust {
                libc::pthread_mutexattr_setrobust(attr.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST);
            }
            libc::pthread_mutex_init(this.0.get(), attr.as_ptr());
        }
        this
    }

    /// True if the caller has it now.
    pub(crate) fn try_lock(&self) -> bool {
        // SAFETY: an initialised mutex.
        unsafe { libc::pthread_mutex_trylock(self.0.get()) == 0 }
    }

    /// False if the caller does not have it.
    pub(crate) fn unlock(&self) -> bool {
        // SAFETY: an initialised mutex; one that remembers its owner refuses others.
        unsafe { libc::pthread_mutex_unlock(self.0.get()) == 0 }
    }
}

/// Whether character tables and the CPU's number can be had by whoever runs.
pub(crate) fn tables_work() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::isalpha(c_int::from(b'g')) != 0 && libc::sched_getcpu() >= 0 }
}

unsafe extern "C" {
    fn __cxa_thread_atexit_impl(
        destroy: unsafe extern "C" fn(*mut c_void),
        object: *mut c_void,
        dso: *mut c_void,
    ) -> c_int;
}

/// Registers a destructor of a thread-local, as compilers do.
///
/// # Safety
/// `object` may be destroyed so at the end of whoever runs.
pub(crate) unsafe fn at_thread_exit(
    destroy: unsafe extern "C" fn(*mut c_void),
    object: *mut c_void,
) {
    // Any address of the module stands for it.
    let module = destroy as *const () as *mut c_void;
    // SAFETY: the caller's promise.
    unsafe { __cxa_thread_atexit_impl(destroy, object, module) };
}

/// Runs `f` in a child process; whether it returned true there, within two seconds.
pub(crate) fn in_child(f: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls `f` and ends without destructors; like any fork of a program with
    // threads it must not need a lock that one of them may hold.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: ends the child if it hangs.
        unsafe { libc::alarm(2) };
        let ok = f();
        super::signal::exit_now(i32::from(!ok));
    }
    let mut status = 0;
    loop {
        // SAFETY: waits for our own child.
        let got = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if got >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return got == pid && pid > 0 && status == 0;
        }
    }
}
