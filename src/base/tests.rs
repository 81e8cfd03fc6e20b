//! The helpers' promises. `Oneshot` between threads is in `model.rs`.

use super::heap::{Entry, Heap};
use super::oneshot::Oneshot;
use super::rng::Rng;
use core::ptr::NonNull;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A heap, the same content in order, and where the heap says each item is.
#[derive(Default)]
struct Checked {
    reference: BTreeMap<(u64, u64), usize>,
    index: Vec<Option<usize>>,
}

impl Checked {
    fn verify(&self, heap: &Heap<usize>) -> Result<(), TestCaseError> {
        prop_assert_eq!(heap.len(), self.reference.len());
        prop_assert_eq!(heap.is_empty(), self.reference.is_empty());
        let first = self.reference.first_key_value().map(|(k, v)| (*k, *v));
        prop_assert_eq!(heap.peek().map(|e| ((e.when, e.seq), e.item)), first);
        let mut indices: Vec<_> = self.reference.values().map(|&i| self.index[i]).collect();
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..heap.len()).map(Some).collect::<Vec<_>>());
        Ok(())
    }
}

proptest! {
    /// Few distinct times, so that ties are the rule; half the removals from the middle.
    #[test]
    fn heap_behaves_like_an_ordered_map(ops in prop::collection::vec((0u8..5, 0u64..8), 1..200)) {
        let mut heap = Heap::new();
        let mut checked = Checked::default();
        for (seq, (op, number)) in (0u64..).zip(ops) {
            let Checked { reference, index } = &mut checked;
            match op {
                0..=2 => {
                    let item = index.len();
                    index.push(None);
                    reference.insert((number, seq), item);
                    heap.push(Entry { when: number, seq, item }, |&i, at| index[i] = Some(at));
                }
                3 => {
                    let expected = reference.pop_first();
                    let got = heap.pop(|&i, at| index[i] = Some(at));
                    prop_assert_eq!(got.map(|e| ((e.when, e.seq), e.item)), expected);
                }
                _ if reference.is_empty() => {}
                _ => {
                    let nth = number as usize % reference.len();
                    let (&key, &item) = reference.iter().nth(nth).unwrap();
                    reference.remove(&key);
                    let at = index[item].unwrap();
                    let got = heap.remove(at, |&i, at| index[i] = Some(at));
                    prop_assert_eq!(((got.when, got.seq), got.item), (key, item));
                }
            }
            checked.verify(&heap)?;
        }
    }
}

#[test]
fn heap_sorts_a_thousand() {
    let (mut heap, rng) = (Heap::new(), Rng::new(1));
    for seq in 0..1000 {
        heap.push(Entry { when: u64::from(rng.bounded(50)), seq, item: () }, |_, _| {});
    }
    let out: Vec<_> = std::iter::from_fn(|| heap.pop(|_, _| {})).map(|e| (e.when, e.seq)).collect();
    assert_eq!(out.len(), 1000);
    assert!(out.is_sorted());
}

#[test]
fn rng_is_wyrand() {
    // Worked out from the published formula with arbitrary-precision integers.
    let first_three = |seed| {
        let rng = Rng::new(seed);
        [(); 3].map(|()| rng.next_u64())
    };
    assert_eq!(
        first_three(0),
        [0x111c_b3a7_8f59_a58e, 0xceab_d938_ff4e_856d, 0x61fb_5131_8f47_d2a4]
    );
    assert_eq!(
        first_three(u64::MAX),
        [0xba1d_c814_e82d_5d44, 0x57ac_cfe8_5fe2_9d15, 0x3afa_6e61_6fb3_aa6f]
    );
}

#[test]
fn bounded_stays_below_and_reaches_everything() {
    let rng = Rng::new(42);
    assert_eq!(rng.bounded(0), 0);
    for n in 1..=64 {
        let mut hits = vec![0u32; n as usize];
        (0..200 * n).for_each(|_| hits[rng.bounded(n) as usize] += 1);
        assert!(hits.iter().all(|&h| (100..300).contains(&h)), "n = {n}: {hits:?}");
    }
    assert!((0..1000).any(|_| rng.next_u32() > u32::MAX / 2));
}

#[test]
fn oneshot_tells_exactly_one_side() {
    let waiter = NonNull::from(&0u64).cast();
    let early = Oneshot::new();
    assert!(!early.is_fired());
    assert!(early.arm(waiter));
    assert!(!early.is_fired());
    assert_eq!(early.fire(), Some(waiter));
    assert!(early.is_fired());
    let late = Oneshot::new();
    assert_eq!(late.fire(), None);
    assert!(!late.arm(waiter));
    assert!(late.is_fired());
}
