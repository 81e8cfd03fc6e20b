//! `Pool`: values kept for reuse, per P.
//!
//! Each P has a place of its own, so that goroutines of different Ps do not meet; a goroutine whose
//! place is empty looks into the others'. A place keeps a bounded number of values and drops what
//! is beyond: where Go's pool is emptied by the garbage collector, this one never holds more than
//! [`KEEP`] per place. No code of users' runs under a place's lock.

use crate::sched::p_index;
use crate::sys::lock::Lock;
use std::fmt;

/// Places; Ps with a higher number share.
const PLACES: usize = 64;
/// Values a place keeps.
const KEEP: usize = 64;

/// One P's values, on a cache line of their own.
#[repr(align(128))]
struct Place<T>(Lock<Vec<T>>);

/// Values kept for reuse (Go's `sync.Pool`). Which value comes out is not promised, nor that one
/// that went in will.
///
/// ```
/// use gort::sync::Pool;
/// let buffers = Pool::new(|| Vec::<u8>::with_capacity(4096));
/// let mut buffer = buffers.get();
/// buffer.clear();
/// buffers.put(buffer);
/// assert!(buffers.get().capacity() >= 4096);
/// ```
pub struct Pool<T> {
    places: Box<[Place<T>]>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

impl<T> Pool<T> {
    /// An empty pool; `make` makes a value when none is there.
    #[must_use]
    pub fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let places = (0..PLACES).map(|_| Place(Lock::new(Vec::new()))).collect();
        Self { places, make: Box::new(make) }
    }

    /// A value from the pool, or a new one.
    pub fn get(&self) -> T {
        let own = p_index() % PLACES;
        if let Some(value) = self.places[own].0.lock().pop() {
            return value;
        }
        let others = (1..PLACES).map(|i| &self.places[(own + i) % PLACES]);
        let found = others.into_iter().find_map(|place| place.0.try_lock()?.pop());
        found.unwrap_or_else(|| (self.make)())
    }

    /// Gives a value for later use.
    pub fn put(&self, value: T) {
        let mut place = self.places[p_index() % PLACES].0.lock();
        let surplus = if place.len() < KEEP {
            place.push(value);
            None
        } else {
            Some(value)
        };
        drop(place);
        drop(surplus);
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
