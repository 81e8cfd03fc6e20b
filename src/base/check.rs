//! What the models of every room share: one spelling for loom and shuttle, and memory that notices
//! when it is touched without order.
//!
//! loom visits every schedule within its preemption bound and every value a relaxed load may
//! return; shuttle plays random schedules of a sequentially consistent machine, for models too large
//! for loom.

#[cfg(loom)]
pub(crate) use loom::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

/// Runs `f` under every schedule (loom) or a few thousand of them (shuttle).
#[cfg(loom)]
pub(crate) fn check(f: impl Fn() + Send + Sync + 'static) {
    loom::model(f);
}

/// Runs `f` under every schedule (loom) or a few thousand of them (shuttle).
#[cfg(shuttle)]
pub(crate) fn check(f: impl Fn() + Send + Sync + 'static) {
    let f = std::sync::Arc::new(f);
    let again = f.clone();
    shuttle::check_random(move || f(), 2000);
    shuttle::check_pct(move || again(), 2000, 3);
}

/// Ordinary memory. Touching it from two threads without a happens-before edge (loom), or at the
/// same time (shuttle), fails the model.
pub(crate) struct Plain {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<usize>,
    #[cfg(shuttle)]
    cell: shuttle::sync::RwLock<usize>,
}

// SAFETY: that accesses are ordered is what the models find out; loom's cell checks each of them.
#[cfg(loom)]
unsafe impl Sync for Plain {}

impl Plain {
    #[cfg(loom)]
    pub(crate) fn new(value: usize) -> Self {
        Self { cell: loom::cell::UnsafeCell::new(value) }
    }

    #[cfg(shuttle)]
    pub(crate) fn new(value: usize) -> Self {
        Self { cell: shuttle::sync::RwLock::new(value) }
    }

    /// Adds one; returns what was there.
    #[cfg(loom)]
    pub(crate) fn bump(&self) -> usize {
        self.cell.with_mut(|value| {
            // SAFETY: loom has just checked that nobody else is here.
            unsafe {
                *value += 1;
                *value - 1
            }
        })
    }

    /// Adds one; returns what was there.
    #[cfg(shuttle)]
    pub(crate) fn bump(&self) -> usize {
        let mut value = self.cell.try_write().expect("two threads at once");
        shuttle::thread::yield_now();
        *value += 1;
        *value - 1
    }

    #[cfg(loom)]
    pub(crate) fn get(&self) -> usize {
        // SAFETY: loom has just checked that nobody writes.
        self.cell.with(|value| unsafe { *value })
    }

    #[cfg(shuttle)]
    pub(crate) fn get(&self) -> usize {
        *self.cell.try_read().expect("somebody writes")
    }
}
