//! Deferred calls, recover, and results changed after the return.
//!
//! `cargo run --release --example defer`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::cell::RefCell;

/// Go's named result: the deferred call changes it after the return.
fn triple(x: u32) -> u32 {
    gort::func(|f| {
        f.defer(move |d| *d.result() += x);
        x + x
    })
}

/// A panic becomes an error.
fn divide(a: i32, b: i32) -> Result<i32, String> {
    gort::func(|f| {
        f.defer(|d| {
            if let Some(p) = d.recover() {
                *d.result() = Failed(Err(p.message().to_owned()));
            }
        });
        Failed(Ok(a / b))
    })
    .0
}

struct Failed(Result<i32, String>);

impl Default for Failed {
    fn default() -> Self {
        Self(Ok(0))
    }
}

fn main() {
    let digits = gort::run(|| {
        let digits = RefCell::new(String::new());
        gort::func(|f| {
            for i in (0..10).rev() {
                let digits = &digits;
                f.defer(move |_| digits.borrow_mut().push_str(&i.to_string()));
            }
        });
        digits.into_inner()
    });
    println!("{digits} {} {:?} {:?}", triple(5), divide(7, 2), divide(7, 0));
    assert_eq!((digits.as_str(), triple(5)), ("0123456789", 15));
    assert_eq!(divide(7, 0).unwrap_err(), "attempt to divide by zero");
}
