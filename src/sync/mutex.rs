//! `Mutex`: Go's, around a value.

use super::raw::RawMutex;
use crate::sched::goexit;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

/// A mutual exclusion lock (Go's `sync.Mutex`) around what it protects. A goroutine that waits is
/// parked; a plain thread sleeps. The guard may be kept across anything that blocks. There is no
/// poisoning: a panic unlocks.
///
/// A waiter that has waited for a millisecond is handed the lock before anyone else gets it.
///
/// ```
/// use gort::sync::{Mutex, WaitGroup};
/// static TOTAL: Mutex<u32> = Mutex::new(0);
/// gort::run(|| {
///     let wg = WaitGroup::new();
///     for i in 0..10 {
///         wg.go(move || *TOTAL.lock() += i);
///     }
///     wg.wait();
///     assert_eq!(*TOTAL.lock(), 45);
/// });
/// ```
#[derive(Default)]
pub struct Mutex<T: ?Sized> {
    pub(super) raw: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the raw lock admits one guard at a time, and through it the value passes from thread to
// thread.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: it owns its value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl Default for RawMutex {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self { raw: RawMutex::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks; waits while another holds it. Not reentrant: a second lock by the holder waits for ever.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        goexit::point();
        self.raw.lock();
        MutexGuard { lock: self, _not_send: PhantomData }
    }

    /// Locks if that needs no waiting and nobody starves for it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.raw.try_lock().then(|| MutexGuard { lock: self, _not_send: PhantomData })
    }

    /// Whether somebody holds it now.
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// The value, without locking: the exclusive reference is proof enough.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// As std's: a panic in a critical section unlocks, and what it left is for the program to know.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => f.debug_tuple("Mutex").field(&&*value).finish(),
            None => f.write_str("Mutex(<locked>)"),
        }
    }
}

/// Proof that a [`Mutex`] is locked; unlocks it when dropped.
#[must_use = "the lock is given back at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(super) lock: &'a Mutex<T>,
    _not_send: PhantomData<*const ()>,
}

// SAFETY: sharing the guard shares the value.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// A guard of a part of what is protected. Call it as `MutexGuard::map(guard, f)`.
    ///
    /// ```
    /// use gort::sync::{Mutex, MutexGuard};
    /// let pair = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(pair.lock(), |pair| &mut pair.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(pair.lock().0, 2);
    /// ```
    pub fn map<U: ?Sized>(
        mut this: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        // Before the guard is forgotten: if `f` panics, it unlocks.
        let part = NonNull::from(f(&mut this));
        let raw = &this.lock.raw;
        std::mem::forget(this);
        MappedMutexGuard { raw, part, _value: PhantomData }
    }
}

/// Proof that a [`Mutex`] is locked, for a part of what it protects; from [`MutexGuard::map`].
/// Unlocks it when dropped.
#[must_use = "the lock is given back at once if the guard is not kept"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    raw: &'a RawMutex,
    part: NonNull<T>,
    /// As a borrow of the value would be; with the pointer, not `Send`.
    _value: PhantomData<&'a mut T>,
}

// SAFETY: sharing the guard shares the part.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// As [`MutexGuard::map`].
    pub fn map<U: ?Sized>(
        mut this: Self,
        f: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let part = NonNull::from(f(&mut this));
        let raw = this.raw;
        std::mem::forget(this);
        MappedMutexGuard { raw, part, _value: PhantomData }
    }
}

impl<T: ?Sized> Deref for MappedMutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the part lives as long as the value, which this guard has locked.
        unsafe { self.part.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for MappedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this guard is the only one.
        unsafe { self.part.as_mut() }
    }
}

impl<T: ?Sized> Drop for MappedMutexGuard<'_, T> {
    fn drop(&mut self) {
        self.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the lock.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
