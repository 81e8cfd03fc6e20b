//! The unbounded many-to-many queue under the global run queue and the global free lists.
//!
//! One seam: crossbeam's `SegQueue` in real builds, a locked `VecDeque` under the model checkers
//! (crossbeam is checked by its own authors, and its spinning would drown our models). The double
//! keeps what a model must not take for granted: `is_empty` reads a relaxed counter and orders
//! nothing, just as the real one orders nothing that its callers may lean on.

#[cfg(not(any(loom, shuttle)))]
pub(super) use crossbeam_queue::SegQueue as Queue;

#[cfg(any(loom, shuttle))]
pub(super) use double::Queue;

#[cfg(any(loom, shuttle))]
mod double {
    use crate::base::atomic::{AtomicUsize, Ordering};
    #[cfg(loom)]
    use loom::sync::Mutex;
    #[cfg(shuttle)]
    use shuttle::sync::Mutex;
    use std::collections::VecDeque;

    #[derive(Debug)]
    pub(in crate::runq) struct Queue<E> {
        items: Mutex<VecDeque<E>>,
        len: AtomicUsize,
    }

    impl<E> Queue<E> {
        pub(in crate::runq) fn new() -> Self {
            Self { items: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) }
        }

        pub(in crate::runq) fn push(&self, item: E) {
            let mut items = self.items.lock().unwrap();
            items.push_back(item);
            self.len.store(items.len(), Ordering::Relaxed);
        }

        pub(in crate::runq) fn pop(&self) -> Option<E> {
            let mut items = self.items.lock().unwrap();
            let item = items.pop_front();
            self.len.store(items.len(), Ordering::Relaxed);
            item
        }

        pub(in crate::runq) fn len(&self) -> usize {
            self.len.load(Ordering::Relaxed)
        }

        pub(in crate::runq) fn is_empty(&self) -> bool {
            self.len() == 0
        }
    }
}
