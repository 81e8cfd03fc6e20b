//! Things goroutines and threads wait on together, built on `park` and `ready` alone.

#[cfg(not(any(loom, shuttle)))]
mod condvar;
#[cfg(not(any(loom, shuttle)))]
mod flight;
#[cfg(not(any(loom, shuttle)))]
mod group;
#[cfg(not(any(loom, shuttle)))]
mod lazy;
#[cfg(not(any(loom, shuttle)))]
mod map;
#[cfg(not(any(loom, shuttle)))]
mod mutex;
mod once;
#[cfg(not(any(loom, shuttle)))]
mod pool;
mod raw;
#[cfg(not(any(loom, shuttle)))]
mod rwlock;
mod sema;
mod semaphore;
#[cfg(not(any(loom, shuttle)))]
mod waitgroup;

#[cfg(not(any(loom, shuttle)))]
pub use condvar::{Barrier, BarrierWaitResult, Condvar, WaitTimeoutResult};
#[cfg(not(any(loom, shuttle)))]
pub use flight::SingleFlight;
#[cfg(not(any(loom, shuttle)))]
pub use group::ErrGroup;
#[cfg(not(any(loom, shuttle)))]
pub use lazy::LazyLock;
#[cfg(not(any(loom, shuttle)))]
pub use map::Map;
#[cfg(not(any(loom, shuttle)))]
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard};
pub use once::{Once, OnceLock};
#[cfg(not(any(loom, shuttle)))]
pub use pool::Pool;
#[cfg(not(any(loom, shuttle)))]
pub use rwlock::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::Semaphore;
#[cfg(not(any(loom, shuttle)))]
pub use waitgroup::WaitGroup;

#[cfg(all(test, any(loom, shuttle)))]
mod model;
