//! The room's promises on one thread, and a stress run on several. The models prove the rest.

use super::free::{FreeGlobal, FreeLocal, MAGAZINE};
use super::global::Global;
use super::ring::{CAP, Ring};
use core::ptr::NonNull;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A pointer that stands for the number `n`; never followed.
fn token(n: usize) -> NonNull<()> {
    NonNull::without_provenance((n + 1).try_into().unwrap())
}

fn number(x: NonNull<()>) -> usize {
    x.addr().get() - 1
}

/// A ring with a single thread behind it, so that every contract on ownership holds.
struct Alone(Ring<()>);

impl Alone {
    fn new() -> Self {
        Self(Ring::new())
    }

    fn push(&self, n: usize) -> Vec<usize> {
        let mut out = Vec::new();
        // SAFETY: one thread, and the closure only appends to a vector.
        unsafe { self.0.push(token(n), |x| out.push(number(x))) };
        out
    }

    fn pop(&self) -> Option<usize> {
        // SAFETY: one thread.
        unsafe { self.0.pop() }.map(number)
    }

    fn steal_into(&self, dst: &Alone) -> Option<usize> {
        // SAFETY: one thread, and no test steals from a ring into itself.
        unsafe { self.0.steal_into(&dst.0) }.map(number)
    }

    fn drain(&self) -> Vec<usize> {
        let mut out = Vec::new();
        // SAFETY: one thread.
        unsafe { self.0.drain(|x| out.push(number(x))) };
        out
    }
}

#[test]
fn ring_is_fifo_and_knows_its_length() {
    let ring = Alone::new();
    assert!(ring.0.is_empty());
    for n in 0..CAP as usize {
        assert_eq!(ring.push(n), []);
        assert_eq!(ring.0.len(), n + 1);
    }
    assert!(!ring.0.is_empty());
    assert_eq!(ring.drain(), (0..CAP as usize).collect::<Vec<_>>());
    assert_eq!(ring.pop(), None);
}

#[test]
fn full_ring_hands_over_its_older_half_then_the_new_one() {
    let ring = Alone::new();
    let cap = CAP as usize;
    (0..cap).for_each(|n| assert_eq!(ring.push(n), []));
    let expected: Vec<_> = (0..cap / 2).chain([cap]).collect();
    assert_eq!(ring.push(cap), expected);
    assert_eq!(ring.drain(), (cap / 2..cap).collect::<Vec<_>>());
}

#[test]
fn thief_takes_half_rounded_up_and_runs_the_last() {
    for len in 0..=CAP as usize {
        let (victim, thief) = (Alone::new(), Alone::new());
        (0..len).for_each(|n| assert_eq!(victim.push(n), []));
        let taken = len - len / 2;
        assert_eq!(victim.steal_into(&thief), taken.checked_sub(1));
        assert_eq!(thief.drain(), (0..taken.saturating_sub(1)).collect::<Vec<_>>());
        assert_eq!(victim.drain(), (taken..len).collect::<Vec<_>>());
    }
}

#[test]
fn thief_without_room_takes_one() {
    let (victim, thief) = (Alone::new(), Alone::new());
    (0..CAP as usize).for_each(|n| assert_eq!(victim.push(n), []));
    (1000..1000 + CAP as usize).for_each(|n| assert_eq!(thief.push(n), []));
    assert_eq!(victim.steal_into(&thief), Some(0));
    assert_eq!(thief.drain(), (1000..1000 + CAP as usize).collect::<Vec<_>>());
    assert_eq!(victim.0.len(), CAP as usize - 1);
}

proptest! {
    /// Two rings against two deques, long enough to go round several times.
    #[test]
    fn rings_behave_like_deques(ops in prop::collection::vec((0u8..4, 0usize..2, 1usize..300), 1..60)) {
        let rings = [Alone::new(), Alone::new()];
        let mut deques = [VecDeque::new(), VecDeque::new()];
        let cap = CAP as usize;
        let mut next = 0;
        for (op, who, times) in ops {
            match op {
                0 => for _ in 0..times {
                    let mut out = Vec::new();
                    if deques[who].len() == cap {
                        out.extend(deques[who].drain(..cap / 2));
                        out.push(next);
                    } else {
                        deques[who].push_back(next);
                    }
                    prop_assert_eq!(rings[who].push(next), out);
                    next += 1;
                },
                1 => for _ in 0..times {
                    prop_assert_eq!(rings[who].pop(), deques[who].pop_front());
                },
                2 => {
                    let (victim, thief) = (who, 1 - who);
                    let len = deques[victim].len();
                    let most = cap - deques[thief].len() + 1;
                    let taken: Vec<_> = deques[victim].drain(..(len - len / 2).min(most)).collect();
                    prop_assert_eq!(rings[victim].steal_into(&rings[thief]), taken.last().copied());
                    if let Some((_, rest)) = taken.split_last() {
                        deques[thief].extend(rest);
                    }
                }
                _ => prop_assert_eq!(rings[who].drain(), deques[who].drain(..).collect::<Vec<_>>()),
            }
            prop_assert_eq!(rings[who].0.len(), deques[who].len());
            prop_assert_eq!(rings[who].0.is_empty(), deques[who].is_empty());
        }
    }
}

#[test]
fn every_element_is_taken_once_under_contention() {
    const N: usize = 20_000;
    let (ring, global) = (Ring::<()>::new(), Global::<()>::new());
    let taken: Vec<AtomicUsize> = (0..N).map(|_| AtomicUsize::new(0)).collect();
    let left = AtomicUsize::new(N);
    let take = |x: NonNull<()>| {
        assert_eq!(taken[number(x)].fetch_add(1, Ordering::Relaxed), 0);
        left.fetch_sub(1, Ordering::Relaxed);
    };
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                let own = Ring::<()>::new();
                while left.load(Ordering::Relaxed) > 0 {
                    // SAFETY: `own` is this thread's.
                    let x = unsafe { ring.steal_into(&own) }.or_else(|| global.pop());
                    x.into_iter().for_each(take);
                    // SAFETY: as above.
                    unsafe { own.drain(take) };
                    std::thread::yield_now();
                }
            });
        }
        for n in 0..N {
            // SAFETY: this thread owns `ring`; the closure pushes elsewhere and does not unwind.
            unsafe { ring.push(token(n), |x| global.push(x)) };
            if n % 3 == 0 {
                // SAFETY: as above.
                unsafe { ring.pop() }.into_iter().for_each(take);
            }
        }
        // SAFETY: as above.
        unsafe { ring.drain(take) };
        while let Some(x) = global.pop() {
            take(x);
        }
    });
    assert!(taken.iter().all(|t| t.load(Ordering::Relaxed) == 1));
}

#[test]
fn global_batch_is_a_fair_share_that_fits_a_ring() {
    let half = CAP as usize / 2;
    assert_eq!(Global::<()>::batch(0, 4), 0);
    assert_eq!(Global::<()>::batch(1, 4), 1);
    assert_eq!(Global::<()>::batch(8, 4), 3);
    assert_eq!(Global::<()>::batch(10, 1), 10);
    assert_eq!(Global::<()>::batch(usize::MAX / 4, 1), half);
    assert_eq!(Global::<()>::batch(100 * half, 4), half);
}

#[test]
fn prepended_elements_come_first_and_keep_their_order() {
    let global = Global::<()>::new();
    (10..15).for_each(|n| global.push(token(n)));
    global.prepend(|g| (0..3).for_each(|n| g.push(token(n))));
    assert_eq!(global.len(), 8);
    let order: Vec<_> = std::iter::from_fn(|| global.pop()).map(number).collect();
    assert_eq!(order, [0, 1, 2, 10, 11, 12, 13, 14]);
    assert!(global.is_empty());
}

/// A free element, with an address of its own.
#[derive(Default)]
struct Node(#[allow(dead_code)] u8);

#[test]
fn local_list_is_lifo_and_spills_its_older_half() {
    let nodes: Vec<Node> = (0..=2 * MAGAZINE).map(|_| Node::default()).collect();
    let (local, global) = (FreeLocal::new(), FreeGlobal::new());
    for (n, node) in nodes.iter().enumerate() {
        assert_eq!(local.len(), n);
        // SAFETY: the nodes outlive the lists, and each is pushed once.
        unsafe { local.push(NonNull::from(node), &global) };
    }
    assert_eq!(local.len(), MAGAZINE + 1, "the older magazine has left");
    for node in nodes[MAGAZINE..].iter().rev().chain(nodes[..MAGAZINE].iter().rev()) {
        assert_eq!(local.pop(&global), Some(NonNull::from(node)));
    }
    assert_eq!(local.pop(&global), None);
}

#[test]
fn threads_without_a_p_share_the_global_list() {
    let nodes: Vec<Node> = (0..MAGAZINE + 2).map(|_| Node::default()).collect();
    let (local, global) = (FreeLocal::new(), FreeGlobal::new());
    for node in &nodes[..MAGAZINE + 1] {
        // SAFETY: the nodes outlive the lists, and each is pushed once.
        unsafe { local.push(NonNull::from(node), &global) };
    }
    local.flush(&global);
    assert_eq!(local.len(), 0);
    // SAFETY: as above.
    unsafe { global.push(NonNull::from(&nodes[MAGAZINE + 1])) };
    let mut out: Vec<_> = std::iter::from_fn(|| global.pop()).collect();
    assert!(local.pop(&global).is_none());
    out.sort_unstable();
    assert_eq!(out, nodes.iter().map(NonNull::from).collect::<Vec<_>>());
}

proptest! {
    /// No element is lost or doubled, whatever moves between the two levels.
    #[test]
    fn free_lists_conserve_their_elements(ops in prop::collection::vec((0u8..5, 1usize..100), 1..50)) {
        let nodes: Vec<Node> = (0..300).map(|_| Node::default()).collect();
        let (a, b, global) = (FreeLocal::new(), FreeLocal::new(), FreeGlobal::new());
        let mut out: Vec<_> = nodes.iter().map(NonNull::from).collect();
        for (op, times) in ops {
            for _ in 0..times {
                match op {
                    // SAFETY: the nodes outlive the lists; what is in `out` is in no list.
                    0 => out.pop().into_iter().for_each(|x| unsafe { a.push(x, &global) }),
                    // SAFETY: as above.
                    1 => out.pop().into_iter().for_each(|x| unsafe { global.push(x) }),
                    2 => out.extend(a.pop(&global)),
                    3 => out.extend(b.pop(&global)),
                    _ => out.extend(global.pop()),
                }
                prop_assert!(a.len() <= 2 * MAGAZINE);
            }
        }
        a.flush(&global);
        b.flush(&global);
        out.extend(std::iter::from_fn(|| global.pop()));
        out.sort_unstable();
        prop_assert_eq!(out, nodes.iter().map(NonNull::from).collect::<Vec<_>>());
    }
}
