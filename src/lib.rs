//! gort: Go's goroutine runtime for native programs.
//!
//! Goroutines are stackful coroutines on their own guarded stacks, which grow in place; they are
//! scheduled onto processors (P, [`runtime::gomaxprocs`]) that OS threads (M) carry, with work
//! stealing, as in Go.
//!
//! ```
//! gort::run(|| {
//!     let wg = gort::sync::WaitGroup::new();
//!     let squares = gort::chan(10);
//!     for i in 0..10 {
//!         let squares = squares.clone();
//!         wg.go(move || squares.send(i * i));
//!     }
//!     wg.wait();
//!     squares.close();
//!     assert_eq!(squares.iter().sum::<i32>(), 285);
//! });
//! ```
//!
//! # Thread-locals
//! A goroutine may change its OS thread whenever it blocks. Every goroutine therefore has thread-locals
//! of its own, which move with it: `thread_local!`, `errno`, `std::thread::current()`, the panic count,
//! C's `__thread`. Where that cannot be had, goroutines stay on the thread they have started on, and two rare
//! patterns of thread-locals are not sound. See [`thread_locals`].
#![cfg_attr(not(test), warn(clippy::print_stderr))]
// A model drives what it is about; the rest of its room lies idle.
#![cfg_attr(any(loom, shuttle), allow(dead_code, unused_imports, unreachable_pub))]

mod base;
mod poll;
mod runq;
mod sched;

#[cfg(not(any(loom, shuttle)))]
mod api;
mod chan;
#[cfg(not(any(loom, shuttle)))]
pub mod context;
#[cfg(not(any(loom, shuttle)))]
mod ffi;
#[cfg(not(any(loom, shuttle)))]
mod g;
/// Under a checker: the reasons alone.
#[cfg(any(loom, shuttle))]
mod g {
    mod wait;
    pub(crate) use wait::WaitReason;
}
#[cfg(not(any(loom, shuttle)))]
pub mod io;
#[cfg(not(any(loom, shuttle)))]
pub mod net;
#[cfg(not(any(loom, shuttle)))]
mod panic;
#[cfg(not(any(loom, shuttle)))]
pub mod stack;
#[cfg(not(any(loom, shuttle)))]
mod switch;
pub mod sync;
#[cfg(not(any(loom, shuttle)))]
mod sys;
/// Under a checker: what stands in for the rooms that only a real machine can run.
#[cfg(any(loom, shuttle))]
mod sys {
    pub(crate) use crate::base::stage::{clock, lock};
}
#[cfg(not(any(loom, shuttle)))]
pub mod time;
#[cfg(not(any(loom, shuttle)))]
mod timer;
#[cfg(not(any(loom, shuttle)))]
mod tls;

#[cfg(not(any(loom, shuttle)))]
pub use self::{
    api::{
        Alloc, Builder, Config, JoinHandle, OnOverflow, OnPanic, Scope, ScopedJoinHandle,
        StartError, blocking, blocking_long, go, run, runtime, scope, spawn,
    },
    chan::{
        Chan, IntoIter, Iter, Receiver, ReceiverIntoIter, ReceiverIter, RecvError,
        RecvTimeoutError, Select, SelectTimeoutError, SelectedOperation, SendError,
        SendTimeoutError, Sender, Sink, Source, TryRecvError, TrySelectError, TrySendError, chan,
        channel,
    },
    panic::{Deferred, Frame, Goexit, Panic, func},
    tls::ThreadLocals,
};

#[doc = include_str!("tls/guide.md")]
pub mod thread_locals {}

/// For the expansion of [`select!`]; no part of this crate's interface.
#[cfg(not(any(loom, shuttle)))]
#[doc(hidden)]
pub mod __select {
    pub use crate::chan::arm::{never, none, recv, run, send, take};
    pub use crate::chan::select::Wait;
}

#[cfg(not(any(loom, shuttle)))]
#[doc(hidden)]
pub use self::panic::Defer as __Defer;

/// For `benches/` of this crate; no part of its interface.
#[cfg(not(any(loom, shuttle)))]
#[doc(hidden)]
pub mod __bench {
    pub use crate::switch::cost::{raw_switch_corosensei, raw_switch_native};
}

/// The readme's programs are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
