//! The ladder: how much address space a goroutine's stack reserves, by how many are alive.
//!
//! A reservation of 1 GiB costs 8 KB of page tables and there are only 131,070 of them; one of
//! 256 KiB costs 0.5 KB. So the first goroutines alive get the largest slots and the crowd gets
//! dense ones. No count of the living is needed: a rung may *create* only as many slots as its
//! share, dead slots are reused lowest rung first, so a higher rung is reached exactly when all of
//! the lower rungs' slots are alive.

use super::arena::{Kind, class_bytes, class_for};
use crate::base::width;
use std::fmt;

/// Most rungs a ladder can have: each keeps a free list in every P.
pub(crate) const MAX_RUNGS: usize = 4;
/// Slots of a rung from this size on are roomy: their page tables cost a page each, whatever they
/// have besides.
const ROOMY: usize = 1 << 20;

/// One step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rung {
    /// Size class of the slots.
    pub(crate) class: u8,
    /// How they are laid out.
    pub(crate) kind: Kind,
    /// How many slots this rung may create; `usize::MAX` on the last.
    pub(crate) share: usize,
}

/// A checked ladder, capped at the maximum stack size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ladder {
    rungs: [Rung; MAX_RUNGS],
    len: usize,
}

/// Why a ladder was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LadderError(pub(crate) String);

impl fmt::Display for LadderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ladder {
    /// Checks `steps` (goroutines alive up to, bytes reserved for each) and rounds the sizes up to
    /// powers of two, none above `max_stack`.
    pub(crate) fn new(steps: &[(usize, usize)], max_stack: usize) -> Result<Self, LadderError> {
        let refuse = |why: String| Err(LadderError(why));
        if steps.is_empty() || steps.len() > MAX_RUNGS {
            return refuse(format!(
                "a stack ladder has 1 to {MAX_RUNGS} rungs, not {}",
                steps.len()
            ));
        }
        let mut rungs = [Rung { class: 0, kind: Kind::Dense, share: 0 }; MAX_RUNGS];
        let mut below = 0;
        for (i, &(upto, bytes)) in steps.iter().enumerate() {
            let last = i + 1 == steps.len();
            if bytes == 0 {
                return refuse(format!("rung {i} of the stack ladder reserves 0 bytes"));
            }
            if !last && upto <= below {
                return refuse(format!("rung {i} ends at {upto}, not after the rung before it"));
            }
            let Some(class) = class_for(bytes.min(max_stack)) else {
                return refuse(format!("rung {i} reserves {bytes} bytes, more than can be mapped"));
            };
            if i > 0 && class_bytes(class) > class_bytes(rungs[i - 1].class) {
                return refuse(format!("rung {i} is larger than the rung before it"));
            }
            let share = if last { usize::MAX } else { upto - below };
            // A rung that the cap cuts is as large as the cap, not a little smaller.
            let roomy = class_bytes(class) >= ROOMY || bytes >= max_stack;
            let kind = if roomy { Kind::Roomy } else { Kind::Dense };
            rungs[i] = Rung { class, kind, share };
            below = upto;
        }
        Ok(Self { rungs, len: steps.len() })
    }

    /// The default, whose largest rung is the cap. 64-bit: 1 GiB for the first 16,384, 64 MiB up to
    /// 131,072, 256 KiB beyond (the measured default of the design); 32-bit: a few large ones, then
    /// dense.
    ///
    /// # Errors
    /// When the cap cannot be mapped.
    pub(crate) fn default_for(max_stack: usize) -> Result<Self, LadderError> {
        let mut steps = width::LADDER;
        steps[0].1 = steps[0].1.max(max_stack);
        Self::new(&steps, max_stack)
    }

    pub(crate) fn rungs(&self) -> &[Rung] {
        &self.rungs[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ladder_is_as_documented() {
        let l = Ladder::default_for(super::super::DEFAULT_MAX_STACK).unwrap();
        let shares: Vec<usize> = l.rungs().iter().map(|r| r.share).collect();
        let [(first, large), (second, medium), (_, dense)] = width::LADDER;
        assert_eq!(shares, [first, second - first, usize::MAX]);
        let bytes: Vec<usize> = l.rungs().iter().map(|r| class_bytes(r.class)).collect();
        assert_eq!(bytes, [large, medium, dense]);
        let kinds: Vec<Kind> = l.rungs().iter().map(|r| r.kind).collect();
        if usize::BITS == 64 {
            assert_eq!(kinds, [Kind::Roomy, Kind::Roomy, Kind::Dense]);
        }
    }

    #[test]
    fn bad_ladders_are_refused_with_a_reason() {
        for (steps, why) in [
            (&[][..], "1 to 4 rungs"),
            (&[(10, 0)], "reserves 0 bytes"),
            (&[(10, 1 << 20), (10, 1 << 20), (20, 1 << 20)], "not after"),
            (&[(10, 1 << 20), (20, 1 << 28)], "larger than"),
        ] {
            let err = Ladder::new(steps, 1 << 28).unwrap_err();
            assert!(err.0.contains(why), "{err}");
        }
        assert!(Ladder::new(&[(1, usize::MAX)], usize::MAX).is_err());
    }

    #[test]
    fn the_cap_cuts_every_rung() {
        let l = Ladder::default_for(1 << 20).unwrap();
        assert!(l.rungs().iter().all(|r| class_bytes(r.class) <= 1 << 20));
        let [_, _, (_, dense)] = width::LADDER;
        let l = Ladder::default_for(dense).unwrap();
        assert!(l.rungs().iter().all(|r| r.kind == Kind::Roomy), "each is the cap");
    }
}
