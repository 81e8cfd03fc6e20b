//! The table: each shape on stacks of several sizes either recovers with every destructor run, or is
//! listed with the reason why it ends in Go's report.

use crate::shapes::{self as s, Shape};
use crate::tally::Tally;
use std::hint::black_box;
use std::process::Command;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Caps of the stacks.
const CAPS: [usize; 3] = [256 * KIB, MIB, 64 * MIB];
/// Names the shape a child process is to run.
const SHAPE: &str = "GORT_TEST_SHAPE";

/// A shape that recovers.
struct Row {
    name: &'static str,
    shape: Shape,
    /// Values that may be moved into the call that is not made, and are forgotten then.
    moved: usize,
    /// How often in one goroutine, with nothing but `catch_unwind` in between.
    rounds: usize,
}

impl Row {
    /// Whether everything was dropped but what may be forgotten.
    fn check(&self, t: &Tally, what: &str) {
        let (made, dropped) = (t.made(), t.dropped());
        let forgotten = made - dropped.min(made);
        assert!(dropped <= made && forgotten <= self.moved, "{what}: {dropped} of {made} dropped");
    }
}

/// Makes a table of the shapes that recover, and a test of each.
macro_rules! recovering {
    ($($name:ident = $shape:expr $(, moved $moved:literal)? $(, rounds $rounds:literal)?;)*) => {
        static RECOVERING: &[Row] = &[$(Row {
            name: stringify!($name),
            shape: $shape,
            moved: 0 $(+ $moved)?,
            rounds: 20 $(- (20 - $rounds))?,
        }),*];
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*
    };
}

recovering! {
    frame_of_a_word = s::frame::<1>;
    frame_of_64_bytes = s::frame::<8>;
    frame_of_200_bytes = s::frame::<25>;
    frame_of_a_page = s::frame::<512>;
    frame_of_8_kib = s::frame::<1024>;
    frame_of_40_kib = s::frame::<5120>;
    late_guard_small = s::late_guard::<6>;
    late_guard_of_1_kib = s::late_guard::<128>;
    late_guard_of_40_kib = s::late_guard::<5120>;
    untouched_room_of_1_kib = s::untouched::<128>;
    untouched_room_of_20_kib = s::untouched::<2560>;
    leaf_in_the_red_zone = s::leaf::<12>;
    leaf_of_800_bytes = s::leaf::<100>;
    leaf_of_16_kib = s::leaf::<2048>;
    mutual_recursion = s::mutual;
    three_in_turn = s::three_in_turn;
    in_a_destructor = s::in_destructor;
    in_display = s::in_display;
    in_derived_debug = s::in_derived_debug;
    formatting_at_each_level = s::formatting_at_each_level;
    allocating = s::allocating;
    growing_a_vector = s::growing_a_vector;
    recursive_descent = s::descent;
    visitor_with_types = s::visitor;
    through_trait_object = s::through_trait_object;
    through_closures = s::through_closures;
    through_boxed_once = s::through_boxed_once, moved 1;
    through_function_pointer = s::through_function_pointer;
    futures_polled_by_hand = s::futures;
    struct_by_value = s::struct_by_value;
    many_arguments = s::many_arguments;
    large_result = s::large_result;
    floating_point = s::floating_point;
    wide_integers = s::wide_integers;
    aligned_to_64 = s::aligned::<8>;
    aligned_to_64_large = s::aligned::<1000>;
    aligned_to_a_page = s::aligned_to_a_page;
    in_sort = s::in_sort;
    in_iterator = s::in_iterator;
    in_map_entry = s::in_map_entry;
    in_once_cell = s::in_once_cell;
    with_a_borrow = s::with_a_borrow;
    with_a_lock = s::with_a_lock;
    with_shared_parts = s::with_shared_parts;
    catching_at_each_level = s::catching_at_each_level, rounds 6;
    writing = s::writing;
    asking_the_system = s::asking_the_system;
    with_deferred_calls = s::with_deferred_calls;
    yielding = s::yielding;
    using_channels = s::using_channels;
    with_goroutine_locks = s::with_goroutine_locks;
    starting_goroutines = s::starting_goroutines;
    in_a_callback_from_c = s::in_a_callback_from_c;
}

/// Shapes that end in Go's report, and why.
const FATAL: &[(&str, Shape, &str)] = &[
    (
        "in_a_callback_that_may_not_unwind",
        s::in_a_callback_that_may_not_unwind,
        "the callback is `extern \"C\"`: a panic must not leave it",
    ),
    (
        "in_a_function_for_c",
        s::in_a_function_for_c,
        "each level is `extern \"C\"`: a panic must not leave it",
    ),
];

/// Runs the shape once on the last `part` of a stack of so many bytes, and checks what is left.
fn recovers(row: &Row, cap: usize, part: usize) {
    let (shape, t) = (row.shape, Tally::new());
    let end = gort::run(|| {
        let builder = gort::Builder::new().stack_size(cap);
        let body = move || far_down(part, &|| shape(t, 0));
        builder.spawn(body).expect("a stack").join()
    });
    let payload = end.expect_err("it has no end of its own");
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(text.contains("stack overflow"), "{}: {text}", row.name);
    assert!(t.made() > 0, "{}: it did nothing", row.name);
    row.check(t, &format!("{} on {cap} bytes", row.name));
}

/// Runs `f` when no more than `left` bytes of stack are left.
#[inline(never)]
fn far_down(left: usize, f: &dyn Fn() -> usize) -> usize {
    let mut room = [0_u8; 30_000];
    black_box(&mut room);
    let r = if gort::stack::remaining() > left { far_down(left, f) } else { f() };
    r + black_box(&room)[7] as usize
}

/// The same again and again in one goroutine, caught by the standard library's means.
fn again(row: &'static Row, cap: usize, times: usize) {
    let (name, shape) = (row.name, row.shape);
    let body = move || {
        for round in 0..times {
            let t = Tally::new();
            let end = std::panic::catch_unwind(|| shape(t, round));
            assert!(end.is_err());
            row.check(t, &format!("{name}, round {round}"));
        }
    };
    let builder = gort::Builder::new().stack_size(cap);
    gort::run(|| builder.spawn(body).expect("a stack").join()).expect("caught each time");
}

/// A shape on every cap.
fn check(name: &str) {
    let row = row(name);
    for cap in CAPS {
        recovers(row, cap, MIB);
    }
    again(row, 256 * KIB, row.rounds);
}

/// Frames of every multiple of 8 bytes up to 4 KiB, and some beyond.
#[test]
fn frames_of_every_size() {
    macro_rules! sizes {
        ($($hundreds:literal)*) => {
            [$(sizes!(@ $hundreds, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)),*].concat()
        };
        (@ $h:literal, $($n:literal)*) => {
            vec![$((16 * $h + $n, s::frame::<{ 16 * $h + $n + 1 }> as Shape)),*]
        };
    }
    let shapes = sizes!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28
                        29 30 31 32 64 128);
    for (words, shape) in shapes {
        let row = Row { name: "a frame", shape, moved: 0, rounds: 1 };
        recovers(&row, 256 * KIB, MIB);
        if words % 8 == 0 {
            recovers(&row, MIB, MIB);
        }
    }
}

fn row(name: &str) -> &'static Row {
    RECOVERING.iter().find(|r| r.name == name).expect("a row")
}

/// The largest stack there is, from its beginning to its end.
#[test]
fn a_gibibyte() {
    recovers(row("frame_of_a_page"), 1 << 30, 1 << 30);
}

/// The end of the largest stack.
#[test]
fn the_last_mebibyte_of_a_gibibyte() {
    for name in ["frame_of_200_bytes", "in_display", "recursive_descent", "in_a_callback_from_c"] {
        recovers(row(name), 1 << 30, MIB);
    }
}

/// Some millions of frames.
#[test]
fn sixty_four_mebibytes_from_the_beginning() {
    for name in ["frame_of_200_bytes", "through_trait_object"] {
        recovers(row(name), 64 * MIB, 64 * MIB);
    }
}

/// A child process runs each shape that is listed as fatal.
#[test]
fn those_listed_end_in_gos_report() {
    if let Ok(name) = std::env::var(SHAPE) {
        let (_, shape, _) = FATAL.iter().find(|f| f.0 == name).expect("a row");
        let t = Tally::new();
        gort::run(|| gort::Builder::new().stack_size(MIB).spawn(|| shape(t, 0)).map(|h| h.join()))
            .expect("a stack")
            .expect_err("no end of its own");
        return;
    }
    for (name, _, why) in FATAL {
        assert!(!why.is_empty());
        let out = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "table::those_listed_end_in_gos_report", "--nocapture"])
            .env(SHAPE, name)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{name}: {text}");
        for says in ["gort: goroutine stack exceeds", "-byte limit", "fatal error: stack overflow"]
        {
            assert!(text.contains(says), "{name} does not say {says:?}: {text}");
        }
    }
}

#[test]
fn nineteen_of_twenty_recover() {
    let all = RECOVERING.len() + FATAL.len();
    assert!(all >= 40 && RECOVERING.len() * 20 >= all * 19, "{} of {all}", RECOVERING.len());
}
