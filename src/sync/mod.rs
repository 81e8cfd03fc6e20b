//! Things goroutines and threads wait on together, built on `park` and `ready` alone.

mod condvar;
mod map;
mod mutex;
mod once;
mod pool;
mod raw;
mod rwlock;
mod sema;
mod semaphore;
mod waitgroup;

pub use condvar::{Barrier, BarrierWaitResult, Condvar, WaitTimeoutResult};
pub use map::Map;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceLock};
pub use pool::Pool;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::Semaphore;
pub use waitgroup::WaitGroup;
