//! The order in which a thief visits the Ps: each exactly once, from a random start, by a random
//! stride, so that thieves neither meet at the same victim nor favour one.
//!
//! Idea of Go's `randomOrder`: a stride coprime to `n` walks through all residues modulo `n`.

/// The strides for one number of Ps. Made anew when GOMAXPROCS changes.
#[derive(Debug)]
pub(crate) struct Order {
    procs: u32,
    /// All numbers in `1..=procs` that are coprime to `procs`. Never empty: 1 is.
    strides: Box<[u32]>,
}

impl Order {
    /// The walks over `procs` Ps, at least one.
    pub(crate) fn new(procs: u32) -> Self {
        assert!(procs > 0);
        let strides = (1..=procs).filter(|&s| gcd(s, procs) == 1).collect();
        Self { procs, strides }
    }

    /// One walk. `random` is 32 uniform bits; the low residue picks the start, the rest the stride.
    pub(crate) fn walk(&self, random: u32) -> Walk {
        let kinds = self.strides.len() as u32;
        Walk {
            left: self.procs,
            at: random % self.procs,
            stride: self.strides[(random / self.procs % kinds) as usize],
            procs: self.procs,
        }
    }
}

/// Indices of Ps, each once.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    left: u32,
    at: u32,
    stride: u32,
    procs: u32,
}

impl Iterator for Walk {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        // One lap at most, since at < procs and stride <= procs; and no division.
        self.at += self.stride;
        if self.at >= self.procs {
            self.at -= self.procs;
        }
        Some(at as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Walk {}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
