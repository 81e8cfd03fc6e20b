//! `Wide`: a 64-bit number that several threads use, on every target. `width.rs` picks:
//!
//! * 64-bit targets have [`Word`], which *is* `AtomicU64`: no wrapper, no cost.
//! * 32-bit targets have `Pair`: two halves and a turn. Not all of them have a 64-bit atomic, and
//!   where there is one it is a loop around an instruction that locks the bus (x86) or a pair of
//!   reservations (arm), for loads too.
//!
//! A due time, a goroutine's number and a wait group's state do not fit 32 bits, which is why they
//! are here; whatever fits is an `AtomicU32` or an `AtomicUsize`.
//!
//! # The protocol of `Pair`
//!
//! `turn` is even while nobody writes. Who writes takes it (even → odd), changes the halves and
//! passes it on (odd → the next even number). Who reads reads the turn, the halves, and the turn
//! again, and believes the halves if both were the same even number.
//!
//! *Nobody believes a torn number.* A reader that sees a half of some update sees, by the two fences,
//! at its second look at the turn at least the odd number which that update took. Its first look gave
//! a smaller number, or the even one after it, and then by the Release of passing on and the Acquire
//! of looking both halves were that update's. (A reader that sleeps between its looks while exactly
//! 2³¹ updates happen would be fooled; the numbers kept here change some hundred times a second, and
//! where they change faster, each reader is a writer.)
//!
//! *Orderings.* Updates follow one another through `turn` by Acquire and Release, and a reader
//! acquires what it believes: every operation is at least as strong as Acquire, Release or AcqRel,
//! whatever is asked for. `SeqCst` is not to be asked for: as everywhere in the crate a store-load pair
//! is ordered by fences, and since the turn is one word, the argument for these is that for one word.
//!
//! *Not from a signal handler*: it would wait for the update it has interrupted. A thread that is
//! descheduled in the middle of one keeps the others waiting, so they yield.
//!
//! Rejected: a lock of `sys` (readers would write, and the scheduler looks at every P's next due
//! time each round); 32-bit times that wrap (a sleep of more than 2 s would need care at each
//! comparison).

#[cfg(any(test, not(target_pointer_width = "64")))]
pub(crate) use pair::Pair;

/// `AtomicU64` under the name it has here.
#[cfg(target_pointer_width = "64")]
pub(crate) use super::atomic::AtomicU64 as Word;

#[cfg(any(test, not(target_pointer_width = "64")))]
mod pair {
    use crate::base::atomic::{AtomicU32, Ordering, fence, spin_loop, yield_now};

    /// Looks before the thread gives its place to whoever holds the turn.
    const SPINS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 64 };

    /// A `u64` in two halves; see the head of the file. The methods are those of `AtomicU64`.
    pub(crate) struct Pair {
        /// Odd while somebody writes.
        turn: AtomicU32,
        /// Written in one's turn.
        low: AtomicU32,
        high: AtomicU32,
    }

    #[cfg_attr(any(loom, shuttle, target_pointer_width = "64"), allow(dead_code))]
    impl Pair {
        #[cfg(not(loom))]
        pub(crate) const fn new(value: u64) -> Self {
            let [low, high] = halves(value);
            Self { turn: AtomicU32::new(0), low: AtomicU32::new(low), high: AtomicU32::new(high) }
        }

        #[cfg(loom)]
        pub(crate) fn new(value: u64) -> Self {
            let [low, high] = halves(value);
            Self { turn: AtomicU32::new(0), low: AtomicU32::new(low), high: AtomicU32::new(high) }
        }

        #[inline]
        pub(crate) fn load(&self, _: Ordering) -> u64 {
            let mut looks = 0;
            loop {
                // Pairs with the Release in `update`.
                let turn = self.turn.load(Ordering::Acquire);
                if turn.is_multiple_of(2) {
                    let value = self.value();
                    fence(Ordering::Acquire); // pairs with the fence in `update`
                    if self.turn.load(Ordering::Relaxed) == turn {
                        return value;
                    }
                }
                wait(&mut looks);
            }
        }

        #[inline]
        pub(crate) fn store(&self, value: u64, _: Ordering) {
            self.update(|_| value);
        }

        #[inline]
        pub(crate) fn fetch_add(&self, step: u64, _: Ordering) -> u64 {
            self.update(|value| value.wrapping_add(step))
        }

        #[inline]
        pub(crate) fn fetch_sub(&self, step: u64, _: Ordering) -> u64 {
            self.update(|value| value.wrapping_sub(step))
        }

        /// Replaces the number; returns the one before.
        fn update(&self, change: impl FnOnce(u64) -> u64) -> u64 {
            let turn = self.take_turn();
            fence(Ordering::Release); // pairs with the fence in `load`
            let was = self.value();
            let [low, high] = halves(change(was));
            self.low.store(low, Ordering::Relaxed);
            self.high.store(high, Ordering::Relaxed);
            // Pairs with the Acquires in `load` and `take_turn`.
            self.turn.store(turn.wrapping_add(2), Ordering::Release);
            was
        }

        /// Makes the turn odd; returns the even number it was.
        fn take_turn(&self) -> u32 {
            let mut looks = 0;
            loop {
                let turn = self.turn.load(Ordering::Relaxed);
                if turn.is_multiple_of(2)
                    && self
                        .turn
                        // Acquire: pairs with the Release in `update`.
                        .compare_exchange_weak(turn, turn + 1, Ordering::Acquire, Ordering::Relaxed)
                        .is_ok()
                {
                    return turn;
                }
                wait(&mut looks);
            }
        }

        fn value(&self) -> u64 {
            let low = self.low.load(Ordering::Relaxed);
            let high = self.high.load(Ordering::Relaxed);
            u64::from(high) << 32 | u64::from(low)
        }
    }

    /// Low and high half.
    #[allow(clippy::cast_possible_truncation)] // that is what it is for
    const fn halves(value: u64) -> [u32; 2] {
        [value as u32, (value >> 32) as u32]
    }

    /// Between two looks at a turn that is another's.
    #[cold]
    fn wait(looks: &mut u32) {
        *looks += 1;
        if *looks < SPINS { spin_loop() } else { yield_now() }
    }

    impl core::fmt::Debug for Pair {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            self.load(Ordering::Relaxed).fmt(f)
        }
    }
}

/// On every target both widths, between threads and at the carry; `model.rs` has their orders.
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::Pair;
    use crate::base::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
    use std::thread;

    macro_rules! both {
        ($($test:ident),* $(,)?) => {
            #[cfg(target_pointer_width = "64")]
            mod word {
                $(#[test] fn $test() { super::$test!(super::super::Word) })*
            }
            mod pair {
                $(#[test] fn $test() { super::$test!(super::Pair) })*
            }
        };
    }

    macro_rules! steps_carry_and_borrow {
        ($wide:ty) => {{
            static WIDE: $wide = <$wide>::new(0xffff_fffe);
            use super::{AcqRel, Acquire, Relaxed, Release};
            assert_eq!(WIDE.fetch_add(1, AcqRel), 0xffff_fffe);
            assert_eq!(WIDE.fetch_add(1, Relaxed), 0xffff_ffff);
            assert_eq!(WIDE.load(Acquire), 1 << 32);
            assert_eq!(WIDE.fetch_sub(1, AcqRel), 1 << 32);
            assert_eq!(WIDE.load(Relaxed), 0xffff_ffff);
            WIDE.store(u64::MAX, Release);
            assert_eq!(WIDE.fetch_add(2, AcqRel), u64::MAX);
            assert_eq!(WIDE.fetch_sub(2, AcqRel), 1);
            assert_eq!(format!("{WIDE:?}"), u64::MAX.to_string());
        }};
    }

    /// Every number is given out once, across the carry.
    macro_rules! numbers_are_unique {
        ($wide:ty) => {{
            const EACH: u64 = 20_000;
            let first = (1 << 32) - 2 * EACH;
            let wide = <$wide>::new(first);
            let mut given: Vec<u64> = super::thread::scope(|s| {
                let take = || (0..EACH).map(|_| wide.fetch_add(1, super::Relaxed)).collect();
                let takers: [_; 4] = std::array::from_fn(|_| s.spawn(take));
                takers.into_iter().flat_map(|t| -> Vec<u64> { t.join().unwrap() }).collect()
            });
            given.sort_unstable();
            assert!(given.into_iter().eq(first..first + 4 * EACH));
        }};
    }

    /// Both halves always say the same, however a reader and two writers meet.
    macro_rules! no_number_is_torn {
        ($wide:ty) => {{
            let wide = <$wide>::new(0);
            super::thread::scope(|s| {
                for step in [1_u64, 2] {
                    let wide = &wide;
                    s.spawn(move || {
                        for i in (0..20_000).map(|i| 3 * i + step) {
                            wide.store(i << 32 | i, super::Release);
                        }
                    });
                }
                for _ in 0..20_000 {
                    let seen = wide.load(super::Acquire);
                    assert_eq!(seen >> 32, seen & 0xffff_ffff);
                }
            });
        }};
    }

    use {no_number_is_torn, numbers_are_unique, steps_carry_and_borrow};
    both!(steps_carry_and_borrow, numbers_are_unique, no_number_is_torn);
}
