//! Spawn sites whose goroutines need the largest rung: one of theirs overflowed a smaller one.
//!
//! A set of addresses that only grows, written in a signal handler and read by spawners that would
//! take a smaller rung. An address is stored once (compare-exchange from zero), so an entry never
//! changes; relaxed is enough, because nothing else is published with it, and a spawner that misses
//! it serves one goroutine as before.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Places for sites; when they are full further sites stay as they are.
const PLACES: usize = 256;
/// How far from its own place a site is looked for.
const REACH: usize = 8;

/// The set.
#[derive(Debug)]
pub(crate) struct Promoted {
    count: AtomicUsize,
    places: [AtomicUsize; PLACES],
}

impl Promoted {
    pub(crate) const fn new() -> Self {
        Self { count: AtomicUsize::new(0), places: [const { AtomicUsize::new(0) }; PLACES] }
    }

    fn reach(&self, site: usize) -> impl Iterator<Item = &AtomicUsize> {
        // Functions are aligned to 16 bytes.
        let own = site / 16;
        (own..own + REACH).map(|i| &self.places[i % PLACES])
    }

    /// Adds a site; false if it was there already, or there is no room. Callable in a signal handler.
    pub(crate) fn add(&self, site: usize) -> bool {
        debug_assert!(site != 0);
        for place in self.reach(site) {
            match place.compare_exchange(0, site, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.count.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(there) if there == site => return false,
                Err(_) => {}
            }
        }
        false
    }

    /// Whether the site was added.
    #[inline]
    pub(crate) fn has(&self, site: usize) -> bool {
        self.count.load(Ordering::Relaxed) != 0
            && self.reach(site).any(|place| place.load(Ordering::Relaxed) == site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_added_once_and_found() {
        static SET: Promoted = Promoted::new();
        assert!(!SET.has(0x1000));
        assert!(SET.add(0x1000) && !SET.add(0x1000));
        assert!(SET.has(0x1000) && !SET.has(0x1010));
    }

    #[test]
    fn a_full_set_refuses_and_keeps_what_it_has() {
        static SET: Promoted = Promoted::new();
        let sites = (1..=REACH).map(|i| i * PLACES * 16);
        assert!(sites.clone().all(|site| SET.add(site)), "all want the same place");
        assert!(!SET.add((REACH + 1) * PLACES * 16));
        assert!(sites.clone().all(|site| SET.has(site)));
    }
}
