//! `Once` and `OnceLock`.

use super::raw::RawMutex;
use crate::base::atomic::{AtomicBool, Ordering};
use crate::base::const_fn;
use crate::sched::goexit;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Does something once (Go's `sync.Once`). Whoever comes while it is being done waits for the end. If
/// it panics or goexits that counts as done, and later calls return (Go).
///
/// ```
/// use gort::sync::Once;
/// static ONCE: Once = Once::new();
/// let mut times = 0;
/// ONCE.call_once(|| times += 1);
/// ONCE.call_once(|| times += 1);
/// assert!(ONCE.is_completed() && times == 1);
/// ```
pub struct Once {
    /// Release when done, Acquire when found done.
    done: AtomicBool,
    doing: RawMutex,
}

/// Unlocks, and books as done what has ended in whatever way.
struct Doing<'a>(&'a Once, bool);

impl Drop for Doing<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.done.store(true, Ordering::Release);
        }
        self.0.doing.unlock();
    }
}

impl Once {
    const_fn! {
        /// Not done yet.
        #[must_use]
        pub fn new() -> Self {
            Self { done: AtomicBool::new(false), doing: RawMutex::new() }
        }
    }

    /// Whether it has been done, and ended.
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Calls `f`, unless that has been done. When this returns it has been. A call from inside `f` on
    /// the same `Once` waits for ever.
    #[inline]
    pub fn call_once(&self, f: impl FnOnce()) {
        if !self.is_completed() {
            self.call_slow(f);
        }
    }

    #[cold]
    fn call_slow(&self, f: impl FnOnce()) {
        goexit::point();
        self.doing.lock();
        let mut doing = Doing(self, false);
        if !self.is_completed() {
            doing.1 = true;
            f();
        }
    }
}

/// A panic counts as done.
impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

impl Default for Once {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("completed", &self.is_completed()).finish()
    }
}

/// A value that is set once, by whoever comes first. An initialisation that panics has not set it.
///
/// ```
/// use gort::sync::OnceLock;
/// static NAME: OnceLock<String> = OnceLock::new();
/// assert_eq!(NAME.get(), None);
/// assert_eq!(NAME.get_or_init(|| "first".into()), "first");
/// assert_eq!(NAME.set("second".into()), Err("second".into()));
/// ```
pub struct OnceLock<T> {
    set: AtomicBool,
    setting: RawMutex,
    /// Written once, under `setting`, before `set`.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is written under the mutex before `set` says so, and then only shared.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}
// SAFETY: it owns its value.
unsafe impl<T: Send> Send for OnceLock<T> {}

struct Setting<'a>(&'a RawMutex);

impl Drop for Setting<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

impl<T> OnceLock<T> {
    const_fn! {
        /// Not set yet.
        #[must_use]
        pub fn new() -> Self {
            let (set, setting) = (AtomicBool::new(false), RawMutex::new());
            Self { set, setting, value: UnsafeCell::new(None) }
        }
    }

    /// The value, if it has been set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if !self.set.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: it is set, and not written any more.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value; `f` makes it if it has not been set. Others wait meanwhile.
    #[inline]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        if self.get().is_none() {
            self.init(f);
        }
        self.get().expect("it has been set")
    }

    #[cold]
    fn init(&self, f: impl FnOnce() -> T) {
        goexit::point();
        self.setting.lock();
        let _setting = Setting(&self.setting);
        if self.get().is_none() {
            let value = f();
            // SAFETY: it is not set, and the mutex is held: nobody reads or writes it.
            unsafe { *self.value.get() = Some(value) };
            self.set.store(true, Ordering::Release);
        }
    }

    /// Sets it.
    ///
    /// # Errors
    /// With `value`, if it had been set.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("called once"));
        value.map_or(Ok(()), Err)
    }

    /// The value, if it has been set.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// The value, if it has been set.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value; it can be set anew.
    pub fn take(&mut self) -> Option<T> {
        self.set.store(false, Ordering::Relaxed);
        self.value.get_mut().take()
    }
}

impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}

impl<T> From<T> for OnceLock<T> {
    /// One that is set.
    fn from(value: T) -> Self {
        let lock = Self::new();
        _ = lock.set(value);
        lock
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        self.get().cloned().map_or_else(Self::new, Self::from)
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceLock").field(&self.get()).finish()
    }
}
