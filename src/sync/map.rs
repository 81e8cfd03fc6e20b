//! `Map`: a hash map for many goroutines.
//!
//! The keys are spread over shards, each a std `HashMap` under a read-write lock of this room, so that
//! readers of different keys, and of one, go side by side. A key's hash, equality and a value's clone
//! are the user's code and run under a shard's lock, which they may keep across a park; they must not
//! use the same map. `range` copies a shard before it calls, so its function may.

use super::rwlock::RwLock;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

const SHARDS: usize = 32;

/// On a cache line of its own.
#[repr(align(128))]
struct Shard<K, V>(RwLock<HashMap<Arc<K>, V, RandomState>>);

/// A map from keys to values that goroutines share (Go's `sync.Map`). Values come out as clones.
///
/// ```
/// use gort::sync::Map;
/// let ages = Map::new();
/// ages.store("Ada", 36);
/// assert_eq!(ages.load(&"Ada"), Some(36));
/// assert_eq!(ages.load_or_store("Ada", 40), (36, true));
/// assert!(ages.compare_and_swap("Ada", &36, 37));
/// assert_eq!(ages.load_and_delete(&"Ada"), Some(37));
/// ```
pub struct Map<K, V> {
    shards: Box<[Shard<K, V>]>,
    hash: RandomState,
}

impl<K: Eq + Hash, V: Clone> Map<K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        let hash = RandomState::new();
        let shard = |_| Shard(RwLock::new(HashMap::with_hasher(hash.clone())));
        Self { shards: (0..SHARDS).map(shard).collect(), hash }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<Arc<K>, V>> {
        // The table inside uses the low bits and the top seven.
        let at = (self.hash.hash_one(key) >> 40) as usize % SHARDS;
        &self.shards[at].0
    }

    /// The value of `key`.
    pub fn load(&self, key: &K) -> Option<V> {
        self.shard(key).read().get(key).cloned()
    }

    /// Sets the value of `key`.
    pub fn store(&self, key: K, value: V) {
        self.swap(key, value);
    }

    /// The value of `key`, and true; or sets it to `value`, and returns that, and false.
    pub fn load_or_store(&self, key: K, value: V) -> (V, bool) {
        if let Some(value) = self.load(&key) {
            return (value, true);
        }
        match self.shard(&key).write().entry(Arc::new(key)) {
            Entry::Occupied(entry) => (entry.get().clone(), true),
            Entry::Vacant(entry) => (entry.insert(value).clone(), false),
        }
    }

    /// Takes `key` out; returns its value.
    pub fn load_and_delete(&self, key: &K) -> Option<V> {
        let removed = self.shard(key).write().remove_entry(key);
        removed.map(|(_, value)| value)
    }

    /// Takes `key` out.
    pub fn delete(&self, key: &K) {
        self.load_and_delete(key);
    }

    /// Sets the value of `key`; returns what it was.
    pub fn swap(&self, key: K, value: V) -> Option<V> {
        self.shard(&key).write().insert(Arc::new(key), value)
    }

    /// Sets the value of `key` to `new` if it is `old`. Returns whether it was.
    pub fn compare_and_swap(&self, key: K, old: &V, new: V) -> bool
    where
        V: PartialEq,
    {
        let mut shard = self.shard(&key).write();
        let replaced = match shard.get_mut(&key) {
            Some(value) if value == old => Some(std::mem::replace(value, new)),
            _ => None,
        };
        drop(shard);
        replaced.is_some()
    }

    /// Takes `key` out if its value is `old`. Returns whether it was.
    pub fn compare_and_delete(&self, key: &K, old: &V) -> bool
    where
        V: PartialEq,
    {
        let mut shard = self.shard(key).write();
        let same = shard.get(key).is_some_and(|value| value == old);
        let removed = if same { shard.remove_entry(key) } else { None };
        drop(shard);
        removed.is_some()
    }

    /// Calls `f` with each key and its value until it returns false. No key comes twice; what is
    /// changed meanwhile may come as it was or as it is. `f` may use the map.
    pub fn range(&self, mut f: impl FnMut(&K, &V) -> bool) {
        for shard in &self.shards {
            let copy: Vec<(Arc<K>, V)> =
                shard.0.read().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            for (key, value) in &copy {
                if !f(key, value) {
                    return;
                }
            }
        }
    }

    /// Takes everything out.
    pub fn clear(&self) {
        for shard in &self.shards {
            let empty = HashMap::with_hasher(self.hash.clone());
            let all = std::mem::replace(&mut *shard.0.write(), empty);
            drop(all);
        }
    }
}

impl<K: Eq + Hash, V: Clone> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        self.range(|key, value| {
            map.entry(key, value);
            true
        });
        map.finish()
    }
}
