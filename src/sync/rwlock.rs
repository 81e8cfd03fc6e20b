//! `RwLock`: many readers or one writer; a waiting writer holds off new readers (Go's algorithm,
//! `sync/rwmutex.go`).
//!
//! `readers` counts readers, those held off too; a writer takes [`WRITER`] from it, so that it is
//! negative while a writer is there or waits. `leaving` is how many readers the writer still has to
//! wait for. Writers exclude each other with a mutex. On unlock all readers that were held off go on
//! before the next writer.

use super::raw::RawMutex;
use super::sema::Sema;
use crate::base::fatal::fatal;
use crate::g::WaitReason;
use crate::sched::goexit;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};

/// More than there can be readers.
const WRITER: i32 = 1 << 30;

/// See the head.
#[derive(Debug)]
struct RawRwLock {
    writers: RawMutex,
    readers: AtomicI32,
    leaving: AtomicI32,
    readers_wait: Sema,
    writer_waits: Sema,
}

impl RawRwLock {
    const fn new() -> Self {
        Self {
            writers: RawMutex::new(),
            readers: AtomicI32::new(0),
            leaving: AtomicI32::new(0),
            readers_wait: Sema::new(),
            writer_waits: Sema::new(),
        }
    }

    #[inline]
    fn read(&self) {
        // Acquire: pairs with the writer's Release in `unlock_write`.
        if self.readers.fetch_add(1, Ordering::Acquire) < 0 {
            self.readers_wait.acquire(false, WaitReason::RwLockRead);
        }
    }

    fn try_read(&self) -> bool {
        let more = |n: i32| (n >= 0).then_some(n + 1);
        self.readers.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).is_ok()
    }

    #[inline]
    fn unlock_read(&self) {
        // Release: pairs with the writer's Acquire in `write`.
        let left = self.readers.fetch_sub(1, Ordering::Release) - 1;
        if left < 0 {
            self.unlock_read_slow(left);
        }
    }

    #[cold]
    fn unlock_read_slow(&self, left: i32) {
        if left + 1 == 0 || left + 1 == -WRITER {
            fatal(format_args!("sync: RUnlock of unlocked RWMutex"));
        }
        // AcqRel: the last one passes on to the writer what all of them did.
        if self.leaving.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.writer_waits.release();
        }
    }

    fn write(&self) {
        self.writers.lock();
        let readers = self.readers.fetch_sub(WRITER, Ordering::AcqRel);
        if readers != 0 && self.leaving.fetch_add(readers, Ordering::AcqRel) + readers != 0 {
            self.writer_waits.acquire(false, WaitReason::RwLockWrite);
        }
    }

    fn try_write(&self) -> bool {
        if !self.writers.try_lock() {
            return false;
        }
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        let alone = self.readers.compare_exchange(0, -WRITER, success, failure).is_ok();
        if !alone {
            self.writers.unlock();
        }
        alone
    }

    /// Lets the writer go on as a reader, and those readers who waited with it.
    fn downgrade(&self) {
        let readers = self.readers.fetch_add(WRITER + 1, Ordering::Release) + WRITER;
        for _ in 0..readers {
            self.readers_wait.release();
        }
        self.writers.unlock();
    }

    fn unlock_write(&self) {
        let readers = self.readers.fetch_add(WRITER, Ordering::Release) + WRITER;
        if readers >= WRITER {
            fatal(format_args!("sync: Unlock of unlocked RWMutex"));
        }
        for _ in 0..readers {
            self.readers_wait.release();
        }
        self.writers.unlock();
    }
}

/// A lock that many may hold to read, or one to write (Go's `sync.RWMutex`), around what it protects.
/// A writer that waits holds off new readers, so reading twice in one goroutine may wait for ever.
/// Guards may be kept across anything that blocks; there is no poisoning.
///
/// ```
/// use gort::sync::RwLock;
/// let lock = RwLock::new(vec![1]);
/// {
///     let (a, b) = (lock.read(), lock.read());
///     assert_eq!(a.len() + b.len(), 2);
///     assert!(lock.try_write().is_none());
/// }
/// lock.write().push(2);
/// assert_eq!(lock.into_inner(), [1, 2]);
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    value: UnsafeCell<T>,
}

// SAFETY: the raw lock admits readers or one writer; readers share the value, writers pass it on.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: it owns its value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { raw: RawRwLock::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks to read; waits while a writer holds the lock or waits for it.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        goexit::point();
        self.raw.read();
        RwLockReadGuard { lock: self, _not_send: PhantomData }
    }

    /// Locks to write; waits for everyone who holds it.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        goexit::point();
        self.raw.write();
        RwLockWriteGuard { lock: self, _not_send: PhantomData }
    }

    /// Locks to read, if no writer holds the lock or waits for it.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.raw.try_read().then(|| RwLockReadGuard { lock: self, _not_send: PhantomData })
    }

    /// Locks to write, if nobody holds it.
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.raw.try_write().then(|| RwLockWriteGuard { lock: self, _not_send: PhantomData })
    }

    /// The value, without locking: the exclusive reference is proof enough.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(value) => f.debug_tuple("RwLock").field(&&*value).finish(),
            None => f.write_str("RwLock(<locked>)"),
        }
    }
}

macro_rules! guard {
    ($Guard:ident $Mapped:ident $unlock:ident $what:literal $($mutable:tt)?) => {
        #[doc = concat!("Proof that an [`RwLock`] is locked to ", $what, "; unlocks it when dropped.")]
        #[must_use = "the lock is given back at once if the guard is not kept"]
        pub struct $Guard<'a, T: ?Sized> {
            lock: &'a RwLock<T>,
            _not_send: PhantomData<*const ()>,
        }

        #[doc = concat!("Proof that an [`RwLock`] is locked to ", $what, ", for a part of what it protects.")]
        #[doc = concat!("From [`", stringify!($Guard), "::map`]; unlocks it when dropped.")]
        #[must_use = "the lock is given back at once if the guard is not kept"]
        pub struct $Mapped<'a, T: ?Sized> {
            raw: &'a RawRwLock,
            part: NonNull<T>,
            /// As a borrow of the value would be; with the pointer, not `Send`.
            _value: PhantomData<&'a $($mutable)? T>,
        }

        // SAFETY: sharing the guard shares the value.
        unsafe impl<T: ?Sized + Sync> Sync for $Guard<'_, T> {}
        // SAFETY: sharing the guard shares the part.
        unsafe impl<T: ?Sized + Sync> Sync for $Mapped<'_, T> {}

        impl<'a, T: ?Sized> $Guard<'a, T> {
            /// A guard of a part of what is protected. Called as a function of the type, as std's.
            pub fn map<U: ?Sized>(
                $($mutable)? this: Self,
                f: impl FnOnce(&$($mutable)? T) -> &$($mutable)? U,
            ) -> $Mapped<'a, U> {
                // Before the guard is forgotten: if `f` panics, it unlocks.
                let part = NonNull::from(f(&$($mutable)? this));
                let raw = &this.lock.raw;
                std::mem::forget(this);
                $Mapped { raw, part, _value: PhantomData }
            }
        }

        impl<T: ?Sized> Deref for $Guard<'_, T> {
            type Target = T;
            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: this guard holds the lock, and writers have exclusive guards.
                unsafe { &*self.lock.value.get() }
            }
        }

        impl<T: ?Sized> Deref for $Mapped<'_, T> {
            type Target = T;
            fn deref(&self) -> &T {
                // SAFETY: the part lives as long as the value, which this guard has locked.
                unsafe { self.part.as_ref() }
            }
        }

        impl<T: ?Sized> Drop for $Guard<'_, T> {
            #[inline]
            fn drop(&mut self) {
                self.lock.raw.$unlock();
            }
        }

        impl<T: ?Sized> Drop for $Mapped<'_, T> {
            fn drop(&mut self) {
                self.raw.$unlock();
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $Guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $Mapped<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

guard!(RwLockReadGuard MappedRwLockReadGuard unlock_read "read");
guard!(RwLockWriteGuard MappedRwLockWriteGuard unlock_write "write" mut);

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MappedRwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the part lives as long as the value, and this guard is the only one.
        unsafe { self.part.as_mut() }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// A guard that reads, without letting a writer in between. Called as a function of the type, as
    /// std's.
    ///
    /// ```
    /// use gort::sync::{RwLock, RwLockWriteGuard};
    /// let lock = RwLock::new(1);
    /// let mut write = lock.write();
    /// *write += 1;
    /// let read = RwLockWriteGuard::downgrade(write);
    /// assert_eq!((*read, lock.try_read().is_some(), lock.try_write().is_none()), (2, true, true));
    /// ```
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        let lock = this.lock;
        std::mem::forget(this);
        lock.raw.downgrade();
        RwLockReadGuard { lock, _not_send: PhantomData }
    }
}

/// As std's: a panic in a critical section unlocks, and what it left is for the program to know.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}
