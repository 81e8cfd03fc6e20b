//! Ten goroutines greet, in whatever order they come to run; a wait group waits for the last.
//!
//! `cargo run --example hello`
#![allow(clippy::print_stdout, reason = "an example talks")]

use gort::Chan;
use gort::sync::WaitGroup;

fn greet(number: usize, greeted: &Chan<usize>) {
    println!("hello from goroutine {number}");
    greeted.send(number);
}

fn main() {
    let mut numbers = gort::run(|| {
        let greeted = gort::chan(10);
        let wg = WaitGroup::new();
        for number in 0..10 {
            let greeted = greeted.clone();
            wg.go(move || greet(number, &greeted));
        }
        wg.wait();
        greeted.close();
        greeted.iter().collect::<Vec<_>>()
    });

    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    println!("all ten have greeted");
}
