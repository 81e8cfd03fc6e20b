//! A small fast generator for one owner: which P to rob, which ready case of a select to take.
//!
//! Not for secrets. The generator is wyrand by Wang Yi (github.com/wangyi-fudan/wyhash, public
//! domain): a counter by an odd constant, then one 64 x 64 -> 128 bit multiplication folded by xor.
//! It passes BigCrush and PractRand, has 2^64 states, and costs about a nanosecond.

use core::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// A seed from the system's randomness; another one at each call.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

/// The generator. Its owner alone may use it, which the missing `Sync` says.
#[derive(Debug)]
pub(crate) struct Rng {
    state: Cell<u64>,
}

impl Rng {
    /// Any seed will do; equal seeds give equal sequences.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: Cell::new(seed) }
    }

    #[inline]
    pub(crate) fn next_u64(&self) -> u64 {
        let state = self.state.get().wrapping_add(0xa076_1d64_78bd_642f);
        self.state.set(state);
        let product = u128::from(state) * u128::from(state ^ 0xe703_7ed1_a0b4_28db);
        (product >> 64) as u64 ^ product as u64
    }

    #[inline]
    pub(crate) fn next_u32(&self) -> u32 {
        self.next_u64() as u32
    }

    /// A number below `n`, or 0 if `n` is 0. Multiply-shift (Lemire, "Fast Random Integer Generation
    /// in an Interval", 2019) without its rejection step: the bias is at most n / 2^32.
    #[inline]
    pub(crate) fn bounded(&self, n: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(n)) >> 32) as u32
    }
}
