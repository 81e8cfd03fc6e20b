//! `SingleFlight`: one does the work that many ask for.

use super::{Mutex, WaitGroup};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// Calls for the same key at the same time are made once, and all get the result (Go's
/// `singleflight`). Nothing is kept: a call that comes when none is under way makes a new one.
///
/// ```
/// use gort::sync::{SingleFlight, WaitGroup};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::Arc;
/// gort::run(|| {
///     let (flights, calls) = (Arc::new(SingleFlight::new()), Arc::new(AtomicU32::new(0)));
///     let wg = WaitGroup::new();
///     for _ in 0..10 {
///         let (flights, calls) = (flights.clone(), calls.clone());
///         wg.go(move || {
///             let (page, _shared) = flights.run("page", || {
///                 calls.fetch_add(1, Ordering::Relaxed);
///                 gort::time::sleep(std::time::Duration::from_millis(5)); // slow work
///                 "contents"
///             });
///             assert_eq!(page, "contents");
///         });
///     }
///     wg.wait();
///     // One call, unless somebody came only after it had ended.
///     assert!((1..=10).contains(&calls.load(Ordering::Relaxed)));
/// });
/// ```
pub struct SingleFlight<K, V>(Mutex<HashMap<K, Arc<Call<V>>>>);

/// A call under way.
struct Call<V> {
    /// Zero when it has landed.
    under_way: WaitGroup,
    /// None: it ended without a result.
    result: Mutex<Option<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Nothing under way.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The result of `f`, or of a call for `key` that is under way: then, and for its maker if others
    /// waited, true comes with it. If the one that is waited for ends without a result (a panic, a
    /// goexit), whoever waited makes its own.
    pub fn run(&self, key: K, f: impl FnOnce() -> V) -> (V, bool) {
        loop {
            let call = {
                let mut calls = self.0.lock();
                match calls.get(&key) {
                    Some(call) => call.clone(),
                    None => {
                        let call = Call { under_way: WaitGroup::new(), result: Mutex::new(None) };
                        let call = Arc::new(call);
                        call.under_way.add(1);
                        calls.insert(key.clone(), call.clone());
                        drop(calls);
                        return self.make(&key, &call, f);
                    }
                }
            };
            call.under_way.wait();
            let result = call.result.lock().clone();
            if let Some(result) = result {
                return (result, true);
            }
        }
    }

    fn make(&self, key: &K, call: &Arc<Call<V>>, f: impl FnOnce() -> V) -> (V, bool) {
        /// Lands the call, however it ends.
        struct Landing<'a, K: Eq + Hash + Clone, V: Clone>(
            &'a SingleFlight<K, V>,
            &'a K,
            &'a Arc<Call<V>>,
        );
        impl<K: Eq + Hash + Clone, V: Clone> Drop for Landing<'_, K, V> {
            fn drop(&mut self) {
                self.0.remove(self.1, |call| Arc::ptr_eq(call, self.2));
                self.2.under_way.done();
            }
        }
        let landing = Landing(self, key, call);
        let result = f();
        *call.result.lock() = Some(result.clone());
        drop(landing);
        // The map's reference is gone, and nobody can get a new one.
        (result, Arc::strong_count(call) > 1)
    }

    /// Lets the next call for `key` be made anew, even if one is under way.
    pub fn forget(&self, key: &K) {
        self.remove(key, |_| true);
    }

    fn remove(&self, key: &K, which: impl FnOnce(&Arc<Call<V>>) -> bool) {
        let mut calls = self.0.lock();
        let removed =
            if calls.get(key).is_some_and(which) { calls.remove_entry(key) } else { None };
        drop(calls);
        drop(removed);
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").field("under_way", &self.0.lock().len()).finish()
    }
}
