//! A 4-ary min-heap ordered by (when, seq), for timers.
//!
//! Four children to a node, as in Go's timer heap: half the levels of a binary heap for a
//! comparison or two more on each, and the four children share a cache line or two. `seq` makes
//! entries with the same time come out in the order in which they were numbered.
//!
//! The heap tells where each item sits: every move of an entry, and only a move (or its arrival), is
//! reported to `moved(item, index)`, so the item can keep its index and be removed from the middle.
//!
//! Invariants: no entry is less than its parent, `(i - 1) / 4`; an item's last reported index is
//! where it is.

const ARITY: usize = 4;

/// An item and its place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    pub(crate) when: u64,
    /// Orders entries with the same `when`. No two entries have both the same.
    pub(crate) seq: u64,
    pub(crate) item: T,
}

impl<T> Entry<T> {
    fn before(&self, other: &Self) -> bool {
        (self.when, self.seq) < (other.when, other.seq)
    }
}

/// The heap. Items are handles, copied about freely.
#[derive(Debug)]
pub(crate) struct Heap<T> {
    entries: Vec<Entry<T>>,
}

impl<T: Copy> Heap<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The earliest entry.
    pub(crate) fn peek(&self) -> Option<&Entry<T>> {
        self.entries.first()
    }

    pub(crate) fn push(&mut self, entry: Entry<T>, mut moved: impl FnMut(&T, usize)) {
        self.entries.push(entry);
        self.sift_up(self.entries.len() - 1, entry, &mut moved);
    }

    /// Takes the earliest entry.
    pub(crate) fn pop(&mut self, moved: impl FnMut(&T, usize)) -> Option<Entry<T>> {
        if self.entries.is_empty() { None } else { Some(self.remove(0, moved)) }
    }

    /// Takes the entry at `index`, which is the last one reported for it.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn remove(&mut self, index: usize, mut moved: impl FnMut(&T, usize)) -> Entry<T> {
        let removed = self.entries[index];
        let last = self.entries.len() - 1;
        let orphan = self.entries[last];
        self.entries.truncate(last);
        if index != last {
            // The orphan comes from another branch, so it may be early for this one, or late.
            if orphan.before(&removed) {
                self.sift_up(index, orphan, &mut moved);
            } else {
                self.sift_down(index, orphan, &mut moved);
            }
        }
        removed
    }

    /// Puts `entry` where the hole at `hole` ends up after it has risen past later parents.
    fn sift_up(&mut self, mut hole: usize, entry: Entry<T>, moved: &mut impl FnMut(&T, usize)) {
        while hole > 0 {
            let parent = (hole - 1) / ARITY;
            if !entry.before(&self.entries[parent]) {
                break;
            }
            self.place(hole, self.entries[parent], moved);
            hole = parent;
        }
        self.place(hole, entry, moved);
    }

    /// Puts `entry` where the hole at `hole` ends up after it has sunk past earlier children.
    fn sift_down(&mut self, mut hole: usize, entry: Entry<T>, moved: &mut impl FnMut(&T, usize)) {
        while let Some(child) = self.earliest_child(hole) {
            if !self.entries[child].before(&entry) {
                break;
            }
            self.place(hole, self.entries[child], moved);
            hole = child;
        }
        self.place(hole, entry, moved);
    }

    fn earliest_child(&self, of: usize) -> Option<usize> {
        let first = of * ARITY + 1;
        let end = (first + ARITY).min(self.entries.len());
        (first..end).reduce(|a, b| if self.entries[b].before(&self.entries[a]) { b } else { a })
    }

    fn place(&mut self, index: usize, entry: Entry<T>, moved: &mut impl FnMut(&T, usize)) {
        self.entries[index] = entry;
        moved(&entry.item, index);
    }
}
