//! How long the monitor sleeps between two looks: Go's curve, with a ceiling.
//!
//! 20 µs while looks find something to do; after 50 that found nothing (about a millisecond) twice as
//! long each time, up to 10 ms. The ceiling is ours: what Go's compiler declares for it we have to
//! look for. While goroutines wait behind one that runs, half a millisecond, so that a thread that
//! blocks without a word is found in about one; while goroutines come and go, one millisecond; else
//! none. A look costs the processors 15 to 20 µs, most of it for two switches of threads, which at that
//! rate is 3 % of a busy one: where goroutines have come and gone for a while and none of them blocked
//! its thread, the ceilings rise to two milliseconds, until one does. A declared call may ask for a look ([`Pace::hurry`]): the next ones come soon, then twice as
//! late each time again. With every P idle nothing needs to be looked at, and the monitor sleeps until
//! somebody starts to work; a sleep that is long for another reason ends then, too.

/// Shortest and longest time between looks, in µs.
pub(super) const QUICK_US: u64 = 20;
pub(super) const SLOW_US: u64 = 10_000;
/// Time to the first look after a deep sleep, in µs: a program that works a little now and then shall
/// not keep the monitor busy.
const ROUSED_US: u64 = 500;
/// A sleep longer than this, in µs, ends when a P stops being idle.
pub(super) const LONG_US: u64 = CALM_US;
/// Looks that found nothing before the time between them starts to double.
const IDLE_LOOKS: u32 = 50;
/// Ceilings, in µs.
const EXPOSED_US: u64 = 500;
const MOVING_US: u64 = 1_000;
/// After so many looks that saw goroutines come and go, none of which had anything to do, the ceilings
/// double, and after as many again; and where that ends, in µs.
const CALM_LOOKS: u32 = 64;
const CALM_US: u64 = 2_000;

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// There was something to do.
    pub(super) acted: bool,
    /// Somebody waits behind a goroutine that runs, or will within a millisecond or two.
    pub(super) exposed: bool,
    /// Goroutines were picked since the last look.
    pub(super) moving: bool,
    /// A thread with a P sleeps in the kernel, for as long as the next look will tell.
    pub(super) doubt: bool,
}

impl Found {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            acted: self.acted | other.acted,
            exposed: self.exposed | other.exposed,
            moving: self.moving | other.moving,
            doubt: self.doubt | other.doubt,
        }
    }
}

/// The monitor's patience.
#[derive(Debug)]
pub(super) struct Pace {
    /// Looks since something was found.
    quiet: u32,
    /// Looks that saw goroutines move since there was last anything to do.
    calm: u32,
    /// Where the curve is, in µs.
    delay: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { quiet: 0, calm: 0, delay: QUICK_US }
    }

    /// Time to the next look, in µs.
    pub(super) fn next(&mut self, found: Found) -> u64 {
        if found.acted {
            *self = Self::new();
        } else {
            self.quiet += 1;
            if self.quiet > IDLE_LOOKS {
                self.delay = (self.delay * 2).min(SLOW_US);
            }
        }
        // What stands still is looked at again soon; it need not mean anything, on a busy machine.
        let calm = found.moving && !found.doubt;
        self.calm = self.calm.saturating_add(calm.into());
        let doublings = if calm { (self.calm / CALM_LOOKS).min(2) } else { 0 };
        let calmed = |us: u64| (us << doublings).min(CALM_US);
        let ceiling = match found {
            Found { exposed: true, .. } => calmed(EXPOSED_US),
            Found { moving: true, .. } => calmed(MOVING_US),
            _ => SLOW_US,
        };
        // Only the time is cut, and not the curve: whether everything rests is told by the latter.
        self.delay.min(ceiling)
    }

    /// Nothing has happened for a while, so that the monitor may sleep until it is roused.
    pub(super) fn at_rest(&self, found: Found) -> bool {
        self.delay >= MOVING_US && found == Found::default()
    }

    /// Whether looks are rare although goroutines move: then each also asks for threads that sleep.
    pub(super) fn is_calm(&self) -> bool {
        self.calm >= CALM_LOOKS
    }

    /// A declared call wants to be seen.
    pub(super) fn hurry(&mut self) -> u64 {
        self.calm = 0;
        self.quiet = IDLE_LOOKS;
        self.delay = QUICK_US;
        self.delay
    }

    /// The deep sleep is over.
    pub(super) fn rouse(&mut self) -> u64 {
        self.quiet = IDLE_LOOKS;
        self.delay = ROUSED_US;
        self.delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Found {
        Found::default()
    }

    #[test]
    fn the_curve_is_gos() {
        let mut pace = Pace::new();
        for _ in 0..50 {
            assert_eq!(pace.next(nothing()), 20);
        }
        let rest: Vec<_> = (0..11).map(|_| pace.next(nothing())).collect();
        assert_eq!(rest, [40, 80, 160, 320, 640, 1280, 2560, 5120, 10_000, 10_000, 10_000]);
        assert!(pace.at_rest(nothing()));
        assert!(!pace.at_rest(Found { moving: true, ..nothing() }));
        assert_eq!(pace.next(Found { acted: true, ..nothing() }), 20);
        assert!(!pace.at_rest(nothing()));
    }

    #[test]
    fn no_sleep_is_long_while_somebody_waits() {
        let mut pace = Pace::new();
        let exposed = Found { exposed: true, ..nothing() };
        assert!((0..100).all(|_| pace.next(exposed) <= 500));
        assert_eq!(pace.next(Found { moving: true, ..nothing() }), 1000);
        assert_eq!(pace.next(nothing()), SLOW_US, "the curve went on beneath the ceiling");
    }

    #[test]
    fn calm_comes_slowly_and_goes_at_once() {
        let calm = Found { exposed: true, moving: true, ..nothing() };
        let mut pace = Pace::new();
        let mut next = |found| (0..300).map(|_| pace.next(found)).max();
        assert_eq!(next(calm), Some(2000));
        for end in [Found { doubt: true, ..calm }, Found { moving: false, ..calm }] {
            let mut pace = Pace::new();
            while pace.next(calm) < 2000 {}
            assert_eq!(pace.next(end), 500, "a second look, soon");
            assert_eq!(pace.next(calm), 2000, "it was nothing");
            assert_eq!(pace.next(Found { acted: true, ..calm }), 20);
            assert!(!pace.is_calm());
            assert!((0..60).all(|_| pace.next(calm) <= 500));
        }
    }

    #[test]
    fn a_hurry_is_a_few_quick_looks() {
        let mut pace = Pace::new();
        while pace.next(nothing()) < SLOW_US {}
        assert_eq!(pace.hurry(), 20);
        let next: Vec<_> = (0..3).map(|_| pace.next(nothing())).collect();
        assert_eq!(next, [40, 80, 160]);
        assert_eq!(pace.rouse(), 500);
        assert_eq!(pace.next(nothing()), 1000);
    }
}
