//! The cap, the ladder, and who stands on which rung.

use crate::alone::alone;
use gort::stack::{limit, remaining, segments};
use gort::{Builder, Config, runtime};

/// What a goroutine started now has: the bytes of its stack, and its limit.
fn fresh() -> (usize, usize) {
    gort::spawn(|| (remaining(), limit())).join().unwrap()
}

/// Whether `bytes` is a stack of `cap`, give or take what lies at its top.
fn is_about(bytes: usize, cap: usize) -> bool {
    (cap - (8 << 10)..cap + (32 << 10)).contains(&bytes)
}

#[test]
fn a_cap_is_had_in_one_piece_whatever_its_size() {
    alone("caps::a_cap_is_had_in_one_piece_whatever_its_size", || {
        Config::new()
            .max_stack(3_000_000)
            .run(|| {
                let (bytes, cap) = fresh();
                assert_eq!((cap, limit()), (4 << 20, 4 << 20), "rounded up");
                assert!(is_about(bytes, 4 << 20), "{bytes}");
            })
            .unwrap();
    });
}

#[test]
fn a_cap_set_later_holds_for_those_started_later() {
    alone("caps::a_cap_set_later_holds_for_those_started_later", || {
        gort::run(|| {
            assert_eq!(fresh().1, 1 << 30);
            let mut before = 1 << 30;
            for cap in [64 << 10, 256 << 10, 1 << 20, 64 << 20, 4 << 30, 1 << 30] {
                assert_eq!(runtime::set_max_stack(cap), before);
                before = cap;
                let (bytes, limit) = fresh();
                assert_eq!(limit, cap);
                assert!(is_about(bytes, cap), "{bytes} of {cap}");
            }
            runtime::set_max_stack(1 << 20);
            let many: Vec<_> = (0..200).map(|_| gort::spawn(remaining)).collect();
            assert!(many.into_iter().all(|h| is_about(h.join().unwrap(), 1 << 20)));
            runtime::set_max_stack(1);
            assert_eq!(fresh().1, 64 << 10, "the least there is");
            assert_eq!(limit(), 64 << 10, "everybody's");
        });
    });
}

#[test]
fn a_builder_chooses_the_limit() {
    gort::run(|| {
        for size in [1, 64 << 10, 100_000, 1 << 20, 64 << 20, 1 << 30] {
            let h = Builder::new().stack_size(size).spawn(|| (remaining(), limit())).unwrap();
            let (bytes, cap) = h.join().unwrap();
            assert_eq!(cap, size.max(64 << 10).next_power_of_two());
            assert!(is_about(bytes, cap), "{bytes} of {cap}");
        }
        let refused = Builder::new().stack_size((1 << 30) + 1).spawn(|| ()).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_crowd_stands_on_the_ladder() {
    alone("caps::a_crowd_stands_on_the_ladder", || {
        let rungs = [(10, 16 << 20), (30, 1 << 20), (usize::MAX, 128 << 10)];
        Config::new()
            .stack_ladder(&rungs)
            .run(|| {
                let gate = gort::chan::<()>(0);
                let (tell, told) = gort::channel(100);
                for _ in 0..60 {
                    let (gate, tell) = (gate.clone(), tell.clone());
                    gort::go(move || {
                        tell.send((remaining(), limit())).unwrap();
                        assert!(gate.recv().is_none());
                    });
                }
                let all: Vec<_> = (0..60).map(|_| told.recv().unwrap()).collect();
                assert!(all.iter().all(|(_, cap)| *cap == 1 << 30));
                let of = |size| all.iter().filter(|(bytes, _)| is_about(*bytes, size)).count();
                // Slots are made in batches, so a rung may have a few beyond its share.
                let (largest, middle) = (of(16 << 20), of(1 << 20));
                let dense = all.iter().filter(|(bytes, _)| *bytes < 128 << 10).count();
                assert_eq!(largest + middle + dense, 60);
                assert!((9..9 + 16).contains(&largest), "{largest}, and the main goroutine");
                assert!((20..20 + 16).contains(&middle) && dense > 0, "{middle} and {dense}");
                gate.close();
            })
            .unwrap();
    });
}

#[test]
fn growth_obeys_a_cap_that_is_set_meanwhile() {
    alone("caps::growth_obeys_a_cap_that_is_set_meanwhile", || {
        gort::run(|| {
            runtime::set_max_stack(1 << 20);
            let grown = gort::stack::grow(|| (segments(), remaining()));
            assert!(grown.0 == 2 && grown.1 < 1 << 20, "{grown:?}");
            let more = std::panic::catch_unwind(|| gort::stack::ensure(2 << 30, || ()));
            assert!(more.is_err());
        });
    });
}
