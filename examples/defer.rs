//! Deferred calls, recover, and results changed after the return.
//!
//! `cargo run --release --example defer`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::cell::{Cell, RefCell};
use std::fmt::Display;

/// Go's named result: the deferred call changes it after the return.
fn triple(x: u32) -> u32 {
    gort::func(|f| {
        f.defer(move |d| *d.result() += x);
        x + x
    })
}

/// A panic becomes an absent result.
fn divide(a: i32, b: i32) -> Option<i32> {
    gort::func(|f| {
        f.defer(|d| drop(d.recover()));
        Some(a / b)
    })
}

fn main() {
    let said = RefCell::new(String::new());
    let say = |what: &dyn Display| said.borrow_mut().push_str(&format!("{what} "));
    // Last in, first out.
    gort::func::<()>(|f| (0..10).rev().for_each(|i| f.defer(move |_| say(&i))));
    assert_eq!(said.take(), "0 1 2 3 4 5 6 7 8 9 ");

    // What a call captures by value is that of the moment it was deferred; a shared variable is read
    // when the call runs.
    let shared = Cell::new(0);
    gort::func::<()>(|f| (0..3).for_each(|i| f.defer(move |_| say(&i))));
    gort::func::<()>(|f| {
        (1..=3).for_each(|i| {
            f.defer(|_| say(&shared.get()));
            shared.set(i);
        });
    });
    assert_eq!(said.take(), "2 1 0 3 3 3 ");

    // Whatever way the function is left.
    let enough = std::env::args().len() < 100;
    gort::func::<()>(|f| {
        f.defer(|_| say(&789));
        say(&123);
        if enough {
            return;
        }
        say(&456);
    });
    assert_eq!(said.take(), "123 789 ");

    println!("{} {:?} {:?}", triple(5), divide(7, 2), divide(7, 0));
    assert_eq!((triple(5), divide(7, 2), divide(7, 0)), (15, Some(3), None));
}
