//! Everything that is one number on 64-bit targets and another on 32-bit ones, in one place, so
//! that both can be tested on either.
//!
//! Invariant: nothing outside this file asks for `target_pointer_width`, but for the two kinds of
//! 64-bit atomics (`wide.rs`, `atomic.rs`) of which it picks one, and the names of C's types in
//! `sys`; and no number here is larger than its target's `usize`. Sizes are `u64`, which holds them
//! wherever this is compiled.

/// A 64-bit number that several threads use.
#[cfg(not(target_pointer_width = "64"))]
pub(crate) use super::wide::Pair as Wide;
/// A 64-bit number that several threads use.
#[cfg(target_pointer_width = "64")]
pub(crate) use super::wide::Word as Wide;

/// The numbers of one width.
#[derive(Debug)]
pub(crate) struct Width {
    /// Cap of a goroutine's stack, in bytes: Go's limits.
    max_stack: u64,
    /// Log2 of the largest size class a stack can have.
    largest_class_log2: u32,
    /// Most bytes to ask the system for at once, for stacks. Much of an address space in one piece
    /// may not be had, or not twice.
    largest_chunk: u64,
    /// Address space that stacks leave to others: one of glibc's per-thread heaps takes 64 MiB on
    /// 64-bit targets, and 128 MiB for a moment.
    spare: u64,
    /// The default stack ladder: goroutines alive up to, bytes reserved for each. `u64::MAX` is
    /// "all beyond".
    ladder: [(u64, u64); 3],
}

/// 47 bits of addresses: 131,070 reservations of 1 GiB. The ladder is the measured one of the
/// design.
const WIDTH_64: Width = Width {
    max_stack: 1 << 30,
    largest_class_log2: 46,
    largest_chunk: 1 << 40,
    spare: 192 << 20,
    ladder: [(16_384, 1 << 30), (131_072, 64 << 20), (u64::MAX, 256 << 10)],
};

/// 2 to 4 GiB of addresses, shared with everything else: a few large stacks, then dense.
const WIDTH_32: Width = Width {
    max_stack: 250_000_000,
    largest_class_log2: 28,
    largest_chunk: 1 << 26,
    spare: 16 << 20,
    ladder: [(4, 64 << 20), (256, 1 << 20), (u64::MAX, 128 << 10)],
};

/// The numbers of the target.
const HERE: Width = if usize::BITS == 64 { WIDTH_64 } else { WIDTH_32 };

/// Cap of a goroutine's stack in bytes: 1 GiB, or 250 MB on 32-bit targets.
pub(crate) const MAX_STACK: usize = fit(HERE.max_stack);
/// Log2 of the largest size class a stack can have: 64 TiB, or 256 MiB.
pub(crate) const LARGEST_CLASS_LOG2: usize = HERE.largest_class_log2 as usize;
/// Most bytes to ask the system for at once, for stacks.
pub(crate) const LARGEST_CHUNK_BYTES: usize = fit(HERE.largest_chunk);
/// Address space that stacks leave to others, in bytes.
pub(crate) const SPARE: usize = fit(HERE.spare);
/// The default stack ladder: goroutines alive up to, bytes reserved for each.
pub(crate) const LADDER: [(usize, usize); 3] = {
    let [(a, x), (b, y), (c, z)] = HERE.ladder;
    [(fit(a), fit(x)), (fit(b), fit(y)), (fit(c), fit(z))]
};

/// A number as a `usize`; "all beyond" stays that.
const fn fit(number: u64) -> usize {
    if number == u64::MAX {
        return usize::MAX;
    }
    #[allow(clippy::cast_possible_truncation)] // checked in the next line
    let fits = number as usize;
    assert!(fits as u64 == number);
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses a program can have: bits of a `usize` and bytes of user address space.
    const BOTH: [(&Width, u32, u64); 2] = [(&WIDTH_64, 64, 1 << 47), (&WIDTH_32, 32, 2 << 30)];

    #[test]
    fn the_caps_are_gos() {
        assert_eq!(WIDTH_64.max_stack, 1 << 30);
        assert_eq!(WIDTH_32.max_stack, 250_000_000);
    }

    #[test]
    fn a_stack_of_the_largest_size_fits_its_class_and_the_addresses() {
        for (width, bits, addresses) in BOTH {
            let largest = 1_u64 << width.largest_class_log2;
            assert!(width.max_stack <= largest);
            assert!(largest <= addresses / 2, "{largest} of {addresses}");
            assert!(width.largest_class_log2 < bits - 1);
            assert!(width.largest_chunk <= addresses / 16);
            assert!(width.spare <= width.largest_chunk);
        }
    }

    #[test]
    fn a_ladder_goes_down_in_powers_of_two_and_fits_the_addresses() {
        for (width, _, addresses) in BOTH {
            let mut alive = 0;
            let mut reserved = 0;
            let mut above = u64::MAX;
            for (up_to, bytes) in width.ladder {
                assert!(bytes.is_power_of_two() && bytes < above && up_to > alive);
                assert!(bytes <= width.max_stack.next_power_of_two());
                if up_to != u64::MAX {
                    reserved += (up_to - alive) * bytes;
                }
                (alive, above) = (up_to, bytes);
            }
            assert_eq!(alive, u64::MAX, "the last rung serves all beyond");
            // What is left is for the last rung and for the program itself.
            assert!(reserved <= addresses / 2, "{reserved} of {addresses}");
        }
    }

    #[test]
    fn every_number_fits_a_word_of_its_width() {
        for (width, bits, _) in BOTH {
            let ladder = width.ladder.iter().flat_map(|(up_to, bytes)| [*up_to, *bytes]);
            let sizes =
                [width.max_stack, width.largest_chunk, width.spare, 1 << width.largest_class_log2];
            for number in ladder.chain(sizes).filter(|n| *n != u64::MAX) {
                assert!(bits == 64 || number < 1 << bits, "{number} in {bits} bits");
            }
        }
    }

    #[test]
    fn the_target_has_the_numbers_of_its_width() {
        let width = if cfg!(target_pointer_width = "64") { &WIDTH_64 } else { &WIDTH_32 };
        assert_eq!(MAX_STACK as u64, width.max_stack);
        assert_eq!(LADDER[0].1 as u64, width.ladder[0].1);
        assert_eq!(LADDER[2].0, usize::MAX);
        assert_eq!(1 << LARGEST_CLASS_LOG2, 1_u64 << width.largest_class_log2);
        assert_eq!((LARGEST_CHUNK_BYTES as u64, SPARE as u64), (width.largest_chunk, width.spare));
    }
}
