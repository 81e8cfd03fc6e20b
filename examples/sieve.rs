//! The prime sieve: a chain of goroutines, one for each prime found so far, each passing on what
//! its prime does not divide.
//!
//! `cargo run --example sieve`
#![allow(clippy::print_stdout, reason = "an example talks")]

use gort::{Chan, go};

/// Sends 2, 3, 4, … for ever.
fn generate(numbers: Chan<u32>) {
    for n in 2.. {
        numbers.send(n);
    }
}

/// Passes on what `prime` does not divide.
fn filter(numbers: Chan<u32>, rest: Chan<u32>, prime: u32) {
    for n in &numbers {
        if n % prime != 0 {
            rest.send(n);
        }
    }
}

fn primes(count: usize) -> Vec<u32> {
    let mut numbers = gort::chan(0);
    go!(generate(numbers.clone()));

    let mut found = Vec::new();
    while found.len() < count {
        let prime = numbers.recv().expect("the generator never closes");
        found.push(prime);
        let rest = gort::chan(0);
        go!(filter(numbers, rest.clone(), prime));
        numbers = rest;
    }
    found
}

fn main() {
    let found = gort::run(|| primes(100));
    println!("{found:?}");
    assert_eq!(found.last(), Some(&541));
    assert_eq!(found.iter().sum::<u32>(), 24_133);
}
