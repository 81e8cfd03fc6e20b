//! loom's `membarrier`: a full fence that one thread makes another execute.
//!
//! `membarrier(PRIVATE_EXPEDITED)` promises its caller that, before it returns, every other running
//! thread of the process has executed a full barrier at *some* point of its program order. loom
//! knows no such thing, so the model spells it out as a handshake: [`barrier`] raises a request,
//! the target's [`poll`] - called at every place where the interrupt may land - answers with
//! `fence(SeqCst)`, and `barrier` returns after the answer. Since loom chooses when the request is
//! raised, and lets the target's relaxed load of it lag, every landing place is explored.
//!
//! The handshake orders no more than the system call does: both flags are relaxed, and the only
//! edges come from the fences, one on the target, one on either side of the caller's wait.
//!
//! One target per model, the first thread to call [`become_target`]. A thread that is not running
//! answers at once in the kernel (the context switch was its barrier): [`leave_cpu`].

use loom::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::OnceLock;

struct Ipi {
    /// A plain cell outside loom's sight: identity is not part of the protocol.
    target: OnceLock<loom::thread::ThreadId>,
    asked: AtomicBool,
    answered: AtomicBool,
    off_cpu: AtomicBool,
}

loom::lazy_static! {
    static ref IPI: Ipi = Ipi {
        target: OnceLock::new(),
        asked: AtomicBool::new(false),
        answered: AtomicBool::new(false),
        off_cpu: AtomicBool::new(false),
    };
}

/// The calling thread is the one that [`barrier`] interrupts.
pub(crate) fn become_target() {
    let me = loom::thread::current().id();
    assert!(IPI.target.set(me).is_ok(), "one target per model");
}

/// The target goes to sleep or ends; from now on barriers do not wait for it.
pub(crate) fn leave_cpu() {
    fence(Ordering::SeqCst);
    IPI.off_cpu.store(true, Ordering::Relaxed);
}

/// A place where the interrupt may land. Does nothing on any thread but the target.
pub(crate) fn poll() {
    if IPI.target.get() != Some(&loom::thread::current().id()) {
        return;
    }
    if IPI.asked.load(Ordering::Relaxed) {
        IPI.asked.store(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        IPI.answered.store(true, Ordering::Relaxed);
    }
}

/// What `membarrier` does for its caller. One caller at a time.
pub(crate) fn barrier() {
    fence(Ordering::SeqCst);
    IPI.asked.store(true, Ordering::Relaxed);
    while !IPI.answered.load(Ordering::Relaxed) && !IPI.off_cpu.load(Ordering::Relaxed) {
        loom::hint::spin_loop();
    }
    IPI.answered.store(false, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}
